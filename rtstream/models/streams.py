"""Collections and streams, their health, media and playback."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.models.alerts import AlertGroup
from rtstream.models.base import ApiModel, MediaType
from rtstream.models.indexes import IndexProgress
from rtstream.models.transcripts import TranscriptStatus
from rtstream.states import HealthCode, HealthLevel, HealthState, StreamStatus


class Collection(ApiModel):
    """A group of streams and videos. ``default`` always exists."""

    id: str
    name: str
    description: str = ""
    is_public: bool = False


class HealthReason(ApiModel):
    """A problem or a note in the health of a stream or of the engine (extension)."""

    code: HealthCode
    level: HealthLevel = HealthLevel.PROBLEM
    since: float = Field(default=0.0, description="Unix seconds when it began.")
    text: str = Field(default="", description="Plain sentence without credentials.")
    next_step: str = Field(default="", description="Plain sentence about what to do.")


class TrackPackets(ApiModel):
    """Packets of the video or audio of a stream since its recorder started (extension)."""

    received: int = 0
    stored: int = 0
    dropped: dict[str, int] = Field(default_factory=dict, description="Packets that were not stored, by reason.")
    still: bool = Field(default=False, description="Whether the source sends none at present because nothing changes.")


class Health(ApiModel):
    """State of a stream's connection to its source (extension)."""

    state: HealthState = HealthState.CONNECTING
    reason: str = Field(default="", description="Plain sentence without credentials.")
    reasons: list[HealthReason] = Field(
        default_factory=list, description="Problems and notes that have a code, the stream's own first."
    )
    since: float = Field(default=0.0, description="Unix seconds when this state began.")
    attempts: int = Field(default=0, description="Connection attempts since the last success.")
    lag_s: float | None = Field(
        default=None, description="Seconds the newest recorded picture is behind the wall clock."
    )
    skipped: dict[str, float] = Field(
        default_factory=dict,
        description="Amounts skipped to keep up with live, by kind, since the stream started.",
    )
    packets: dict[str, TrackPackets] = Field(
        default_factory=dict, description="Packets by kind of track, video or audio. Updated every 30 s."
    )


class MediaTrack(ApiModel):
    """A track of a source that has several of its kind (extension)."""

    id: str = Field(description="v1 for the first video track or HLS variant, a1 for the first audio track.")
    kind: MediaType
    codec: str | None = None
    width: int | None = Field(default=None, description="pixels")
    height: int | None = Field(default=None, description="pixels")
    bit_rate: int | None = Field(default=None, description="per second")
    language: str | None = None
    name: str | None = Field(default=None, description="Untrusted, because the source chooses it.")
    chosen: bool | None = Field(default=None, description="Whether it is read.")


class MediaInfo(ApiModel):
    """The media that the source carries (extension)."""

    video_codec: str | None = None
    width: int | None = Field(default=None, description="pixels")
    height: int | None = Field(default=None, description="pixels")
    fps: float | None = None
    audio_codec: str | None = None
    audio_rate: int | None = Field(default=None, description="Hz")
    timing: str | None = Field(default=None, description="source, or arrival if the source states no times.")
    tracks: list[MediaTrack] = Field(
        default_factory=list, description="The tracks from which a choice was made. Empty if there was none."
    )


class RetentionLimits(ApiModel):
    """Retention of a stream's recordings (extension). A missing limit falls back to the engine's setting."""

    max_age_s: float | None = Field(default=None, gt=0, description="Seconds after which recordings are removed.")
    max_bytes: int | None = Field(default=None, gt=0, description="Bytes above which the oldest are removed.")


class StorageForecast(ApiModel):
    """Disk space that the recording of a stream is expected to need (extension)."""

    gb_per_day: float = Field(description="Gigabytes (10^9 bytes) per day.")
    measured: bool = Field(description="Whether the rate is measured. Otherwise, it is estimated from the media.")
    bound_gb: float | None = Field(default=None, description="Gigabytes that all recordings may fill. None: no bound.")
    text: str = Field(description="The forecast as a sentence.")


