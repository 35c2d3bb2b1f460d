"""The objects of the RTStream API, shared by engine, client, tools and tests.

Field names are those of the wire format (reference: VideoDB RTStream API). Unless a field states otherwise, every time
is a Unix timestamp in seconds (float) at which the picture or audio occurred. Fields that the published API does not
have are marked *extension*. Clients that do not know them ignore them.
"""

from rtstream.models.alerts import (
    Alert,
    CreateAlert,
    CreateEvent,
    Decision,
    Delivery,
    DeliveryAttempt,
    Event,
    EventTest,
    UpdateEvent,
)
from rtstream.models.base import ApiModel, Channel, MediaType
from rtstream.models.engine import EngineInfo
from rtstream.models.indexes import CreateIndex, IndexProgress, Scene, SceneIndex
from rtstream.models.journal import JournalPage, Message
from rtstream.models.links import LinkPage, PlaybackLink
from rtstream.models.page import EntryLimit, HitLimit, Limit, Page, Slice
from rtstream.models.search import SearchHit, SearchResults, SearchState, SearchStreams
from rtstream.models.streams import (
    AskLook,
    Collection,
    ConnectStream,
    Health,
    HealthReason,
    LookAnswer,
    MediaInfo,
    MediaTrack,
    Playback,
    RetentionLimits,
    StorageForecast,
    Stream,
    TrackPackets,
)
from rtstream.models.transcripts import TranscriptPage, TranscriptSegment, TranscriptStatus
from rtstream.models.videos import (
    ClipLinks,
    ExportRequest,
    ExportResult,
    Video,
    VideoHits,
    VideoShot,
    VideoTranscript,
    VideoWord,
)
from rtstream.states import (
    AlertStatus,
    AnalysisState,
    DeliveryState,
    HealthCode,
    HealthLevel,
    HealthState,
    IndexStatus,
    Matching,
    Outcome,
    SceneStatus,
    StreamStatus,
)

__all__ = [
    "Alert",
    "AlertStatus",
    "AnalysisState",
    "ApiModel",
    "AskLook",
    "Channel",
    "ClipLinks",
    "Collection",
    "ConnectStream",
    "CreateAlert",
    "CreateEvent",
    "CreateIndex",
    "Decision",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "EngineInfo",
    "EntryLimit",
    "Event",
    "EventTest",
    "ExportRequest",
    "ExportResult",
    "Health",
    "HealthCode",
    "HealthLevel",
    "HealthReason",
    "HealthState",
    "HitLimit",
    "IndexProgress",
    "IndexStatus",
    "JournalPage",
    "Limit",
    "LinkPage",
    "LookAnswer",
    "Matching",
    "MediaInfo",
    "MediaTrack",
    "MediaType",
    "Message",
    "Outcome",
    "Page",
    "Playback",
    "PlaybackLink",
    "RetentionLimits",
    "Scene",
    "SceneIndex",
    "SceneStatus",
    "SearchHit",
    "SearchResults",
    "SearchState",
    "SearchStreams",
    "Slice",
    "StorageForecast",
    "Stream",
    "StreamStatus",
    "TrackPackets",
    "TranscriptPage",
    "TranscriptSegment",
    "TranscriptStatus",
    "UpdateEvent",
    "Video",
    "VideoHits",
    "VideoShot",
    "VideoTranscript",
    "VideoWord",
]
