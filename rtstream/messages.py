"""What a media worker and the engine say to each other: small typed messages, as bytes.

A message is one JSON line (its type and fields) followed by a binary payload. JSON rather than pickle, because a
worker parses hostile media: a worker that was taken over must not be able to run code in the engine.
This module imports no media library.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from rtstream.json_types import JsonObject


@dataclass(frozen=True)
class RecorderSpec:
    """All a worker is told at its start (it reads no settings and no database)."""

    stream_id: str
    url: str  # with credentials; already checked
    media_types: list[str]  # "video", "audio"
    record: bool
    folder: str  # absolute; segment files go below it, paths in messages are relative to it
    segment_s: float = 4.0
    stall_timeout_s: float = 10.0
    open_timeout_s: float = 15.0
    reconnect_max_s: float = 30.0
    tls_verify: bool = True
    min_free_bytes: int = 0  # of the disk; with less, recording pauses
    stream_name: str = ""  # for the log of each recording


@dataclass
class RecorderHealth:
    """The connection to the source changed its state."""

    state: str
    reason: str = ""
    attempts: int = 0
    media: JsonObject | None = None  # MediaInfo fields, with state "connected"
    kind: ClassVar[str] = "health"


@dataclass
class RecordingStarted:
    """A continuous run begins. Payload: the fMP4 initialisation segment. Sent before its first segment."""

    recording_id: str
    started_at: float
    codecs: str
    payload: bytes = b""
    kind: ClassVar[str] = "run_started"


@dataclass
class RecordingEnded:
    """The run is over (reconnect, jump, stop); all its segments were sent."""

    recording_id: str
    ended_at: float
    kind: ClassVar[str] = "run_ended"


@dataclass
class SegmentClosed:
    """One segment is on disk: whole fragments, beginning with a keyframe where there is video."""

    recording_id: str
    start: float  # Unix seconds of its first picture
    duration: float  # seconds
    path: str  # below the media folder
    offset: int
    length: int
    kind: ClassVar[str] = "segment"


@dataclass
class FrameTaken:
    """A sampled picture for the taps named. Payload: JPEG."""

    time: float
    taps: list[str]
    width: int
    height: int
    payload: bytes = b""
    kind: ClassVar[str] = "frame"


@dataclass
class ClockReached:
    """Pictures up to this time were sampled, also when a tap had none: so that windows close on any source."""

    time: float
    kind: ClassVar[str] = "clock"


@dataclass
class AudioTaken:
    """Decoded sound. Payload: 16 kHz mono signed 16-bit little-endian samples beginning at ``time``."""

    time: float
    kind: ClassVar[str] = "audio"
    payload: bytes = b""


@dataclass
class SnapshotTaken:
    """Answer to ``TakeSnapshot``. Payload: JPEG, empty when there is no picture (``reason`` says why)."""

    request: int
    time: float = 0.0
    width: int = 0
    height: int = 0
    reason: str = ""
    payload: bytes = b""
    kind: ClassVar[str] = "snapshot"


@dataclass
class RecorderStats:
    """How the worker keeps up: every 30 s, or after 5 s when something changed."""

    lag_s: float
    packets: int
    dropped: dict[str, float] = field(default_factory=dict)  # by kind: packets or seconds not processed
    kind: ClassVar[str] = "stats"


# engine -> worker


@dataclass
class SetTaps:
    """Which pictures are wanted from now on: tap id -> {"interval_s": seconds, "max_side": pixels}; and sound."""

    taps: dict[str, dict[str, float]]
    audio: bool = False
    kind: ClassVar[str] = "set_taps"


@dataclass
class TakeSnapshot:
    """Ask for the current picture."""

    request: int
    max_side: int = 1280
    kind: ClassVar[str] = "take_snapshot"


@dataclass
class StopRecorder:
    """Finish the segment being written and exit."""

    kind: ClassVar[str] = "stop"


Message = (
    RecorderHealth
    | RecordingStarted
    | RecordingEnded
    | SegmentClosed
    | FrameTaken
    | ClockReached
    | AudioTaken
    | SnapshotTaken
    | RecorderStats
    | SetTaps
    | TakeSnapshot
    | StopRecorder
)

_BY_KIND: dict[str, type[Any]] = {t.kind: t for t in Message.__args__}


def encode(message: Message) -> bytes:
    """Bytes of a message."""
    fields = asdict(message)
    payload = fields.pop("payload", b"")
    return json.dumps([message.kind, fields]).encode() + b"\n" + payload


def decode(raw: bytes) -> Message:
    """The message in ``raw``. Raises ValueError for anything that is not one."""
    head, _, payload = raw.partition(b"\n")
    try:
        kind, fields = json.loads(head)
        cls = _BY_KIND[kind]
        if "payload" in cls.__dataclass_fields__:
            fields["payload"] = payload
        return cls(**fields)
    except (TypeError, KeyError, json.JSONDecodeError) as exc:
        raise ValueError(f"not a worker message: {exc}") from exc
