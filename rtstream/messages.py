"""The messages between the engine and a recorder, small typed objects encoded as bytes.

A message is one JSON line (its type and fields) followed by a binary payload. It is not a pickle, because a recorder
parses hostile media, and a compromised recorder must not be able to run code in the engine. This module imports no
media library.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar, NamedTuple

from rtstream.json_types import JsonObject

ADJUSTABLE = (*("segment_s", "stall_timeout_s", "open_timeout_s", "reconnect_max_s", "min_free_bytes", "stream_name"),)
"""Fields of a specification that a running recorder takes over from the next engine."""


@dataclass(frozen=True)
class RecorderSpec:
    """Everything a recorder needs to know at its start. It reads no settings and no database."""

    stream_id: str
    url: str  # with credentials; already checked
    media_types: list[str]  # "video", "audio"
    record: bool
    folder: str  # absolute; segment files are stored below it and paths in messages are relative to it
    segment_s: float = 4.0
    stall_timeout_s: float = 10.0
    open_timeout_s: float = 15.0
    reconnect_max_s: float = 30.0
    tls_verify: bool = True
    min_free_bytes: int = 0  # recording pauses with less free disk space
    allow_networks: str = ""  # setting ``allow_networks``, checked at every connection
    listen_ports: str = ""  # setting ``listen_ports``, on which a source may wait for a sender
    stream_name: str = ""  # for the log of each recording
    tracks: str = ""  # wish of the user, as rules.track_choice reads it
    max_height: int = 0  # setting ``max_height``; 0 if there is no limit
    language: str = ""  # setting ``speech_language``
    run_folder: str = ""  # absolute; the socket and the lock of the recorder. Empty: it ends with its engine

    def records_the_same(self, other: RecorderSpec) -> bool:
        """Whether a recorder with this specification can take over the other one's limits and continue."""
        taken_over = {name: getattr(other, name) for name in ADJUSTABLE}
        return replace(self, **taken_over) == other


class HealthNote(NamedTuple):
    """A problem or a note about a source that is connected."""

    code: str  # HealthCode
    level: str  # HealthLevel
    text: str


@dataclass
class RecorderHealth:
    """The state of the connection to the source has changed."""

    state: str
    reason: str = ""
    attempts: int = 0
    media: JsonObject | None = None  # MediaInfo fields, with state "connected"
    code: str = ""  # HealthCode of the reason, if it has one
    reasons: list[HealthNote] = field(default_factory=list)  # besides the reason
    kind: ClassVar[str] = "health"

    def __post_init__(self) -> None:
        """Restore the types that JSON does not have. Raises TypeError."""
        self.reasons = [HealthNote(*(str(each) for each in reason)) for reason in self.reasons]


@dataclass
class RecordingStarted:
    """A recording begins. Sent before its first segment. The payload is the fMP4 init segment."""

    recording_id: str
    started_at: float
    codecs: str
    payload: bytes = b""
    kind: ClassVar[str] = "run_started"


@dataclass
class RecordingEnded:
    """A recording has ended (reconnect, jump, stop), after all its segments were sent."""

    recording_id: str
    ended_at: float
    kind: ClassVar[str] = "run_ended"


@dataclass
class SegmentClosed:
    """A segment is on disk. It consists of whole fragments and begins with a keyframe if there is video."""

    recording_id: str
    start: float  # Unix seconds of its first picture
    duration: float  # seconds
    path: str  # below the media folder
    offset: int
    length: int
    kind: ClassVar[str] = "segment"


@dataclass
class FrameTaken:
    """A sampled frame for the named taps. The payload is a JPEG."""

    time: float
    taps: list[str]
    width: int
    height: int
    payload: bytes = b""
    kind: ClassVar[str] = "frame"


@dataclass
class ClockReached:
    """Frames up to this time have been sampled, even if no tap received one, so that windows close on any source."""

    time: float
    kind: ClassVar[str] = "clock"


AUDIO_BYTES_PER_S = 32_000
"""Bytes of the payload of ``AudioTaken`` for each second: 16 kHz mono, 16 bit."""


@dataclass
class AudioTaken:
    """Decoded audio. The payload is 16 kHz mono, signed 16-bit little-endian samples that begin at ``time``."""

    time: float
    kind: ClassVar[str] = "audio"
    payload: bytes = b""


@dataclass
class SnapshotTaken:
    """Response to ``TakeSnapshot``. The payload is a JPEG, or empty without a picture (see ``reason``)."""

    request: int
    time: float = 0.0
    width: int = 0
    height: int = 0
    reason: str = ""
    payload: bytes = b""
    kind: ClassVar[str] = "snapshot"


@dataclass
class RecorderStats:
    """Statistics of the recorder, sent every 30 s, or after 5 s if something has changed."""

    lag_s: float
    dropped: dict[str, float] = field(default_factory=dict)  # by kind: packets or seconds not processed
    tracks: dict[str, JsonObject] = field(default_factory=dict)  # fields of TrackPackets for video and audio
    kind: ClassVar[str] = "stats"


# engine -> recorder


@dataclass
class SetTaps:
    """The frames and audio requested from now on.

    ``taps`` maps a tap id to ``{"interval_s": seconds, "max_side": pixels}``.
    """

    taps: dict[str, dict[str, float]]
    audio: bool = False
    kind: ClassVar[str] = "set_taps"

    def __post_init__(self) -> None:
        """Check the values, which a recorder stores. Raises TypeError."""
        taps = self.taps.values() if isinstance(self.taps, dict) else [None]
        if not all(isinstance(tap, dict) and _positive(tap, "interval_s", "max_side") for tap in taps):
            raise TypeError("taps have an interval and a size")


@dataclass
class TakeSnapshot:
    """Request the current picture."""

    request: int
    max_side: int = 1280
    kind: ClassVar[str] = "take_snapshot"


@dataclass
class StopRecorder:
    """Finish the current segment and exit."""

    kind: ClassVar[str] = "stop"


@dataclass
class ReleaseRecorder:
    """The engine ends. Record without one for at most ``limit_s`` seconds, unless another engine attaches."""

    limit_s: float
    kind: ClassVar[str] = "release"

    def __post_init__(self) -> None:
        """Check the value. Raises TypeError."""
        if not isinstance(self.limit_s, int | float):
            raise TypeError("the limit is a number of seconds")


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
    | ReleaseRecorder
)

_BY_KIND: dict[str, type[Message]] = {t.kind: t for t in Message.__args__}


def _positive(values: dict[str, float], *names: str) -> bool:
    found = (values.get(name) for name in names)
    return all(isinstance(value, int | float) and value > 0 for value in found)


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    fields = asdict(message)
    payload = fields.pop("payload", b"")
    return json.dumps([message.kind, fields]).encode() + b"\n" + payload


def decode(raw: bytes) -> Message:
    """Parse a message.

    Raises:
        ValueError: The bytes are not a message.
    """
    head, _, payload = raw.partition(b"\n")
    try:
        kind, fields = json.loads(head)
        cls = _BY_KIND[kind]
        if "payload" in cls.__dataclass_fields__:
            fields["payload"] = payload
        return cls(**fields)
    except (TypeError, KeyError, json.JSONDecodeError) as exc:
        raise ValueError(f"not a recorder message: {exc}") from exc
