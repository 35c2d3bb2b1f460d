"""The objects of the RTStream API, once: engine, client, tools and tests share them.

Field names are the wire's own (reference: VideoDB RTStream API). Unless a field says otherwise every time is a
Unix timestamp in seconds (float) of when the picture or sound happened. Fields that the published API does not
have are marked *extension*; clients that do not know them ignore them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MediaType = Literal["video", "audio"]
HealthState = Literal["connecting", "connected", "reconnecting", "stopped", "error"]
StreamStatus = Literal["connected", "stopped", "error"]
IndexStatus = Literal["running", "stopped", "paused"]
AlertStatus = Literal["enabled", "disabled"]
Channel = Literal["scene_index", "transcript", "audio_index", "alert", "health", "catalogue"]
"""Channels of the journal and the WebSocket. ``catalogue`` tells that a stream or index was added or removed."""

Matching = Literal["rule", "model", "needs_model"]
"""How an event is decided: by a deterministic rule, by a language model, or not at all until there is one."""


class ApiModel(BaseModel):
    """Base of every API object: unknown fields are ignored, so newer servers and clients mix."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Collection(ApiModel):
    """A group of streams and videos. ``default`` always exists."""

    id: str
    name: str
    description: str = ""
    is_public: bool = False


class Health(ApiModel):
    """State of a stream's connection to its source (extension)."""

    state: HealthState = "connecting"
    reason: str = Field(default="", description="Plain words; credentials removed.")
    since: float = Field(default=0.0, description="Unix seconds when this state began.")
    attempts: int = Field(default=0, description="Connection attempts since the last success.")
    lag_s: float | None = Field(
        default=None, description="Seconds the newest recorded picture is behind the wall clock."
    )
    skipped: dict[str, float] = Field(
        default_factory=dict, description="What was skipped not to fall behind live, by kind, since the stream started."
    )


class MediaInfo(ApiModel):
    """What the source carries (extension)."""

    video_codec: str | None = None
    width: int | None = Field(default=None, description="pixels")
    height: int | None = Field(default=None, description="pixels")
    fps: float | None = None
    audio_codec: str | None = None
    audio_rate: int | None = Field(default=None, description="Hz")


class IndexProgress(ApiModel):
    """How an index keeps up (extension). Windows are counted since the index was made."""

    rtstream_index_id: str
    name: str | None = None
    status: IndexStatus = "running"
    status_reason: str = Field(
        default="", description="Why it is stopped or paused, or why its last window failed; in plain words."
    )
    model: str = Field(
        "", description="The model that really answers, as provider:name; 'local' is the embedded default."
    )
    windows_done: int = 0
    windows_skipped: int = Field(default=0, description="Windows left out because the model was slower than live.")
    windows_failed: int = 0
    windows_unchanged: int = Field(default=0, description="Windows without a change, so no model was asked.")
    windows_capped: int = Field(default=0, description="Windows left out because the cap of model calls was reached.")


class Stream(ApiModel):
    """A live stream (API reference 2.2)."""

    id: str
    name: str
    collection_id: str = "default"
    created_at: str = Field(default="", description="ISO 8601 without zone, UTC")
    sample_rate: float = 30
    status: StreamStatus = "connected"
    media_types: list[MediaType] = Field(default_factory=lambda: ["video"])  # pyright: ignore[reportArgumentType]
    store: bool = False
    enable_transcript: bool = False
    channel_id: str | None = None
    stream_url: str | None = None
    player_url: str | None = None
    # extensions
    url: str = Field(default="", description="Source URL without credentials.")
    health: Health = Field(default_factory=lambda: Health())
    media: MediaInfo | None = None
    recorded: list[tuple[float, float]] = Field(
        default_factory=list, description="Newest recorded ranges [start, end], oldest first, at most 20."
    )
    indexes: list[IndexProgress] = Field(
        default_factory=list, description="How its indexes keep up; only when one stream is asked for."
    )
    retention: RetentionLimits = Field(default_factory=lambda: RetentionLimits())
    recorded_bytes: int = Field(default=0, description="Bytes its recordings take on the disk.")


class Playback(ApiModel):
    """Where a time range can be watched (API reference 2.6)."""

    stream_url: str = Field(description="HLS manifest URL")
    player_url: str = Field(description="Web player page URL")
    start: float | None = None
    end: float | None = None
    covered: list[tuple[float, float]] = Field(default_factory=list, description="Recorded ranges inside the window.")
    gaps: list[tuple[float, float]] = Field(
        default_factory=list, description="Ranges of the window without a recording."
    )


class ClipLinks(ApiModel):
    """Where parts of videos can be watched, one after the other (API reference 2.19)."""

    stream_url: str
    player_url: str


