"""Tools for streams: connect, list, get, start, stop and update."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field

from rtstream.errors import InvalidRequest, RTStreamError
from rtstream.json_types import JsonObject
from rtstream.models import AlertGroup, ConnectStream, CreateIndex, IndexProgress, Stream, TranscriptStatus
from rtstream.states import AnalysisState, TranscriptJobStatus, TranscriptState
from tools._framework.definition import ToolContext, live, once, tool
from tools._framework.model_costs import in_words, list_paid, note_paid, stop_paid
from tools._framework.page import Cursor, Limit, next_cursor, offset_of
from tools._framework.parameters import Vocabulary, note
from tools._framework.parameters import name as shown_name
from tools._framework.stream_detail import (
    EngineState,
    StreamInfo,
    StreamState,
    engine_state,
    has_problem,
    info_fields,
    media,
    next_calls,
    packets,
    state_fields,
)
from tools._framework.stream_detail import tracks as list_tracks
from tools._framework.targets import ALL, MAX_LISTED, CollectionId, StreamId, collection_of, stream_of
from tools.indexes import IndexState, index_state

Created = TypeVar("Created")

DEFAULT_WINDOW = {"time": 5, "frame_count": 2}


class ConnectedStream(StreamState):
    """A stream that was connected, or was connected already."""

    already_connected: bool | None = Field(
        default=None, description="The source already has this stream; none was added."
    )
    url: str | None = Field(default=None, description="Source, without credentials.")
    media: str | None = Field(default=None, description="Codecs of the source.")
    tracks: list[str] | None = Field(default=None, description="Tracks of the source; * is read.")
    started: list[str] = Field(description="Parts that run: recording, transcript, index.")
    not_started: list[str] | None = Field(default=None, description="Requested parts that do not run, with the reason.")
    index_id: str | None = None
    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class StreamAlert(BaseModel):
    """State of an alert."""

    alert_id: str
    label: str
    status: str
    fired: int


class StreamResult(StreamInfo):
    """A live stream with everything that belongs to it."""

    tracks: list[str] | None = Field(default=None, description="Tracks of the source; * is read.")
    packets: list[str] | None = Field(default=None, description="Packets of each track: received, stored and dropped.")
    indexes: list[IndexState]
    alerts: list[StreamAlert] | None = Field(default=None, description="Alerts on its indexes.")
    transcript: str | None = Field(default=None, description="State of its transcript.")
    vocabulary: list[str] | None = Field(default=None, description="Terms that correct its transcripts.")
    keep_days: float | None = None
    keep_gb: float | None = None
    gb_per_day: float | None = Field(default=None, description="Disk space that its recording needs.")
    links: int | None = Field(default=None, description="Number of playback links to it.")
    now: float = Field(description="Current time, Unix seconds.")


class UpdatedStream(StreamState):
    """A stream after a change."""

    stopped: list[str] | None = Field(default=None, description="Parts that called a paid model.")
    keep_days: float | None = None
    keep_gb: float | None = None
    recorded_gb: float = Field(description="Size of its recordings.")


class UpdatedStreams(BaseModel):
    """The streams that were changed."""

    streams: list[UpdatedStream]
    failed: list[str] | None = Field(default=None, description="Streams that were not changed, with the reason.")
    note: str | None = None


class StreamList(BaseModel):
    """Streams and the state of the engine."""

    streams: list[StreamInfo]
    total: int
    next_cursor: str | None = Field(default=None, description="Pass as cursor for the rest.")
    engine: EngineState | None = None
    now: float


@tool("Connect a live stream", read_only=False, open_world=True, default=True)
async def connect_stream(
    ctx: ToolContext,
    url: Annotated[
        str,
        Field(description="rtsp://, rtmp://, http(s)://….m3u8, srt://, tcp:// or udp:// URL. Credentials stay hidden."),
    ],
    name: Annotated[str | None, Field(description="Short name.")] = None,
    audio: Annotated[bool, Field(description="Record the audio.")] = True,
    record: Annotated[bool, Field(description="Keep the recording.")] = True,
    transcribe: Annotated[bool, Field(description="Transcribe the speech.")] = False,
    index_prompt: Annotated[
        str | None, Field(max_length=4000, description='Describe the video continuously; "" for the default index.')
    ] = None,
    tracks: Annotated[
        str | None,
        Field(description="Such as v2,a1 or de or 720p. Default: the best video and the main audio."),
    ] = None,
    detect_url: Annotated[str | None, Field(description="Sub stream of the camera, to analyse in its place.")] = None,
    collection: CollectionId = None,
) -> ConnectedStream:
    """Connect a live video source (camera, broadcast, screen) and start recording it.

    Use this when list_streams does not show the user's URL. Returns its media and the parts that run, or the reason why
    it cannot be opened. No source is connected twice. Call look or index_visuals next.
    """
    state = live(ctx)
    request = ConnectStream(
        url=url,
        name=name,
        media_types=["video", "audio"] if audio else ["video"],
        audio=audio,
        sample_rate=None,
        store=record,
        ws_connection_id=await state.feed.connection_id(),
        tracks=tracks,
        detect_url=detect_url,
        collection_id=await collection_of(ctx, collection) or "default",
        once=True,
    )
    cursor = await state.feed.cursor()
    stream = await state.client.connect_stream(request)
    started = ["recording"] if stream.store else []
    failed: list[str] = []
    index = None
    if transcribe and await _tried("transcript", _transcribe(ctx, stream), failed):
        started.append("transcript")
    if index_prompt is not None and (index := await _tried("index", _index(ctx, stream, index_prompt), failed)):
        started.append(f"index {index.rtstream_index_id}")
    return ConnectedStream(
        **state_fields(stream),
        already_connected=stream.existing,
        url=note(stream.url),
        media=media(stream),
        tracks=list_tracks(stream),
        started=started,
        not_started=failed or None,
        index_id=index.rtstream_index_id if index else None,
        cursor=cursor,
        next=_next_step(ctx, stream, indexed=index is not None, heard="transcript" in started),
    )


@tool("List streams", read_only=True, default=True)
async def list_streams(
    ctx: ToolContext,
    status: Annotated[
        Literal["connected", "stopped", "error", "problem", "paid"] | None,
        Field(description="Only these. Those with paid call a paid model."),
    ] = None,
    name: Annotated[str | None, Field(description="Part of the name.")] = None,
    ordering: Annotated[str | None, Field(description="name, -name, created_at, status or id.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    collection: CollectionId = None,
) -> StreamList:
    """List the streams with their health and recorded ranges, and the state of the engine.

    Use this first to find a stream_id. Call get_stream for more about one stream.
    """
    client, offset = live(ctx).client, offset_of(cursor)
    which: JsonObject = {"name": name, "ordering": ordering, "collection_id": await collection_of(ctx, collection)}
    paid: dict[str, list[str]] = {}
    if status in ("problem", "paid"):
        found, _ = await client.list_streams(limit=MAX_LISTED, **which)
        if status == "problem":
            found = [stream for stream in found if has_problem(stream)]
        else:
            paid = {stream.id: parts for stream in found if (parts := await list_paid(ctx, stream.id))}
            found = [stream for stream in found if stream.id in paid]
        total, streams = len(found), found[offset : offset + limit]
    else:
        streams, total = await client.list_streams(limit=limit, offset=offset, status=status, **which)
    return StreamList(
        streams=[StreamInfo(**info_fields(stream), paid=paid.get(stream.id)) for stream in streams],
        total=total,
        next_cursor=next_cursor(offset, len(streams), total),
        engine=engine_state(await client.info()),
        now=_now(),
    )


@tool("Get a stream", read_only=True, default=True)
async def get_stream(ctx: ToolContext, stream_id: StreamId = None) -> StreamResult:
    """Get a stream: health, tracks, recorded ranges, indexes, alerts, transcript and disk space.

    Use this when a stream has a problem or before choosing a range. Call generate_stream or look next.
    """
    found = await live(ctx).client.get_stream_detail(await stream_of(ctx, stream_id))
    stream = found.stream
    return StreamResult(
        **info_fields(stream) | {"url": _sources(stream)},
        tracks=list_tracks(stream),
        packets=packets(stream),
        indexes=[index_state(index) for index in stream.indexes],
        alerts=[_alert(group, stream.id) for group in found.alerts] or None,
        transcript=_transcript(found.transcript),
        paid=in_words(found.paid) or None,
        vocabulary=[shown_name(term) for term in stream.vocabulary] or None,
        **_limits(stream),
        gb_per_day=round(stream.storage.gb_per_day, 2) if stream.storage is not None else None,
        links=found.links,
        now=_now(),
    )


@tool("Update a stream", read_only=False, idempotent=True, open_world=True, default=True)
async def update_stream(
    ctx: ToolContext,
    stream_id: Annotated[str | None, Field(description="Id, name, or all; omit for the only stream.")] = None,
    running: Annotated[bool | None, Field(description="true starts it, false stops it.")] = None,
    paid: Annotated[bool | None, Field(description="false stops what calls a paid model; recording continues.")] = None,
    name: Annotated[str | None, Field(description="New name.")] = None,
    keep_days: Annotated[
        float | None, Field(ge=0, description="Days to keep its recordings; 0 uses the setting of the engine.")
    ] = None,
    keep_gb: Annotated[
        float | None, Field(ge=0, description="Gigabytes of its newest recordings to keep; 0 as above.")
    ] = None,
    tracks: Annotated[str | None, Field(description="As in connect_stream; reconnects.")] = None,
    vocabulary: Vocabulary = None,
) -> UpdatedStreams:
    """Start or stop a stream, rename it, limit how long its recordings are kept, or change its tracks or vocabulary.

    Use this only when the user asks. A stopped stream keeps its recordings, and nothing is detected on it; started
    again, its indexes and alerts resume. Retention removes the oldest recordings first, but no exported videos and
    no evidence of alerts.
    """
    if all(value is None for value in (running, paid, name, keep_days, keep_gb, tracks, vocabulary)):
        raise InvalidRequest("Nothing to update. Pass running, paid, name, keep_days, keep_gb, tracks or vocabulary.")
    if paid:
        raise InvalidRequest(
            "paid can only be false. Start the parts that may cost money with update_index, transcribe or update_alert."
        )
    every = stream_id is not None and stream_id.strip().lower() == ALL
    if not every:
        wanted = [await stream_of(ctx, stream_id)]
    elif name is not None or tracks is not None:
        raise InvalidRequest("All streams cannot have one name or one choice of tracks. Name one stream.")
    else:
        wanted = [stream.id for stream in (await live(ctx).client.list_streams(limit=MAX_LISTED))[0]]
    changed: list[UpdatedStream] = []
    failed: list[str] = []
    for each in wanted:
        try:
            stopped = await stop_paid(ctx, each) if paid is False else []
            stream = await _update(ctx, each, running, name, keep_days, keep_gb, tracks, vocabulary)
        except RTStreamError as exc:
            if len(wanted) == 1:
                raise
            failed.append(note(f"{each}: {exc.message}") or each)
            continue
        gb = round(stream.recorded_bytes / 1e9, 3)
        changed.append(
            UpdatedStream(**state_fields(stream), stopped=stopped or None, **_limits(stream), recorded_gb=gb)
        )
    remark = await note_paid(ctx, stop_jobs=every) if paid is False else None
    return UpdatedStreams(streams=changed, failed=failed or None, note=remark)


async def _update(
    ctx: ToolContext,
    stream_id: str,
    running: bool | None,
    name: str | None,
    keep_days: float | None,
    keep_gb: float | None,
    tracks: str | None,
    vocabulary: list[str] | None,
) -> Stream:
    client = live(ctx).client
    stream = None
    if any(value is not None for value in (keep_days, keep_gb, name, tracks, vocabulary)):
        retention = None
        if keep_days is not None or keep_gb is not None:
            retention = (await client.get_stream(stream_id)).retention
            if keep_days is not None:
                retention.max_age_s = keep_days * 86400 or None
            if keep_gb is not None:
                retention.max_bytes = round(keep_gb * 1e9) or None
        stream = await client.update_stream(
            stream_id, name=name, retention=retention, tracks=tracks, vocabulary=vocabulary
        )
    if running is not None:
        stream = await (client.start_stream if running else client.stop_stream)(stream_id)
    return stream or await client.get_stream(stream_id)


async def _tried(kind: str, creation: Awaitable[Created], failed: list[str]) -> Created | None:
    """The result of a part of a call, which has succeeded without it. Its failure is added to ``failed``."""
    try:
        return await creation
    except RTStreamError as exc:
        failed.append(note(f"{kind}: {exc.message}") or kind)
        return None


async def _transcribe(ctx: ToolContext, stream: Stream) -> TranscriptStatus:
    """A transcript that begins with the first sound of a new stream."""
    state = live(ctx)
    connection_id, new = await state.feed.connection_id(), not stream.existing or None
    return await state.client.transcripts.start(stream.id, ws_connection_id=connection_id, from_start=new)


async def _index(ctx: ToolContext, stream: Stream, prompt: str) -> IndexProgress:
    """An index of the video with this prompt. One that runs already is used, so that a repeated call adds none."""
    state = live(ctx)
    for index in await state.client.indexes.list(stream.id) if stream.existing else []:
        visual = index.extraction_type == "time"
        if visual and (index.prompt or "") == prompt and index.state is not AnalysisState.STOPPED:
            return index
    request = CreateIndex(
        prompt=prompt or None,
        extraction_config=dict(DEFAULT_WINDOW),
        ws_connection_id=await state.feed.connection_id(),
        from_start=not stream.existing or None,
    )
    return await state.client.indexes.create(stream.id, request)


def _sources(stream: Stream) -> str | None:
    """The source of a stream, and its sub stream if it has one. One field, because the definitions are bounded."""
    return note(f"{stream.url} (analysed: {stream.detect_url})" if stream.detect_url else stream.url)


def _next_step(ctx: ToolContext, stream: Stream, *, indexed: bool, heard: bool) -> str:
    parts: list[str | None] = []
    if stream.existing:
        parts.append("This source was connected already; name, audio, record, tracks and detect_url were not changed.")
    elif stream.storage is not None:
        parts.append(once(ctx, note(stream.storage.text)))
    parts += next_calls(stream, indexed=indexed, heard=heard)
    return " ".join(part for part in parts if part)


def _transcript(found: TranscriptStatus | None) -> str | None:
    if found is None:
        return None
    if found.status is TranscriptJobStatus.NOT_CONFIGURED and found.state is TranscriptState.STOPPED:
        return None
    return note(" ".join(part for part in (found.state.value, found.reason, found.note) if part))


def _alert(group: AlertGroup, stream_id: str) -> StreamAlert:
    return StreamAlert(
        alert_id=group.alert_id,
        label=shown_name(group.label),
        status=group.status,
        fired=sum(alert.fired for alert in group.alerts if alert.rtstream_id == stream_id),
    )


def _limits(stream: Stream) -> JsonObject:
    limits = stream.retention
    return {
        "keep_days": limits.max_age_s / 86400 if limits.max_age_s else None,
        "keep_gb": limits.max_bytes / 1e9 if limits.max_bytes else None,
    }


def _now() -> float:
    return round(time.time(), 3)
