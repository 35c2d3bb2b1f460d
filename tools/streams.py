"""Tools for streams: connect, list, get, start, stop, update and delete."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.client.markdown import quoted
from rtstream.json_types import JsonObject
from rtstream.models import ConnectStream, MediaTrack, Stream, TrackPackets
from tools._framework.confirmation import listed
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import Range, StreamId, name, note, ranges
from tools.indexes import IndexState, index_state

MAX_RANGES = 5
MAX_ASKED_INDEXES = 20
MAX_TRACKS = 30


class StreamState(BaseModel):
    """State of a stream."""

    stream_id: str
    name: str
    status: str = Field(description="connected, stopped or error")
    health: str = Field(description="connecting, connected, reconnecting, stopped or error")
    reason: str | None = Field(None, description="Reason for the health.")


class StreamInfo(StreamState):
    """A live stream."""

    url: str | None = Field(None, description="Source, without credentials.")
    media: str | None = Field(None, description="Codecs of the source.")
    recorded: list[Range] = Field(description="Newest recorded ranges [start, end], Unix seconds.")


class StreamResult(StreamInfo):
    """A live stream with the progress of its indexes."""

    indexes: list[IndexState]
    problems: list[str] | None = Field(None, description="Problems and notes of the stream, with their codes.")
    packets: list[str] | None = Field(None, description="Packets of each track: received, stored and dropped.")
    now: float = Field(description="Current time, Unix seconds.")


class ConnectedStream(StreamState):
    """A new stream."""

    media: str | None = Field(None, description="Codecs of the source.")
    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class StreamLimits(BaseModel):
    """Name of a stream, and the limits of its recordings."""

    stream_id: str
    name: str
    keep_days: float | None = None
    keep_gb: float | None = None
    recorded_gb: float = Field(description="Size of its recordings.")


class DeletedStream(BaseModel):
    """A deleted stream."""

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
        Field(description="rtsp://, rtmp://, http(s)://….m3u8, srt://, tcp:// or udp:// URL. Credentials stay hidden."),
    ],
    name: Annotated[str | None, Field(description="Short name.")] = None,
    audio: Annotated[bool, Field(description="Record the audio.")] = True,
    record: Annotated[bool, Field(description="Keep the recording.")] = True,
    tracks: Annotated[
        str | None,
        Field(description="Tracks to read, such as v2,a1 or de or 720p. Default: the best video and the main audio."),
    ] = None,
) -> ConnectedStream:
    """Connect a live video source (camera, broadcast, screen) and start recording it.

    Use this when list_streams does not show the user's URL. Returns once the source responds, or explains why it
    could not be opened. Call look or index_visuals next.
    """
    request = ConnectStream(
        url=url,
        name=name,
        media_types=["video", "audio"] if audio else ["video"],
        audio=audio,
        sample_rate=None,
        store=record,
        ws_connection_id=await live(ctx).feed.connection_id(),
        tracks=tracks,
    )
    stream = await live(ctx).client.connect_stream(request)
    cursor = await live(ctx).feed.cursor()
    hint = "Call look to see it, or index_visuals to have it described continuously."
    if stream.storage is not None:
        hint = f"{stream.storage.text} {hint}"
    return ConnectedStream(**_fields(stream), cursor=cursor, next=hint)


@tool("List streams", read_only=True, default=True)
async def list_streams(
    ctx: ToolContext,
    status: Annotated[Literal["connected", "stopped"] | None, Field(description="Only these.")] = None,
    name: Annotated[str | None, Field(description="Part of the name.")] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    offset: Annotated[int, Field(ge=0)] = 0,
) -> StreamList:
    """List the connected streams with their health.

    Use this first to find a stream_id.
    """
    streams, total = await live(ctx).client.list_streams(limit=limit, offset=offset, status=status, name=name)
    return StreamList(streams=[StreamInfo(**_fields(s)) for s in streams], total=total, now=_now())


@tool("Get a stream", read_only=True, default=True)
async def get_stream(ctx: ToolContext, stream_id: StreamId) -> StreamResult:
    """Get the health, media, recorded ranges and indexes of a stream, and the current time.

    Use this when a stream has a problem or before choosing a range. Call generate_stream or look next.
    """
    stream = await live(ctx).client.get_stream(stream_id)
    fields = _fields(stream)
    if tracks := _tracks(stream):
        fields["media"] = f"{fields['media']}; tracks (* is read): {', '.join(tracks)}"
    fields["problems"] = [_shown(f"{each.code}: {each.text}") for each in stream.health.reasons] or None
    fields["packets"] = [_packets(*each) for each in stream.health.packets.items()] or None
    return StreamResult(**fields, indexes=[index_state(index) for index in stream.indexes], now=_now())


@tool("Start a stream", read_only=False, idempotent=True, open_world=True, default=True)
async def start_stream(ctx: ToolContext, stream_id: StreamId) -> StreamState:
    """Start a stopped stream. Its indexes and alerts resume.

    Use this to record again. A running stream is not affected.
    """
    return _state(await live(ctx).client.start_stream(stream_id))


@tool("Stop a stream", read_only=False, idempotent=True, default=True)
async def stop_stream(ctx: ToolContext, stream_id: StreamId) -> StreamState:
    """Stop recording and analysing a stream. Its recordings are kept.

    Use this only when the user asks: nothing is detected until start_stream.
    """
    return _state(await live(ctx).client.stop_stream(stream_id))


@tool("Update a stream", read_only=False, idempotent=True)
async def update_stream(
    ctx: ToolContext,
    stream_id: StreamId,
    name: Annotated[str | None, Field(description="New name.")] = None,
    keep_days: Annotated[
        float | None, Field(ge=0, description="Days to keep its recordings; 0 uses the setting of the engine.")
    ] = None,
    keep_gb: Annotated[
        float | None, Field(ge=0, description="Gigabytes of its newest recordings to keep; 0 as above.")
    ] = None,
    tracks: Annotated[str | None, Field(description="As in connect_stream; reconnects.")] = None,
) -> StreamLimits:
    """Rename a stream, limit how long its recordings are kept, or read other tracks.

    Use this when the user wants to change one of these. The oldest recordings are removed first; exported
    videos and the evidence of alerts are kept. Omitted fields stay as they are. Call get_stream next to see the
    recorded ranges.
    """
    client = live(ctx).client
    retention = None
    if keep_days is not None or keep_gb is not None:
        retention = (await client.get_stream(stream_id)).retention
        if keep_days is not None:
            retention.max_age_s = keep_days * 86400 or None
        if keep_gb is not None:
            retention.max_bytes = round(keep_gb * 1e9) or None
    return _limits(await client.update_stream(stream_id, name=name, retention=retention, tracks=tracks))


async def deletion(ctx: ToolContext, stream_id: str) -> str:
    """The question before a stream is deleted, with the names of its indexes and alerts."""
    client = live(ctx).client
    stream = await client.get_stream(stream_id)
    indexes = stream.indexes[:MAX_ASKED_INDEXES]
    alerts = [alert for one in indexes for alert in await client.alerts.list_alerts(stream.id, one.rtstream_index_id)]
    parts = listed("index", [one.name or one.rtstream_index_id for one in stream.indexes], "indexes")
    parts += listed("alert", [alert.label for alert in alerts])
    return f"Delete the stream {quoted(stream.name)} ({stream.id}) permanently, with its recordings and results{parts}?"


@tool(
    "Delete a stream",
    read_only=False,
    destructive=True,
    idempotent=True,
    confirm=deletion,
)
async def delete_stream(ctx: ToolContext, stream_id: StreamId) -> DeletedStream:
    """Delete a stream permanently, with its recordings, indexes, alerts and results.

    Use this when the user no longer needs any of it. Exported videos are kept. Call stop_stream instead to keep the
    recordings.
    """
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


def _tracks(stream: Stream) -> list[str]:
    found = stream.media.tracks[:MAX_TRACKS] if stream.media is not None else []
    return [name(_track(each)) for each in found]


def _track(track: MediaTrack) -> str:
    size = f"{track.width}x{track.height}" if track.width else ""
    rate = f"{track.bit_rate / 1000:.0f} kbit/s" if track.bit_rate else ""
    parts = (track.id, track.codec, size, rate, track.language, track.name)
    return ("* " if track.chosen else "") + " ".join(part for part in parts if part)


def _packets(kind: str, counts: TrackPackets) -> str:
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in counts.dropped.items())
    return _shown(f"{kind}: {counts.received} received, {counts.stored} stored{dropped}")


def _shown(text: str) -> str:
    return note(text) or ""


def _now() -> float:
    return round(time.time(), 3)