class Video(ApiModel):
    """An exported video (API reference 2.19). Its links expire; ask again for fresh ones."""

    id: str
    collection_id: str
    stream_url: str
    player_url: str
    name: str
    description: str = ""
    thumbnail_url: str | None = None
    length: float = Field(description="seconds")
    # extensions
    download_url: str = ""
    rtstream_id: str = Field(default="", description="The stream it was recorded from; that may be deleted.")
    start: float = Field(default=0.0, description="Unix seconds of its first picture.")
    end: float = Field(default=0.0, description="Unix seconds of its last picture.")
    covered: list[tuple[float, float]] = Field(
        default_factory=list, description="What it shows, one after the other, as ranges [start, end] in Unix seconds."
    )
    gaps: list[tuple[float, float]] = Field(default_factory=list, description="What it leaves out between them.")
    size: int = Field(default=0, description="bytes")
    created_at: float = 0.0


class ExportRequest(ApiModel):
    """Body of ``POST rtstream/{id}/export``."""

    name: str | None = Field(default=None, max_length=200)
    # extensions
    start: float | None = Field(default=None, description="With end: this window, also while the stream runs.")
    end: float | None = None
    wait_s: float = Field(default=25.0, ge=0, le=25, description="Seconds until 'processing' is answered.")


class ExportResult(ApiModel):
    """Result of an export (API reference 2.7)."""

    video_id: str
    stream_url: str | None = None
    player_url: str | None = None
    name: str = ""
    duration: float | None = Field(default=None, description="seconds")
    # extensions
    download_url: str | None = None
    start: float | None = None
    end: float | None = None
    covered: list[tuple[float, float]] = Field(default_factory=list)
    gaps: list[tuple[float, float]] = Field(default_factory=list)


class RetentionLimits(ApiModel):
    """How long a stream's recordings are kept (extension); what is not given is the engine's setting."""

    max_age_s: float | None = Field(default=None, gt=0, description="Seconds after which recordings are removed.")
    max_bytes: int | None = Field(default=None, gt=0, description="Bytes above which the oldest are removed.")


class SceneIndex(IndexProgress):
    """A continuous analysis of a stream (API reference 2.8)."""

    rtstream_id: str
    extraction_type: Literal["time", "transcript"]
    extraction_config: dict[str, Any]
    prompt: str | None = None
    model_name: str | None = None
    sandbox_id: str | None = None
    # extensions
    model_calls: int = Field(default=0, description="Requests to the model, repeated ones included.")
    tokens_in: int = 0
    tokens_out: int = 0
    note: str = Field(default="", description="What the user should know about this index.")


class Scene(ApiModel):
    """One analysed window (API reference 2.11). ``text`` and ``description`` are the same, verbatim from the model."""

    start: float
    end: float
    text: str
    description: str
    # extensions
    id: int | None = None
    rtstream_index_id: str | None = None
    model: str = ""
    status: Literal["ok", "failed"] = "ok"
    data: dict[str, Any] | None = Field(default=None, description="Parsed object when the prompt asked for JSON.")
    frame_times: list[float] = Field(default_factory=list)
    latency_s: float | None = Field(default=None, description="Seconds the model took.")
    data_error: str = Field(default="", description="Why the JSON asked for could not be read; the text is verbatim.")
    unchanged: bool = Field(default=False, description="The picture had not changed: the text is the last answer's.")


class TranscriptSegment(ApiModel):
    """One utterance (API reference 2.14)."""

    start: float
    end: float
    text: str
    is_final: bool = True
    engine: str = ""
    kind: Literal["speech", "gap"] = Field(
        default="speech", description="gap: sound that was skipped not to fall behind live; it has no text."
    )
    confidence: float | None = None
    low_confidence: bool = Field(
        False, description="The engine does not trust this text (for example another language)."
    )
    word_timestamps: list[dict[str, Any]] = Field(default_factory=list)


class TranscriptPage(ApiModel):
    """One page of a transcript, oldest first (API reference 2.14)."""

    transcription_records: list[TranscriptSegment]
    next_page: bool
    total_count: int
    page: int
    page_size: int


class TranscriptStatus(ApiModel):
    """How a transcript stands (API reference 2.14)."""

    status: Literal["running", "stopped", "not_configured"]
    engine: str
    language: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    created_at: str | None = None
    updated_at: str | None = None
    # extensions
    state: Literal["running", "error", "stopped"] = "stopped"
    reason: str = Field(default="", description="Why the engine cannot transcribe now.")
    skipped_s: float = Field(default=0.0, description="Seconds skipped not to fall behind live.")


class Event(ApiModel):
    """A reusable detection rule (API reference 2.12)."""

    event_id: str
    event_prompt: str
    label: str
    # extensions
    rule: dict[str, Any] | None = Field(default=None, description="Structured form of what decides it, when given.")
    matching: Matching = "needs_model"
    note: str = ""


