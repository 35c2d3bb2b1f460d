"""Tools for streams: connect, list, look up, start, stop, change, delete."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.json_types import JsonObject
from rtstream.models import ConnectStream, Stream
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import Range, StreamId, name, note, ranges
from tools.indexes import IndexState, index_state

MAX_RANGES = 5


class StreamState(BaseModel):
    """Whether a stream runs."""

    stream_id: str
    name: str
    status: str = Field(description="connected, stopped or error")
    health: str = Field(description="connecting, connected, reconnecting, stopped or error")
    reason: str | None = Field(None, description="Why the health is as it is.")


class StreamInfo(StreamState):
    """A live stream."""

    url: str | None = Field(None, description="Source, without credentials.")
    media: str | None = Field(None, description="What the source carries.")
    recorded: list[Range] = Field(description="Newest recorded ranges [start, end], Unix seconds.")


class StreamResult(StreamInfo):
    """A live stream, with how its indexes keep up."""

    indexes: list[IndexState]
    now: float = Field(description="Unix seconds of this answer.")


class ConnectedStream(StreamState):
    """A new stream."""

    media: str | None = Field(None, description="What the source carries.")
    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class StreamLimits(BaseModel):
    """Name of a stream, and how long its recordings are kept."""

    stream_id: str
    name: str
    keep_days: float | None = None
    keep_gb: float | None = None
    recorded_gb: float = Field(description="Disk its recordings take now.")


class DeletedStream(BaseModel):
    """What was removed."""

    stream_id: str
    deleted: bool


class StreamList(BaseModel):
    """Streams, newest first."""

    streams: list[StreamInfo]
    total: int
    now: float


@tool("Connect a live stream", read_only=False, open_world=True, default=True)
async def connect_stream(
    ctx: ToolContext,
    url: Annotated[
        str,
        Field(
            description="rtsp://, rtmp://, http(s)://….m3u8, srt://, tcp:// or udp:// address. Credentials stay hidden."
        ),
    ],
    name: Annotated[str | None, Field(description="Short name.")] = None,
    audio: Annotated[bool, Field(description="Take the sound too.")] = False,
    record: Annotated[bool, Field(description="Keep the recording.")] = True,
) -> ConnectedStream:
    """Connect a live video source (camera, broadcast, screen share) and begin to record it. Returns when the source
    has answered, or fails saying why it could not be opened. Call list_streams first: do not connect the same source
    twice. Next: look to see it, index_visuals to have it described."""
    request = ConnectStream(
        url=url,
        name=name,
        media_types=["video", "audio"] if audio else ["video"],
        sample_rate=None,
        store=record,
        ws_connection_id=await live(ctx).feed.connection_id(),
    )
    stream = await live(ctx).client.connect_stream(request)
    cursor = await live(ctx).feed.cursor()
    hint = "look shows it; index_visuals describes it continuously."
    return ConnectedStream(**_fields(stream), cursor=cursor, next=hint)


@tool("List streams", read_only=True, default=True)
async def list_streams(
    ctx: ToolContext,
    status: Annotated[Literal["connected", "stopped"] | None, Field(description="Only these.")] = None,
    name: Annotated[str | None, Field(description="Part of the name.")] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    offset: Annotated[int, Field(ge=0)] = 0,
) -> StreamList:
    """List the live streams that are connected here, with their health. Start here to find a stream_id."""
    streams, total = await live(ctx).client.list_streams(limit=limit, offset=offset, status=status, name=name)
    return StreamList(streams=[StreamInfo(**_fields(s)) for s in streams], total=total, now=_now())


@tool("Look up a stream", read_only=True, default=True)
async def get_stream(ctx: ToolContext, stream_id: StreamId) -> StreamResult:
    """Health, media, newest recorded ranges of one stream and how its indexes keep up, and the current time."""
    stream = await live(ctx).client.get_stream(stream_id)
    return StreamResult(**_fields(stream), indexes=[index_state(index) for index in stream.indexes], now=_now())


@tool("Start a stream", read_only=False, idempotent=True, open_world=True, default=True)
async def start_stream(ctx: ToolContext, stream_id: StreamId) -> StreamState:
    """Start a stopped stream again; its indexes and alerts go on. Harmless when it runs."""
    return _state(await live(ctx).client.start_stream(stream_id))


@tool("Stop a stream", read_only=False, idempotent=True, default=True)
async def stop_stream(ctx: ToolContext, stream_id: StreamId) -> StreamState:
    """Stop recording and analysing a stream. What was recorded stays; start_stream goes on. Only on the user's
    wish: nothing is seen while it is stopped."""
    return _state(await live(ctx).client.stop_stream(stream_id))


@tool("Change a stream", read_only=False, idempotent=True)
async def update_stream(
    ctx: ToolContext,
    stream_id: StreamId,
    name: Annotated[str | None, Field(description="New name.")] = None,
    keep_days: Annotated[
        float | None, Field(ge=0, description="Days its recordings are kept; 0: as the engine's settings say.")
    ] = None,
    keep_gb: Annotated[
        float | None, Field(ge=0, description="Gigabytes of its newest recordings that are kept; 0: as above.")
    ] = None,
) -> StreamLimits:
    """Rename a stream, or bound how long its recordings are kept: the oldest go first, exported videos and evidence of
    alerts never. What is not given stays as it is."""
    client = live(ctx).client
    retention = None
    if keep_days is not None or keep_gb is not None:
        retention = (await client.get_stream(stream_id)).retention
        if keep_days is not None:
            retention.max_age_s = keep_days * 86400 or None
        if keep_gb is not None:
            retention.max_bytes = round(keep_gb * 1e9) or None
    return _limits(await client.update_stream(stream_id, name=name, retention=retention))


@tool(
    "Delete a stream",
    read_only=False,
    destructive=True,
    idempotent=True,
    confirm="Delete the stream {stream_id} with its recordings, indexes, alerts and everything found on it, for good?",
)
async def delete_stream(ctx: ToolContext, stream_id: StreamId) -> DeletedStream:
    """Delete a stream with its recordings, indexes, alerts and everything found on it, for good. Exported videos stay.
    To only stop it use stop_stream."""
    await live(ctx).client.delete_stream(stream_id)
    return DeletedStream(stream_id=stream_id, deleted=True)


def _limits(stream: Stream) -> StreamLimits:
    limits = stream.retention
    return StreamLimits(
        stream_id=stream.id,
        name=name(stream.name),
        keep_days=limits.max_age_s / 86400 if limits.max_age_s else None,
        keep_gb=limits.max_bytes / 1e9 if limits.max_bytes else None,
        recorded_gb=round(stream.recorded_bytes / 1e9, 3),
    )


def _state(stream: Stream) -> StreamState:
    return StreamState.model_validate(_fields(stream))


def _fields(stream: Stream) -> JsonObject:
    return {
        "stream_id": stream.id,
        "name": name(stream.name),
        "status": stream.status,
        "health": stream.health.state,
        "reason": note(stream.health.reason),
        "url": note(stream.url),
        "media": _media(stream),
        "recorded": ranges(stream.recorded[-MAX_RANGES:]),
    }


def _media(stream: Stream) -> str | None:
    media = stream.media
    if media is None:
        return None
    video = f"{media.video_codec} {media.width}x{media.height}" if media.video_codec else ""
    rate = f" {media.fps:.3g} fps" if video and media.fps else ""
    sound = f"{media.audio_codec} {media.audio_rate} Hz" if media.audio_codec else ""
    return name(", ".join(part for part in (video + rate, sound) if part)) or None


def _now() -> float:
    return round(time.time(), 3)