class Stream(ApiModel):
    """A live stream (API reference 2.2)."""

    id: str
    name: str
    collection_id: str = "default"
    created_at: str = Field(default="", description="ISO 8601 without zone, UTC")
    sample_rate: float = 30
    status: StreamStatus = StreamStatus.CONNECTED
    media_types: list[MediaType] = Field(
        default_factory=lambda: ["video"],  # pyright: ignore[reportArgumentType]
        description="As the client named them. They limit nothing.",
    )
    store: bool = False
    enable_transcript: bool = False
    channel_id: str | None = None
    stream_url: str | None = None
    player_url: str | None = None
    # extensions
    audio: bool = Field(default=True, description="Whether its audio is recorded and can be analysed.")
    url: str = Field(default="", description="Source URL without credentials.")
    health: Health = Field(default_factory=lambda: Health())
    media: MediaInfo | None = None
    recorded: list[tuple[float, float]] = Field(
        default_factory=list, description="Newest recorded ranges [start, end], oldest first, at most 20."
    )
    indexes: list[IndexProgress] = Field(
        default_factory=list, description="Progress of its indexes. Present only when a single stream is requested."
    )
    tracks: str | None = Field(default=None, description="Preferred tracks. None: the default.")
    detect_url: str | None = Field(
        default=None, description="Sub stream that is analysed and shown, without credentials. None: the source itself."
    )
    vocabulary: list[str] = Field(default_factory=list, description="Names and terms that correct its transcripts.")
    retention: RetentionLimits = Field(default_factory=lambda: RetentionLimits())
    recorded_bytes: int = Field(default=0, description="Disk space used by its recordings, in bytes.")
    publish_urls: list[str] = Field(
        default_factory=list,
        description=(
            "URLs to which the publisher of a stream push://NAME sends, with its stream key: the last part of an RTMP "
            "URL, and the streamid of an SRT URL. Present only when a single stream is requested."
        ),
    )
    existing: bool | None = Field(
        default=None, description="True in the response to a connect call that found it instead of adding a stream."
    )
    storage: StorageForecast | None = Field(
        default=None, description="Expected disk space. Present only when a single, recorded stream is requested."
    )


class ConnectStream(ApiModel):
    """Body of ``POST rtstream``."""

    url: str
    name: str | None = None
    collection_id: str = "default"
    media_types: list[MediaType] | None = None
    sample_rate: float | None = Field(default=None, gt=0, le=240)
    store: bool = False
    enable_transcript: bool | None = None
    ws_connection_id: str | None = None
    # extensions
    audio: bool = Field(default=True, description="Whether to record the audio, so that it can be analysed.")
    tracks: str | None = Field(
        default=None, description="Preferred tracks: ids (v2, a1), a language (de) or a largest height (720p)."
    )
    detect_url: str | None = Field(
        default=None,
        max_length=4096,
        description="Smaller stream of the same camera, which is analysed and shown while the source is recorded.",
    )
    once: bool = Field(
        default=False,
        description="Whether to return the stream that already has this source, started if it is stopped.",
    )


class PaidPart(ApiModel):
    """A running part of a stream that calls a model which may cost money (extension)."""

    kind: Literal["index", "transcript", "alert", "backfill"]
    id: str = Field(description="Id of the index, alert or job, or the engine of the transcript.")
    name: str = Field(default="", description="Name of the index, or label of the event.")
    rtstream_index_id: str = Field(default="", description="Index of an alert.")
    model: str = Field(description="The model or speech engine, as provider:name.")


class StreamDetail(ApiModel):
    """A stream with everything that belongs to it (extension). The rest is empty for a service without extensions."""

    stream: Stream
    transcript: TranscriptStatus | None = None
    alerts: list[AlertGroup] = Field(default_factory=lambda: [], description="The oldest 50.")
    paid: list[PaidPart] = Field(default_factory=lambda: [])
    links: int | None = Field(default=None, description="Number of playback links to it.")


class Playback(ApiModel):
    """URLs that play a time range (API reference 2.6)."""

    stream_url: str = Field(description="HLS manifest URL")
    player_url: str = Field(description="Web player page URL")
    start: float | None = None
    end: float | None = None
    covered: list[tuple[float, float]] = Field(default_factory=list, description="Recorded ranges inside the window.")
    gaps: list[tuple[float, float]] = Field(
        default_factory=list, description="Ranges of the window without a recording."
    )


class AskLook(ApiModel):
    """Body of ``POST rtstream/{id}/look`` (extension): a question about one moment or a range.

    Without times, it refers to now. ``at``, ``start`` and ``end`` are Unix seconds.
    """

    question: str = Field(min_length=1, max_length=4000)
    at: float | None = None
    start: float | None = None
    end: float | None = None
    count: int = Field(default=9, ge=1, le=64, description="Pictures of the contact sheet of a range.")
    model_name: str | None = None


class LookAnswer(ApiModel):
    """A model's answer to a question about pictures (extension)."""

    text: str = Field(description="Untrusted, because it may quote the stream.")
    model: str
    times: list[float] = Field(description="Unix seconds of the pictures used.")
    latency_s: float
    note: str = Field(default="", description="A note for the user, for example that there is no model.")
