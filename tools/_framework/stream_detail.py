"""Streams as tools return them: state, media, problems, recordings and limits."""

from __future__ import annotations

from pydantic import BaseModel, Field

from rtstream.json_types import JsonObject
from rtstream.models import EngineInfo, MediaTrack, Stream, TrackPackets
from rtstream.states import HealthLevel, HealthState, StreamStatus
from tools._framework.parameters import Range, name, note, ranges

MAX_RANGES = 5
MAX_TRACKS = 30
MAX_PROBLEMS = 10


class StreamState(BaseModel):
    """State of a stream."""

    stream_id: str
    name: str
    status: str = Field(description="connected, stopped or error")
    health: str = Field(description="connecting, connected, reconnecting, stopped or error")
    reason: str | None = Field(default=None, description="Reason for the health.")


class StreamInfo(StreamState):
    """A live stream."""

    problems: list[str] | None = Field(default=None, description="Problems and notes of the stream, with their codes.")
    url: str | None = Field(default=None, description="Source, without credentials.")
    media: str | None = Field(default=None, description="Codecs of the source.")
    recorded: list[Range] = Field(description="Newest recorded ranges [start, end], Unix seconds.")
    recorded_gb: float
    paid: list[str] | None = Field(default=None, description="Running parts that call a paid model.")
    collection: str | None = Field(default=None, description="Id of its collection, if it is not the default one.")


class EngineState(BaseModel):
    """State of the engine, and the engines and models that it uses."""

    reasons: list[str] = Field(description="Problems of the whole engine.")
    timezone: str
    version: str
    vision: str
    speech: str | None = None
    language_model: str | None = None


def state_fields(stream: Stream) -> JsonObject:
    """Fields of ``StreamState``."""
    return {
        "stream_id": stream.id,
        "name": name(stream.name),
        "status": stream.status,
        "health": stream.health.state,
        "reason": note(stream.health.reason),
    }


def info_fields(stream: Stream) -> JsonObject:
    """Fields of ``StreamInfo``."""
    return state_fields(stream) | {
        "problems": problems(stream) or None,
        "url": note(stream.url),
        "media": media(stream),
        "recorded": ranges(stream.recorded[-MAX_RANGES:]),
        "recorded_gb": round(stream.recorded_bytes / 1e9, 3),
        "collection": None if stream.collection_id == "default" else name(stream.collection_id),
    }


def problems(stream: Stream) -> list[str]:
    """Problems and notes of a stream, as ``code: text``."""
    return [_shown(f"{each.code}: {each.text}") for each in stream.health.reasons[:MAX_PROBLEMS]]


def has_problem(stream: Stream) -> bool:
    """Whether a stream that should run has a problem. A note is not a problem."""
    if stream.status is StreamStatus.STOPPED:
        return False
    return stream.health.state is not HealthState.CONNECTED or any(
        each.level is HealthLevel.PROBLEM for each in stream.health.reasons
    )


def media(stream: Stream) -> str | None:
    """The media that a source carries, in words."""
    found = stream.media
    if found is None:
        return None
    video = f"{found.video_codec} {found.width}x{found.height}" if found.video_codec else ""
    rate = f" {found.fps:.3g} fps" if video and found.fps else ""
    audio = f"{found.audio_codec} {found.audio_rate} Hz" if found.audio_codec else ""
    return name(", ".join(part for part in (video + rate, audio) if part)) or None


def next_calls(stream: Stream, *, indexed: bool, heard: bool) -> list[str]:
    """The calls that fit a stream that was just connected.

    Args:
        stream: The stream.
        indexed: Whether an index describes its video.
        heard: Whether it is transcribed.
    """
    found = stream.media
    seen = found is None or found.video_codec is not None
    audible = stream.audio and (found is None or found.audio_codec is not None)
    channels = [channel for channel, runs in (("scenes", indexed), ("transcript", heard)) if runs]
    calls: list[str] = []
    if channels:
        calls.append(f"Follow it with wait_for_events(channels={channels}, since=cursor), or call create_alert.")
    elif seen:
        calls.append("Call look to see it, or index_visuals to have it described continuously.")
    if audible and not heard:
        calls.append("Call transcribe for its speech." if seen else "It has no video. Call transcribe for its speech.")
    return calls


def tracks(stream: Stream) -> list[str] | None:
    """The tracks of a source that has several of a kind. A ``*`` marks those that are read."""
    found = stream.media.tracks[:MAX_TRACKS] if stream.media is not None else []
    return [name(_track(each)) for each in found] or None


def packets(stream: Stream) -> list[str] | None:
    """The packets of each track, in words."""
    return [_packets(*each) for each in stream.health.packets.items()] or None


def engine_state(info: EngineInfo | None) -> EngineState | None:
    """The state of the engine; None for a service without our extensions."""
    if info is None:
        return None
    return EngineState(
        reasons=[_shown(f"{each.code}: {each.text}") for each in info.reasons[:MAX_PROBLEMS]],
        timezone=name(info.timezone),
        version=name(info.version),
        vision=name(info.vision),
        speech=name(info.speech) or None,
        language_model=name(info.language_model) or None,
    )


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