class Alert(ApiModel):
    """An event watched on an index (API reference 2.13)."""

    alert_id: str
    event_id: str
    prompt: str
    label: str
    callback_url: str | None = None
    status: AlertStatus = "enabled"
    # extensions
    rtstream_id: str = ""
    rtstream_index_id: str = ""
    matching: Matching = "needs_model"
    note: str = Field(
        "", description="What the user should know, for example that a model is needed to decide this event."
    )
    fired: int = 0
    options: dict[str, Any] = Field(default_factory=dict, description="cooldown_s, consecutive, ... as given.")
    deliveries: dict[str, int] = Field(default_factory=dict, description="Webhooks by state: pending, delivered, dead.")
    last_delivery_error: str = Field(default="", description="Why the newest attempt failed; empty when it did not.")


class Decision(ApiModel):
    """What was decided about one scene for one alert (extension)."""

    at: float = Field(description="Unix seconds when it was decided.")
    start: float | None = Field(default=None, description="Of the scene; ``at`` when there is none, or no more.")
    end: float | None = None
    outcome: Literal["fired", "match", "no_match", "needs_model", "suppressed", "failed"]
    reason: str = Field(default="", description="Why a match did not fire, or why nothing could be decided.")
    confidence: float | None = None
    explanation: str = Field(default="", description="Untrusted: it quotes the stream.")
    text: str = Field(default="", description="The scene's text. Untrusted.")
    seq: int | None = Field(default=None, description="Journal number of the alert, when it fired.")


class DeliveryAttempt(ApiModel):
    """One try to reach a webhook's receiver (extension)."""

    at: float
    status: int | None = Field(default=None, description="HTTP status of the answer; null when there was none.")
    latency_s: float
    error: str = ""


class Delivery(ApiModel):
    """One webhook of an alert (extension)."""

    delivery_id: str = Field(description="Sent as webhook-id: the idempotency key.")
    seq: int
    state: Literal["pending", "delivered", "dead"]
    attempts: list[DeliveryAttempt]
    next_at: float | None = Field(default=None, description="When it is tried next, while pending.")


class EventTest(ApiModel):
    """Body of ``POST rtstream/{id}/event/test`` (extension): a dry run on scenes of the past."""

    event_prompt: str = Field(min_length=1, max_length=4000)
    rule: dict[str, Any] | None = None
    rtstream_index_id: str | None = None
    start: float | None = None
    end: float | None = None
    limit: int = Field(default=100, ge=1, le=500)


class UpdateEvent(ApiModel):
    """Body of ``PATCH rtstream/event/{id}`` (extension)."""

    event_prompt: str | None = Field(default=None, min_length=1, max_length=4000)
    label: str | None = Field(default=None, min_length=1, max_length=200)
    rule: dict[str, Any] | None = Field(default=None, description="{} takes the rule away.")


class Message(ApiModel):
    """One journal entry as it goes over the WebSocket (API reference 3.3) and out of ``GET rtstream/journal``."""

    channel: Channel
    timestamp: str = Field(description="ISO 8601 with offset, when it was written")
    rtstream_id: str = ""
    rtstream_name: str = ""
    data: dict[str, Any]
    seq: int = Field(
        0, description="Journal number; only grows (extension). 0: not in the journal (a partial transcript)."
    )


class JournalPage(ApiModel):
    """Entries after a cursor (extension: ``GET rtstream/journal``)."""

    entries: list[Message]
    cursor: int = Field(description="Pass as `since` next time; nothing between two reads is lost.")
    has_more: bool = False
    truncated: bool = Field(default=False, description="Entries after `since` are no longer kept.")


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


class AskLook(ApiModel):
    """Body of ``POST rtstream/{id}/look`` (extension): a question about one moment, or about a range.

    Without times it is about now; ``at``, ``start`` and ``end`` are Unix seconds.
    """

    question: str = Field(min_length=1, max_length=4000)
    at: float | None = None
    start: float | None = None
    end: float | None = None
    count: int = Field(default=9, ge=1, le=64, description="Pictures of the contact sheet of a range.")
    model_name: str | None = None


class LookAnswer(ApiModel):
    """A model's answer to a question about pictures (extension)."""

    text: str = Field(description="Untrusted: it may quote the stream.")
    model: str
    times: list[float] = Field(description="Unix seconds of the pictures that were looked at.")
    latency_s: float
    note: str = Field(default="", description="What the user should know, for example that there is no model.")


class CreateIndex(ApiModel):
    """Body of ``POST rtstream/{id}/index/scene``."""

    extraction_type: str = "time"
    extraction_config: dict[str, Any] | None = None
    prompt: str | None = None
    model_name: str | None = None
    model_settings: dict[str, Any] | None = Field(
        default=None,
        alias="model_config",
        description="Extensions: json_schema (an object), and skip_unchanged (bool; pictures only).",
    )
    name: str | None = None
    ws_connection_id: str | None = None
    sandbox_id: str | None = None


