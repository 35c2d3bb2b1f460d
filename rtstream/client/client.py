"""The RTStream API as typed calls. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rtstream.client.alerts import AlertCalls
from rtstream.client.indexes import IndexCalls
from rtstream.client.journal import JournalFilter
from rtstream.client.transcripts import TranscriptCalls
from rtstream.client.transport import Endpoint, Locate, Transport
from rtstream.client.validation import as_list, as_model, body_of, path_id
from rtstream.client.videos import VideoCalls
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.models import (
    AskLook,
    Collection,
    ConnectStream,
    EngineInfo,
    JournalPage,
    LookAnswer,
    Playback,
    RetentionLimits,
    SearchResults,
    SearchStreams,
    Stream,
)

MAX_WAIT_S = 50.0
LOOK_S = 55.0
"""Longer than the engine gives a model for an answer."""


@dataclass(frozen=True)
class Frame:
    """One picture. ``time``: Unix seconds when it happened; ``width`` and ``height`` in pixels."""

    jpeg: bytes
    time: float
    width: int
    height: int


@dataclass(frozen=True)
class Sheet:
    """A contact sheet. ``times``: Unix seconds of its pictures, row by row."""

    jpeg: bytes
    times: Sequence[float]
    width: int
    height: int


class RTStreamClient:
    """``RTStreamClient(base_url, api_key)``, or ``RTStreamClient.located_by(locate)`` to look the endpoint up.

    Speaks to this project's engine and to the hosted service; ``info`` tells which.
    Opens nothing before the first call.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        endpoint = Endpoint(base_url.rstrip("/"), api_key)

        async def here(start: bool) -> Endpoint:
            return endpoint

        self._transport = Transport(here)

    @classmethod
    def located_by(cls, locate: Locate) -> RTStreamClient:
        """A client whose endpoint is found with the first call, and again when nobody answers there any more."""
        client = cls.__new__(cls)
        client._transport = Transport(locate)
        return client

    @property
    def videos(self) -> VideoCalls:
        """Exports and exported videos."""
        return VideoCalls(self._transport)

    @property
    def indexes(self) -> IndexCalls:
        """Scene indexes and their scenes."""
        return IndexCalls(self._transport)

    @property
    def transcripts(self) -> TranscriptCalls:
        """What is said on streams."""
        return TranscriptCalls(self._transport)

    @property
    def watches(self) -> AlertCalls:
        """Detection rules, and the alerts that watch them on indexes."""
        return AlertCalls(self._transport)

    async def endpoint(self, *, start: bool = True) -> Endpoint:
        """The endpoint in use; with ``start`` an engine may be started for it."""
        return await self._transport.endpoint(start=start)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _get(self, path: str, *, start: bool = True, **params: Any) -> Any:
        return await self._transport.data("GET", path, params=params, start=start)

    # the engine

    async def info(self, *, start: bool = True) -> EngineInfo | None:
        """What the engine is and can do; None for a service without our additions (the hosted one)."""
        try:
            return as_model(EngineInfo, await self._get("/rtstream/engine", start=start))
        except (NotFound, InvalidRequest):
            return None

    async def websocket_url(self, collection_id: str = "default", *, start: bool = True) -> str:
        """Address of a WebSocket; a credential is part of it."""
        data = await self._get(f"/collection/{path_id(collection_id)}/websocket", start=start)
        url = (data or {}).get("websocket_url")
        if not url:
            raise Unavailable("The service gave no WebSocket address: update rtstream-mcp.")
        return str(url)

    async def journal(
        self,
        since: int | None = None,
        which: JournalFilter = JournalFilter(),  # noqa: B008 - a frozen value
        limit: int = 100,
        wait_s: float = 0.0,
        *,
        start: bool = True,
    ) -> JournalPage:
        """Entries after ``since`` (without it: the newest), waiting up to ``wait_s`` (0 to 50) seconds for one."""
        params = {"since": since, "limit": limit, **which.query()}
        if wait_s > 0:
            params["wait_s"] = min(wait_s, MAX_WAIT_S)
        data = await self._transport.data("GET", "/rtstream/journal", params=params, timeout_s=wait_s + 30, start=start)
        return as_model(JournalPage, data)

    # collections

    async def list_collections(self) -> list[Collection]:
        """All collections."""
        return as_list(Collection, await self._get("/collection"), "collections")

    async def get_collection(self, collection_id: str = "default") -> Collection:
        """One collection."""
        return as_model(Collection, await self._get(f"/collection/{path_id(collection_id)}"))

    async def create_collection(self, name: str, description: str = "", is_public: bool = False) -> Collection:
        """Add a collection."""
        body = {"name": name, "description": description, "is_public": is_public}
        return as_model(Collection, await self._transport.data("POST", "/collection", body=body))

    async def update_collection(self, collection_id: str, **changes: str | bool) -> Collection:
        """Change ``name``, ``description`` or ``is_public``."""
        return as_model(
            Collection, await self._transport.data("PATCH", f"/collection/{path_id(collection_id)}", body=changes)
        )

    # streams

    async def connect_stream(self, request: ConnectStream) -> Stream:
        """Add a stream; it starts at once."""
        data = await self._transport.data("POST", "/rtstream", body=body_of(request))
        return as_model(Stream, data)

    async def get_stream(self, stream_id: str, *, start: bool = True) -> Stream:
        """One stream."""
        return as_model(Stream, await self._get(f"/rtstream/{path_id(stream_id)}", start=start))

    async def list_streams(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        status: str | None = None,
        name: str | None = None,
        ordering: str | None = None,
        start: bool = True,
    ) -> tuple[list[Stream], int]:
        """One page, newest first unless ``ordering`` says otherwise, and the number of streams that match."""
        data = await self._get(
            "/rtstream", start=start, limit=limit, offset=offset, status=status, name=name, ordering=ordering
        )
        streams = as_list(Stream, data, "results")
        count = data.get("count")
        return streams, int(count) if count is not None else (offset or 0) + len(streams)

    async def start_stream(self, stream_id: str) -> Stream:
        """Start a stream; harmless when it runs."""
        return await self._act_on_stream(stream_id, "start")

    async def stop_stream(self, stream_id: str) -> Stream:
        """Stop a stream; harmless when it is stopped."""
        return await self._act_on_stream(stream_id, "stop")

    async def _act_on_stream(self, stream_id: str, action: str) -> Stream:
        await self._transport.data("PATCH", f"/rtstream/{path_id(stream_id)}/status", body={"action": action})
        return await self.get_stream(stream_id)

    async def update_stream(
        self, stream_id: str, *, name: str | None = None, retention: RetentionLimits | None = None
    ) -> Stream:
        """Change what is given; ``retention`` replaces all limits of the stream."""
        limits = None if retention is None else retention.model_dump(exclude_none=True)
        given = {"name": name, "retention": limits}
        body = {key: value for key, value in given.items() if value is not None}
        await self._transport.data("PATCH", f"/rtstream/{path_id(stream_id)}", body=body)
        return await self.get_stream(stream_id)

    async def delete_stream(self, stream_id: str) -> None:
        """Remove a stream with all that was recorded and found on it; exported videos stay."""
        await self._transport.data("DELETE", f"/rtstream/{path_id(stream_id)}")

    async def generate_stream(self, stream_id: str, start: float | None = None, end: float | None = None) -> Playback:
        """Where the window ``start`` to ``end`` (Unix seconds) can be watched; without them: live."""
        params = {"start": start, "end": end}
        data = await self._transport.data("GET", f"/rtstream/{path_id(stream_id)}/stream", params=params)
        return as_model(Playback, data)

    async def frame(self, stream_id: str, at: float | None = None, max_side: int | None = None) -> Frame:
        """The picture at ``at`` (Unix seconds), or now; its longest side at most ``max_side`` pixels."""
        params = {"at": at, "max_side": max_side}
        answer = await self._transport.response("GET", f"/rtstream/{path_id(stream_id)}/frame", params=params)
        header = _picture_header(answer)
        return Frame(
            jpeg=answer.content,
            time=float(header.get("x-frame-time", 0)),
            width=int(header.get("x-frame-width", 0)),
            height=int(header.get("x-frame-height", 0)),
        )

    async def sheet(
        self, stream_id: str, start: float, end: float, count: int = 9, max_side: int | None = None
    ) -> Sheet:
        """Up to ``count`` pictures, evenly from ``start`` to ``end`` (Unix seconds), in one image."""
        params = {"start": start, "end": end, "count": count, "max_side": max_side}
        answer = await self._transport.response("GET", f"/rtstream/{path_id(stream_id)}/sheet", params=params)
        header = _picture_header(answer)
        return Sheet(
            jpeg=answer.content,
            times=[float(at) for at in header.get("x-frame-times", "").split(",") if at],
            width=int(header.get("x-frame-width", 0)),
            height=int(header.get("x-frame-height", 0)),
        )

    async def look(self, stream_id: str, request: AskLook) -> LookAnswer:
        """A question about one moment, or a range, answered by the vision model."""
        path = f"/rtstream/{path_id(stream_id)}/look"
        return as_model(LookAnswer, await self._transport.data("POST", path, body=body_of(request), timeout_s=LOOK_S))

    # search

    async def search(self, request: SearchStreams, *, collection_id: str = "default") -> SearchResults:
        """Moments that fit a query: of ``request.streams``, or of all streams (of the collection)."""
        streams = request.streams or []
        if len(streams) == 1:
            path = f"/rtstream/{path_id(streams[0])}/search"
        else:
            path = f"/rtstream/collection/{path_id(collection_id)}/search"
        found = as_model(SearchResults, await self._transport.data("POST", path, body=body_of(request)))
        if len(streams) == 1:  # the published API leaves out what is known
            for hit in found.results:
                hit.rtstream_id = hit.rtstream_id or streams[0]
        return found


def _picture_header(answer: Any) -> Any:
    if answer.headers.get("content-type", "").split(";")[0] != "image/jpeg":
        raise Unavailable("This service gives no single pictures: use generate_stream to watch the stream.")
    return answer.headers
