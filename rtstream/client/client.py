"""The RTStream API as typed calls. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from rtstream.client.journal import JournalFilter
from rtstream.client.transport import Endpoint, Locate, Transport
from rtstream.client.videos import Videos
from rtstream.client.wire import as_model as _as
from rtstream.client.wire import path_id as _id
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.models import (
    Alert,
    AskLook,
    Collection,
    ConnectStream,
    CreateAlert,
    CreateEvent,
    CreateIndex,
    Decision,
    Delivery,
    EngineInfo,
    Event,
    EventTest,
    JournalPage,
    LookAnswer,
    Playback,
    RetentionLimits,
    Scene,
    SceneIndex,
    SearchResults,
    SearchStreams,
    Stream,
    TranscriptPage,
    TranscriptStatus,
    UpdateEvent,
)

ModelT = TypeVar("ModelT", bound=BaseModel)
MAX_WAIT_S = 50.0
TRIAL_S = 120.0
"""A dry run may ask a model about each scene."""
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


@dataclass(frozen=True)
class ScenePage:
    """Scenes, newest first."""

    scenes: Sequence[Scene]
    next_page: bool


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
    def videos(self) -> Videos:
        """Exports and exported videos."""
        return Videos(self._transport)

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
            return _as(EngineInfo, await self._get("/rtstream/engine", start=start))
        except (NotFound, InvalidRequest):
            return None

    async def websocket_url(self, collection_id: str = "default", *, start: bool = True) -> str:
        """Address of a WebSocket; a credential is part of it."""
        data = await self._get(f"/collection/{_id(collection_id)}/websocket", start=start)
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
        return _as(JournalPage, data)

    # collections

    async def list_collections(self) -> list[Collection]:
        """All collections."""
        return _list(Collection, await self._get("/collection"), "collections")

    async def get_collection(self, collection_id: str = "default") -> Collection:
        """One collection."""
        return _as(Collection, await self._get(f"/collection/{_id(collection_id)}"))

    async def create_collection(self, name: str, description: str = "", is_public: bool = False) -> Collection:
        """Add a collection."""
        body = {"name": name, "description": description, "is_public": is_public}
        return _as(Collection, await self._transport.data("POST", "/collection", body=body))

    async def update_collection(self, collection_id: str, **changes: str | bool) -> Collection:
        """Change ``name``, ``description`` or ``is_public``."""
        return _as(Collection, await self._transport.data("PATCH", f"/collection/{_id(collection_id)}", body=changes))

    # streams

    async def connect_stream(self, request: ConnectStream) -> Stream:
        """Add a stream; it starts at once."""
        data = await self._transport.data("POST", "/rtstream", body=_body(request))
        return _as(Stream, data)

    async def get_stream(self, stream_id: str, *, start: bool = True) -> Stream:
        """One stream."""
        return _as(Stream, await self._get(f"/rtstream/{_id(stream_id)}", start=start))

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
        streams = _list(Stream, data, "results")
        count = data.get("count")
        return streams, int(count) if count is not None else (offset or 0) + len(streams)

    async def start_stream(self, stream_id: str) -> Stream:
        """Start a stream; harmless when it runs."""
        return await self._act_on_stream(stream_id, "start")

    async def stop_stream(self, stream_id: str) -> Stream:
        """Stop a stream; harmless when it is stopped."""
        return await self._act_on_stream(stream_id, "stop")

    async def _act_on_stream(self, stream_id: str, action: str) -> Stream:
        await self._transport.data("PATCH", f"/rtstream/{_id(stream_id)}/status", body={"action": action})
        return await self.get_stream(stream_id)

    async def update_stream(
        self, stream_id: str, *, name: str | None = None, retention: RetentionLimits | None = None
    ) -> Stream:
        """Change what is given; ``retention`` replaces all limits of the stream."""
        limits = None if retention is None else retention.model_dump(exclude_none=True)
        given = {"name": name, "retention": limits}
        body = {key: value for key, value in given.items() if value is not None}
        await self._transport.data("PATCH", f"/rtstream/{_id(stream_id)}", body=body)
        return await self.get_stream(stream_id)

    async def delete_stream(self, stream_id: str) -> None:
        """Remove a stream with all that was recorded and found on it; exported videos stay."""
        await self._transport.data("DELETE", f"/rtstream/{_id(stream_id)}")

    async def generate_stream(self, stream_id: str, start: float | None = None, end: float | None = None) -> Playback:
        """Where the window ``start`` to ``end`` (Unix seconds) can be watched; without them: live."""
        params = {"start": start, "end": end}
        data = await self._transport.data("GET", f"/rtstream/{_id(stream_id)}/stream", params=params)
        return _as(Playback, data)

    async def frame(self, stream_id: str, at: float | None = None, max_side: int | None = None) -> Frame:
        """The picture at ``at`` (Unix seconds), or now; its longest side at most ``max_side`` pixels."""
        params = {"at": at, "max_side": max_side}
        answer = await self._transport.response("GET", f"/rtstream/{_id(stream_id)}/frame", params=params)
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
        answer = await self._transport.response("GET", f"/rtstream/{_id(stream_id)}/sheet", params=params)
        header = _picture_header(answer)
        return Sheet(
            jpeg=answer.content,
            times=[float(at) for at in header.get("x-frame-times", "").split(",") if at],
            width=int(header.get("x-frame-width", 0)),
            height=int(header.get("x-frame-height", 0)),
        )

    async def look(self, stream_id: str, request: AskLook) -> LookAnswer:
        """A question about one moment, or a range, answered by the vision model."""
        path = f"/rtstream/{_id(stream_id)}/look"
        return _as(LookAnswer, await self._transport.data("POST", path, body=_body(request), timeout_s=LOOK_S))

    # scene indexes

    async def create_index(self, stream_id: str, request: CreateIndex) -> SceneIndex:
        """Add an index; it runs at once."""
        # The published API wants these keys always, null when not given.
        always = {"extraction_config": None, "prompt": None, "model_name": None, "model_config": {}, "name": None}
        path = f"/rtstream/{_id(stream_id)}/index/scene"
        data = await self._transport.data("POST", path, body=always | _body(request))
        return _as(SceneIndex, {"rtstream_id": stream_id, **(data or {})})

    async def list_indexes(self, stream_id: str) -> list[SceneIndex]:
        """All indexes of a stream."""
        data = await self._get(f"/rtstream/{_id(stream_id)}/index/scene")
        rows = [{"rtstream_id": stream_id, **row} for row in (data or {}).get("scene_indexes") or []]
        return [_as(SceneIndex, row) for row in rows]

    async def get_index(self, stream_id: str, index_id: str) -> SceneIndex:
        """One index."""
        data = await self._get(f"/rtstream/{_id(stream_id)}/index/{_id(index_id)}")
        return _as(SceneIndex, {"rtstream_id": stream_id, **(data or {})})

    async def update_index(self, stream_id: str, index_id: str, *, prompt: str) -> SceneIndex:
        """Change the prompt of an index."""
        path = f"/rtstream/{_id(stream_id)}/index/scene/{_id(index_id)}"
        await self._transport.data("PATCH", path, body={"prompt": prompt})
        return await self.get_index(stream_id, index_id)

    async def start_index(self, stream_id: str, index_id: str) -> SceneIndex:
        """Start an index; harmless when it runs."""
        return await self._act_on_index(stream_id, index_id, "start")

    async def stop_index(self, stream_id: str, index_id: str) -> SceneIndex:
        """Stop an index; its scenes are kept."""
        return await self._act_on_index(stream_id, index_id, "stop")

    async def _act_on_index(self, stream_id: str, index_id: str, action: str) -> SceneIndex:
        path = f"/rtstream/{_id(stream_id)}/index/scene/{_id(index_id)}/status"
        await self._transport.data("PATCH", path, body={"action": action})
        return await self.get_index(stream_id, index_id)

    async def get_scenes(
        self,
        stream_id: str,
        index_id: str,
        *,
        start: float | None = None,
        end: float | None = None,
        page: int = 1,
        page_size: int = 100,
    ) -> ScenePage:
        """One page (from 1), newest first, of all scenes or of those inside ``start`` to ``end`` (Unix seconds)."""
        params = {"page": page, "page_size": page_size, "start": start, "end": end}
        data = await self._transport.data(
            "GET", f"/rtstream/{_id(stream_id)}/index/scene/{_id(index_id)}", params=params
        )
        rows = []
        for row in (data or {}).get("scene_index_records") or []:
            text = row.get("text") or row.get("description") or ""
            rows.append(_as(Scene, {**row, "text": text, "description": text}))
        return ScenePage(rows, bool((data or {}).get("next_page")))

    # transcripts

    async def start_transcript(
        self,
        stream_id: str,
        engine: str | None = None,
        *,
        language: str | None = None,
        ws_connection_id: str | None = None,
    ) -> TranscriptStatus:
        """Transcribe a stream from now on; harmless when it is transcribed."""
        return await self._switch_transcript(
            stream_id, "start", engine=engine, language=language, ws_connection_id=ws_connection_id
        )

    async def stop_transcript(self, stream_id: str, engine: str | None = None) -> TranscriptStatus:
        """Stop transcribing; what was said is kept."""
        return await self._switch_transcript(stream_id, "stop", engine=engine)

    async def _switch_transcript(self, stream_id: str, action: str, **given: str | None) -> TranscriptStatus:
        body = {"action": action, **{key: value for key, value in given.items() if value}}
        path = f"/rtstream/{_id(stream_id)}/transcription"
        # Stopping waits until the last words are final.
        data = await self._transport.data("POST", path, body=body, timeout_s=60.0)
        return _as(TranscriptStatus, {"engine": given.get("engine") or "", **(data or {})})

    async def transcript_status(self, stream_id: str, engine: str | None = None) -> TranscriptStatus:
        """How a transcript stands."""
        data = await self._get(f"/rtstream/{_id(stream_id)}/transcription/status", engine=engine)
        return _as(TranscriptStatus, {"engine": engine or "", **(data or {})})

    async def get_transcript(
        self,
        stream_id: str,
        *,
        engine: str | None = None,
        start: float | None = None,
        end: float | None = None,
        since: float | None = None,
        page: int = 1,
        page_size: int = 100,
    ) -> TranscriptPage:
        """One page (from 1), oldest first: what was said inside ``start`` to ``end``, or ended after ``since``."""
        params = {"page": page, "page_size": page_size, "engine": engine, "start": start, "end": end, "since": since}
        data = await self._get(f"/rtstream/{_id(stream_id)}/transcription", **params)
        empty = {"transcription_records": [], "next_page": False, "page": page, "page_size": page_size}
        return _as(TranscriptPage, {"total_count": 0, **empty, **(data or {})})

    # search

    async def search(self, request: SearchStreams, *, collection_id: str = "default") -> SearchResults:
        """Moments that fit a query: of ``request.streams``, or of all streams (of the collection)."""
        streams = request.streams or []
        if len(streams) == 1:
            path = f"/rtstream/{_id(streams[0])}/search"
        else:
            path = f"/rtstream/collection/{_id(collection_id)}/search"
        found = _as(SearchResults, await self._transport.data("POST", path, body=_body(request)))
        if len(streams) == 1:  # the published API leaves out what is known
            for hit in found.results:
                hit.rtstream_id = hit.rtstream_id or streams[0]
        return found

    # events and alerts

    async def create_event(self, event_prompt: str, label: str, rule: dict[str, Any] | None = None) -> Event:
        """Add a detection rule; ``rule`` is the structured form of what decides it."""
        request = CreateEvent(event_prompt=event_prompt, label=label, rule=rule)
        data = await self._transport.data("POST", "/rtstream/event", body=_body(request))
        return _as(Event, {"event_prompt": event_prompt, "label": label, **(data or {})})

    async def list_events(self) -> list[Event]:
        """All detection rules."""
        return _list(Event, await self._get("/rtstream/event"), "events")

    async def update_event(self, event_id: str, change: UpdateEvent) -> Event:
        """Change what is given of a detection rule."""
        return _as(Event, await self._transport.data("PATCH", f"/rtstream/event/{_id(event_id)}", body=_body(change)))

    async def delete_event(self, event_id: str) -> None:
        """Remove a detection rule and its alerts."""
        await self._transport.data("DELETE", f"/rtstream/event/{_id(event_id)}")

    async def test_event(self, stream_id: str, test: EventTest) -> list[Decision]:
        """Decide on past scenes without creating anything, newest first."""
        path = f"/rtstream/{_id(stream_id)}/event/test"
        data = await self._transport.data("POST", path, body=_body(test), timeout_s=TRIAL_S)
        return _list(Decision, data, "decisions")

    async def create_alert(self, stream_id: str, index_id: str, request: CreateAlert) -> Alert:
        """Watch an event on an index."""
        body = {"callback_url": None, **_body(request)}
        data = await self._transport.data("POST", _alerts(stream_id, index_id), body=body)
        known = {"event_id": request.event_id, "prompt": "", "label": "", "callback_url": request.callback_url}
        return _as(Alert, {**known, "rtstream_id": stream_id, "rtstream_index_id": index_id, **(data or {})})

    async def list_alerts(self, stream_id: str, index_id: str) -> list[Alert]:
        """All alerts of an index."""
        return _list(Alert, await self._get(_alerts(stream_id, index_id)), "alerts")

    async def enable_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Let an alert fire again."""
        path = f"{_alerts(stream_id, index_id)}/{_id(alert_id)}/status"
        await self._transport.data("PATCH", path, body={"action": "enable"})

    async def disable_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Keep an alert from firing."""
        path = f"{_alerts(stream_id, index_id)}/{_id(alert_id)}/status"
        await self._transport.data("PATCH", path, body={"action": "disable"})

    async def delete_alert(self, stream_id: str, index_id: str, alert_id: str) -> None:
        """Remove an alert with its logs."""
        await self._transport.data("DELETE", f"{_alerts(stream_id, index_id)}/{_id(alert_id)}")

    async def decisions(
        self,
        stream_id: str,
        index_id: str,
        alert_id: str,
        *,
        start: float | None = None,
        end: float | None = None,
        page: int = 1,
        page_size: int = 100,
    ) -> tuple[list[Decision], bool]:
        """One page (from 1) of what was decided and why, newest first, and whether there is a next one."""
        path = f"{_alerts(stream_id, index_id)}/{_id(alert_id)}/decisions"
        params = {"start": start, "end": end, "page": page, "page_size": page_size}
        data = await self._transport.data("GET", path, params=params)
        return _list(Decision, data, "decisions"), bool((data or {}).get("next_page"))

    async def deliveries(self, stream_id: str, index_id: str, alert_id: str, limit: int = 20) -> list[Delivery]:
        """The newest webhooks of an alert with every attempt, newest first."""
        path = f"{_alerts(stream_id, index_id)}/{_id(alert_id)}/deliveries"
        return _list(Delivery, await self._get(path, limit=limit), "deliveries")

    async def redeliver(self, stream_id: str, index_id: str, alert_id: str, delivery_id: str | None = None) -> int:
        """Send one webhook again, or all that were given up; gives how many."""
        path = f"{_alerts(stream_id, index_id)}/{_id(alert_id)}/redeliver"
        body = {} if delivery_id is None else {"delivery_id": delivery_id}
        return int((await self._transport.data("POST", path, body=body) or {}).get("redelivered") or 0)


def _alerts(stream_id: str, index_id: str) -> str:
    return f"/rtstream/{_id(stream_id)}/index/{_id(index_id)}/alert"


def _body(request: BaseModel) -> dict[str, Any]:
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)


def _picture_header(answer: Any) -> Any:
    if answer.headers.get("content-type", "").split(";")[0] != "image/jpeg":
        raise Unavailable("This service gives no single pictures: use generate_stream to watch the stream.")
    return answer.headers


def _list(model: type[ModelT], data: Any, key: str) -> list[ModelT]:
    return [_as(model, row) for row in (data or {}).get(key) or []]
