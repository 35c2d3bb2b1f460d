"""The RTStream API as typed calls. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rtstream.client.alerts import AlertCalls
from rtstream.client.indexes import IndexCalls
from rtstream.client.jobs import JobCalls
from rtstream.client.journal import JournalFilter
from rtstream.client.links import LinkCalls
from rtstream.client.transcripts import TranscriptCalls
from rtstream.client.transport import Endpoint, Locate, Transport
from rtstream.client.validation import as_changed, as_list, as_model, body_of, path_id
from rtstream.client.videos import VideoCalls
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.json_types import JsonObject
from rtstream.models import (
    AskLook,
    Camera,
    CameraSearch,
    Collection,
    ConnectStream,
    EngineInfo,
    JournalPage,
    LookAnswer,
    PaidPart,
    Playback,
    RetentionLimits,
    SearchResults,
    SearchStreams,
    ShownMoment,
    Stream,
    StreamDetail,
    TimelinePage,
)

if TYPE_CHECKING:
    import httpx

MAX_WAIT_S = 50.0
LOOK_S = 55.0
"""Time limit of a look in seconds, longer than the engine's own limit for a model."""


@dataclass(frozen=True)
class Frame:
    """A picture. ``time`` is in Unix seconds; ``width`` and ``height`` are in pixels."""

    jpeg: bytes
    time: float
    width: int
    height: int


@dataclass(frozen=True)
class Sheet:
    """A contact sheet. ``times`` are the Unix times of its pictures, row by row."""

    jpeg: bytes
    times: Sequence[float]
    width: int
    height: int