class CreateEvent(ApiModel):
    """Body of ``POST rtstream/event``."""

    event_prompt: str = Field(min_length=1, max_length=4000)
    label: str = Field(min_length=1, max_length=200)
    rule: dict[str, Any] | None = Field(default=None, description="Structured form of what decides it (extension).")


class CreateAlert(ApiModel):
    """Body of ``POST rtstream/{id}/index/{index_id}/alert``."""

    event_id: str
    callback_url: str | None = None
    ws_connection_id: str | None = None
    # extensions; see rtstream.rules.firing for what they mean
    cooldown_s: float | None = None
    consecutive: int | float | None = None
    min_confidence: float | None = None
    dedupe: bool | None = None
    quiet_hours: list[dict[str, Any]] | None = None
    pre_s: float | None = Field(
        default=None, ge=0, le=600, description="Seconds of evidence before the matching scene."
    )
    post_s: float | None = Field(
        default=None, ge=0, le=600, description="Seconds of evidence after the matching scene."
    )


class SearchStreams(ApiModel):
    """Body of ``POST rtstream/{id}/search`` and ``POST rtstream/collection/{id}/search`` (API reference 2.16)."""

    query: str
    scene_index_id: str | None = None
    result_threshold: int = 10
    score_threshold: float | None = None
    dynamic_score_percentage: float | None = None
    filter: Any = None
    # extensions
    start: float | None = Field(default=None, description="Only what shares time with [start, end].")
    end: float | None = None
    kinds: list[Literal["visual", "audio", "transcript", "alert"]] | None = None
    streams: list[str] | None = Field(default=None, max_length=1000)
    indexes: list[str] | None = Field(default=None, max_length=1000)
    all_collections: bool = Field(default=False, description="Search every stream, whatever collection is in the path.")


class SearchHit(ApiModel):
    """A moment that was found (API reference 2.16). ``text`` is untrusted."""

    rtstream_id: str = ""
    rtstream_name: str = ""
    start: float
    end: float
    text: str
    score: float = 0.0
    scene_index_id: str | None = Field(default=None, description="Null for a transcript.")
    scene_index_name: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    # extensions
    kind: str = ""
    ref: int | None = Field(
        default=None, description="The scene, the transcript segment, or the journal number of the alert."
    )


class SearchResults(ApiModel):
    """Hits, best first."""

    results: list[SearchHit]
    # extensions
    by: str = Field(default="", description="'words', or 'words and meaning'.")
    note: str = Field(default="", description="What the user should know about these hits.")


class VideoWord(ApiModel):
    """A piece of a video's transcript: a word, a sentence or some seconds. Seconds from the start of the video."""

    start: float
    end: float
    text: str
    word: str = Field(description="The same as ``text``: clients read either.")


class VideoTranscript(ApiModel):
    """What is said in an exported video (API reference 2.19). Untrusted text."""

    word_timestamps: list[VideoWord]
    text: str


class VideoShot(ApiModel):
    """A moment of a video that was found. Seconds from the start of the video; ``text`` is untrusted."""

    start: float
    end: float
    text: str
    score: float
    scene_index_id: str | None = None
    scene_index_name: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    stream_url: str | None = None
    player_url: str | None = None


class VideoHits(ApiModel):
    """The moments found in one video, best first (API reference 2.19)."""

    video_id: str
    collection_id: str
    title: str
    length: float
    docs: list[VideoShot]


class SearchState(ApiModel):
    """What search can do now, and how far its indexing is (extension)."""

    model: str = Field(default="", description="Embeddings model; empty: search goes by words only.")
    documents: int = Field(default=0, description="Results that can be found.")
    unread: int = Field(default=0, description="Stored results that cannot be found yet (about).")
    without_vector: int = Field(default=0, description="Results found by their words only until they are embedded.")
    refused: int = Field(default=0, description="Results the model gave no vector for: found by their words only.")
    trouble: str = Field(default="", description="Why nothing is embedded at the moment.")


class EngineInfo(ApiModel):
    """Answer of ``GET rtstream/engine`` (extension): tells a client that it talks to this engine and what it can do."""

    engine: Literal["rtstream"] = "rtstream"
    version: str
    vision: str = Field(description="Vision model in use; 'local' is the embedded default.")
    screen_text: bool = Field(description="Text on screen can be read.")
    speech: str = Field(default="", description="Speech engine in use; empty when none is installed.")
    language_model: str = Field(default="", description="Language model that decides events; empty when none is set.")
    search: SearchState = Field(default_factory=lambda: SearchState())
    streams: int = 0
    streams_running: int = 0
