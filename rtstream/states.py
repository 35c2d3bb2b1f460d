"""The states of streams, indexes, alerts, deliveries and jobs, with the values that the API and the database use."""

from __future__ import annotations

from enum import StrEnum

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class ApiState(StrEnum):
    """Base of all states. In the schemas of the API and of the tools, each is the list of its values."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        # Without this, each state becomes a named definition, and the schemas of the tools grow by its description.
        values = [member.value for member in cls]
        return core_schema.no_info_after_validator_function(cls, core_schema.literal_schema(values))


class DesiredState(ApiState):
    """State that the user asked for, of a stream or of a transcript."""

    RUNNING = "running"
    STOPPED = "stopped"


class HealthState(ApiState):
    """State of a stream's connection to its source."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"
    ERROR = "error"


class HealthCode(ApiState):
    """Code of a reason in the health of a stream or of the engine."""

    SOURCE_UNREACHABLE = "source_unreachable"
    LOGIN_REFUSED = "login_refused"
    SOURCE_ENDED = "source_ended"
    NOT_MEDIA = "not_media"
    NO_KEYFRAME = "no_keyframe"
    NO_VIDEO_TRACK = "no_video_track"
    NO_AUDIO_TRACK = "no_audio_track"
    TRACK_SILENT = "track_silent"
    TIMES_UNUSABLE = "times_unusable"
    FORMAT_NOT_RECORDABLE = "format_not_recordable"
    FORMAT_CHANGED = "format_changed"
    RECORDING_STALLED = "recording_stalled"
    INDEX_STALLED = "index_stalled"
    TRANSCRIPT_STALLED = "transcript_stalled"
    MODEL_UNAVAILABLE = "model_unavailable"
    READER_UNAVAILABLE = "reader_unavailable"
    OVERLOADED = "overloaded"
    BUDGET_SPENT = "budget_spent"
    DATABASE_UNAVAILABLE = "database_unavailable"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    DELIVERY_FAILING = "delivery_failing"
    CLOCK_STEPPED = "clock_stepped"
    ENGINE_RESTARTED = "engine_restarted"


class HealthLevel(ApiState):
    """Level of a reason: something is missing, or something is worth knowing."""

    PROBLEM = "problem"
    NOTE = "note"


class StreamStatus(ApiState):
    """Status of a stream as the API reports it."""

    CONNECTED = "connected"
    STOPPED = "stopped"
    ERROR = "error"


class IndexStatus(ApiState):
    """Status of an index, in the words of the published API."""

    CONNECTED = "connected"
    STOPPED = "stopped"


class AnalysisState(ApiState):
    """State of an index: ``paused`` by a limit on model calls, or in ``error`` because its model cannot be used."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ERROR = "error"

    @property
    def status(self) -> IndexStatus:
        """The status that the published API has for this state."""
        return IndexStatus.CONNECTED if self in (AnalysisState.RUNNING, AnalysisState.PAUSED) else IndexStatus.STOPPED


class GapReason(ApiState):
    """A reason for which recorded footage was not analysed live."""

    ENGINE_ENDED = "engine_ended"
    READER_UNAVAILABLE = "reader_unavailable"
    OVERLOADED = "overloaded"
    DATABASE_UNAVAILABLE = "database_unavailable"
    NOT_RECEIVED = "not_received"
    CONNECTING = "connecting"
    REQUESTED = "requested"


class SkipReason(ApiState):
    """A reason for which a window is never looked at, neither live nor afterwards."""

    NOT_RECORDED = "not_recorded"
    NOT_DECODABLE = "not_decodable"
    TOO_OLD = "too_old"
    TOO_MANY = "too_many"
    STOPPED = "stopped"
    BUDGET_SPENT = "budget_spent"
    CANCELLED = "cancelled"
    MODEL_FAILED = "model_failed"


class SceneStatus(ApiState):
    """Result of analysing one window."""

    OK = "ok"
    FAILED = "failed"


class ExtractionType(ApiState):
    """Source of an index: pictures, or a transcript."""

    TIME = "time"
    TRANSCRIPT = "transcript"


class AlertStatus(ApiState):
    """Status of an alert."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class Matching(ApiState):
    """The way in which an event is decided.

    It is decided by a rule, by a language model, not at all until a model is set, or never on the index of its alert.
    """

    RULE = "rule"
    MODEL = "model"
    NEEDS_MODEL = "needs_model"
    CANNOT_DECIDE = "cannot_decide"


class Outcome(ApiState):
    """Outcome of evaluating one moment for one alert."""

    FIRED = "fired"
    MATCH = "match"
    NO_MATCH = "no_match"
    NEEDS_MODEL = "needs_model"
    SUPPRESSED = "suppressed"
    FAILED = "failed"


class DeliveryState(ApiState):
    """State of a webhook delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class TranscriptState(ApiState):
    """State of a live transcript."""

    RUNNING = "running"
    ERROR = "error"
    STOPPED = "stopped"


class TranscriptJobStatus(ApiState):
    """Status of a transcript as the API reports it."""

    RUNNING = "running"
    STOPPED = "stopped"
    NOT_CONFIGURED = "not_configured"


class SegmentKind(ApiState):
    """Kind of a transcript segment: speech, or audio that was skipped."""

    SPEECH = "speech"
    GAP = "gap"


class JobKind(ApiState):
    """Kind of work that may outlast a request."""

    EXPORT = "export"
    SPOKEN_WORDS = "spoken_words"
    BACKFILL = "backfill"


class JobState(ApiState):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PinKind(ApiState):
    """A reason for which retention must not delete a range."""

    ALERT = "alert"
    EXPORT = "export"