class RTStreamClient:
    """A client for this project's engine or the hosted service. ``info`` reveals which one it is.

    Nothing is opened before the first call. Use ``located_by`` if the URL is not known in advance.

    Args:
        base_url: Base URL of the API.
        api_key: API key.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        endpoint = Endpoint(base_url.rstrip("/"), api_key)

        async def locate(start: bool) -> Endpoint:
            return endpoint

        self._transport = Transport(locate)

    @classmethod
    def located_by(cls, locate: Locate) -> RTStreamClient:
        """Create a client that locates its endpoint on the first call, and again when the endpoint stops responding."""
        client = cls.__new__(cls)
        client._transport = Transport(locate)
        return client

    @property
    def videos(self) -> VideoCalls:
        """Exports and exported videos."""
        return VideoCalls(self._transport)

    @property
    def jobs(self) -> JobCalls:
        """Calls for jobs."""
        return JobCalls(self._transport)

    @property
    def links(self) -> LinkCalls:
        """Playback links that were created."""
        return LinkCalls(self._transport)

    @property
    def indexes(self) -> IndexCalls:
        """Scene indexes and their scenes."""
        return IndexCalls(self._transport)

    @property
    def transcripts(self) -> TranscriptCalls:
        """Transcripts of streams."""
        return TranscriptCalls(self._transport)

    @property
    def alerts(self) -> AlertCalls:
        """Events, and the alerts that watch for them on indexes."""
        return AlertCalls(self._transport)

    async def endpoint(self, *, start: bool = True) -> Endpoint:
        """Return the endpoint in use. With ``start``, an engine may be started for it."""
        return await self._transport.endpoint(start=start)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _get(
        self, path: str, params: JsonObject | None = None, *, start: bool = True
    ) -> Any:  # Any: as of ``Transport.data``
        return await self._transport.data("GET", path, params=params, start=start)

    # the engine

    async def info(self, *, start: bool = True) -> EngineInfo | None:
        """Return the engine's description, or None for a service without our extensions (the hosted one)."""
        try:
            return as_model(EngineInfo, await self._get("/rtstream/engine", start=start))
        except (NotFound, InvalidRequest):
            return None

    async def websocket_url(self, collection_id: str = "default", *, start: bool = True) -> str:
        """Return a WebSocket URL, which contains a credential."""
        data = await self._get(f"/collection/{path_id(collection_id)}/websocket", start=start)
        url = (data or {}).get("websocket_url")
        if not url:
            raise Unavailable("The service returned no WebSocket URL. Update rtstream-mcp.")
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
        """Return journal entries.

        Args:
            since: Return entries after this number. Without it, the newest entries are returned.
            which: Filter for the entries.
            limit: Maximum number of entries.
            wait_s: Seconds to wait (0 to 50) for the first entry.
            start: Whether an engine may be started for the call.
        """
        params = {"since": since, "limit": limit, **which.query()}
        if wait_s > 0:
            params["wait_s"] = min(wait_s, MAX_WAIT_S)
        data = await self._transport.data("GET", "/rtstream/journal", params=params, timeout_s=wait_s + 30, start=start)
        return as_model(JournalPage, data)

    # collections

    async def list_collections(self) -> list[Collection]:
        """Return all collections."""
        return as_list(Collection, await self._get("/collection"), "collections")

    async def get_collection(self, collection_id: str = "default") -> Collection:
        """Return a collection."""
        return as_model(Collection, await self._get(f"/collection/{path_id(collection_id)}"))

    async def create_collection(self, name: str, description: str = "", is_public: bool = False) -> Collection:
        """Create a collection."""
        body = {"name": name, "description": description, "is_public": is_public}
        return as_model(Collection, await self._transport.data("POST", "/collection", body=body))

    async def update_collection(self, collection_id: str, **changes: str | bool) -> Collection:
        """Change the ``name``, ``description`` or ``is_public`` of a collection."""
        return as_model(
            Collection, await self._transport.data("PATCH", f"/collection/{path_id(collection_id)}", body=changes)
        )

    # streams

    async def connect_stream(self, request: ConnectStream) -> Stream:
        """Connect a stream, which starts at once."""
        data = await self._transport.data("POST", "/rtstream", body=body_of(request))
        return as_model(Stream, data)

    async def discover_cameras(self, wait_s: float = 3.0) -> list[Camera]:
        """Return the ONVIF cameras on the networks of the engine that respond within ``wait_s`` seconds."""
        data = await self._transport.data("GET", "/rtstream/cameras", params={"wait_s": wait_s}, timeout_s=wait_s + 30)
        return as_model(CameraSearch, data).cameras

    async def get_stream(self, stream_id: str, *, start: bool = True) -> Stream:
        """Return a stream."""
        return as_model(Stream, await self._get(f"/rtstream/{path_id(stream_id)}", start=start))

    async def get_stream_detail(self, stream_id: str) -> StreamDetail:
        """Return a stream with everything that belongs to it, in one call."""
        try:
            return as_model(StreamDetail, await self._get(f"/rtstream/{path_id(stream_id)}/detail"))
        except (NotFound, InvalidRequest):  # a service without our extensions, or no such stream
            found = StreamDetail(stream=await self.get_stream(stream_id))
            with suppress(NotFound, InvalidRequest):
                found.transcript = await self.transcripts.status(stream_id)
            return found

    async def list_streams(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        status: str | None = None,
        name: str | None = None,
        ordering: str | None = None,
        collection_id: str | None = None,
        start: bool = True,
    ) -> tuple[list[Stream], int]:
        """Return one page of streams, newest first by default, and the total number of matching streams."""
        which = {"status": status, "name": name, "ordering": ordering, "collection_id": collection_id}
        data = await self._get("/rtstream", {"limit": limit, "offset": offset, **which}, start=start)
        streams = as_list(Stream, data, "results")
        count = data.get("count")
        return streams, int(count) if count is not None else (offset or 0) + len(streams)

    async def start_stream(self, stream_id: str) -> Stream:
        """Start a stream. Does nothing if it is running."""
        return await self._set_stream_status(stream_id, "start")

    async def stop_stream(self, stream_id: str) -> Stream:
        """Stop a stream. Does nothing if it is stopped."""
        return await self._set_stream_status(stream_id, "stop")

    async def _set_stream_status(self, stream_id: str, action: str) -> Stream:
        path = f"/rtstream/{path_id(stream_id)}/status"
        data = await self._transport.data("PATCH", path, body={"action": action})
        return as_changed(Stream, data, "health") or await self.get_stream(stream_id)

    async def update_stream(
        self,
        stream_id: str,
        *,
        name: str | None = None,
        retention: RetentionLimits | None = None,
        tracks: str | None = None,
        vocabulary: list[str] | None = None,
    ) -> Stream:
        """Update a stream. Omitted fields stay as they are; ``retention`` replaces all limits of the stream."""
        limits = None if retention is None else retention.model_dump(exclude_none=True)
        fields = {"name": name, "retention": limits, "tracks": tracks, "vocabulary": vocabulary}
        body = {key: value for key, value in fields.items() if value is not None}
        data = await self._transport.data("PATCH", f"/rtstream/{path_id(stream_id)}", body=body)
        return as_changed(Stream, data, "health") or await self.get_stream(stream_id)

    async def delete_stream(self, stream_id: str) -> None:
        """Delete a stream with its recordings and results. Exported videos remain."""
        await self._transport.data("DELETE", f"/rtstream/{path_id(stream_id)}")

    async def list_paid(self, stream_id: str) -> list[PaidPart]:
        """Return the running parts of a stream that call a paid model. A service without our extensions has none."""
        try:
            return as_list(PaidPart, await self._get(f"/rtstream/{path_id(stream_id)}/paid"), "parts")
        except (NotFound, InvalidRequest):
            return []

    async def stop_paid(self, stream_id: str) -> list[PaidPart]:
        """Stop the parts of a stream that call a paid model, and return them. Recording continues."""
        path = f"/rtstream/{path_id(stream_id)}/paid"
        # Stopping a transcript waits until its last words are final.
        data = await self._transport.data("PATCH", path, body={"action": "stop"}, timeout_s=60.0)
        return as_list(PaidPart, data, "parts")

    async def generate_stream(self, stream_id: str, start: float | None = None, end: float | None = None) -> Playback:
        """Return the URLs that play a window of a stream.

        Args:
            stream_id: The stream.
            start: Unix seconds. Without ``start`` and ``end``, the URLs play the live stream.
            end: Unix seconds.
        """
        params = {"start": start, "end": end}
        data = await self._transport.data("GET", f"/rtstream/{path_id(stream_id)}/stream", params=params)
        return as_model(Playback, data)

    async def frame(self, stream_id: str, at: float | None = None, max_side: int | None = None) -> Frame:
        """Return the picture at ``at`` (Unix seconds), or the current one.

        Args:
            stream_id: The stream.
            at: Unix seconds, or None for now.
            max_side: Longest allowed side in pixels.
        """
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
        """Return up to ``count`` pictures in one image, evenly spaced from ``start`` to ``end`` (Unix seconds)."""
        params = {"start": start, "end": end, "count": count, "max_side": max_side}
        answer = await self._transport.response("GET", f"/rtstream/{path_id(stream_id)}/sheet", params=params)
        header = _picture_header(answer)
        return Sheet(
            jpeg=answer.content,
            times=[float(at) for at in header.get("x-frame-times", "").split(",") if at],
            width=int(header.get("x-frame-width", 0)),
            height=int(header.get("x-frame-height", 0)),
        )

    async def find_text(
        self,
        stream_id: str,
        text: str,
        moment: Literal["first", "last"] = "first",
        start: float | None = None,
        end: float | None = None,
    ) -> ShownMoment:
        """Return the first or last moment of a range (Unix seconds) at which a text was on the screen."""
        params = {"text": text, "moment": moment, "start": start, "end": end}
        path = f"/rtstream/{path_id(stream_id)}/moment"
        return as_model(ShownMoment, await self._transport.data("GET", path, params=params, timeout_s=LOOK_S))

    async def look(self, stream_id: str, request: AskLook) -> LookAnswer:
        """Ask the vision model a question about one moment or a range."""
        path = f"/rtstream/{path_id(stream_id)}/look"
        return as_model(LookAnswer, await self._transport.data("POST", path, body=body_of(request), timeout_s=LOOK_S))

    # search

    async def search(self, request: SearchStreams, *, collection_id: str = "default") -> SearchResults:
        """Search ``request.streams``, or all streams of the collection, for moments that match a query."""
        streams = request.streams or []
        if len(streams) == 1:
            path = f"/rtstream/{path_id(streams[0])}/search"
        else:
            path = f"/rtstream/collection/{path_id(collection_id)}/search"
        found = as_model(SearchResults, await self._transport.data("POST", path, body=body_of(request)))
        if len(streams) == 1:  # the published API omits the stream id here
            for hit in found.results:
                hit.rtstream_id = hit.rtstream_id or streams[0]
        return found

    async def timeline(
        self,
        *,
        streams: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
        channels: Sequence[str] | None = None,
        cursor: str | None = None,
        max_chars: int | None = None,
    ) -> TimelinePage:
        """Return a page of the merged timeline of streams, oldest first.

        Args:
            streams: Ids of the streams. None: all.
            start: Unix seconds. None: an hour before ``end``.
            end: Unix seconds. None: now.
            channels: Only these channels of a timeline.
            cursor: ``cursor`` of an earlier page, which contains the other arguments.
            max_chars: Length of the page as JSON, about.
        """
        params = {
            "streams": ",".join(streams or ()) or None,
            "start": start,
            "end": end,
            "channels": ",".join(channels or ()) or None,
            "cursor": cursor,
            "max_chars": max_chars,
        }
        return as_model(TimelinePage, await self._get("/rtstream/timeline", params))


def _picture_header(answer: httpx.Response) -> httpx.Headers:
    if answer.headers.get("content-type", "").split(";")[0] != "image/jpeg":
        raise Unavailable("This service does not provide single pictures. Use generate_stream to watch the stream.")
    return answer.headers
