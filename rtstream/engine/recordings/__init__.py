"""Recordings and exported videos, with their playback, links, exports and retention."""

from rtstream.engine.recordings.clips import ClipService
from rtstream.engine.recordings.disk_bound import DiskBound
from rtstream.engine.recordings.exports import ExportService
from rtstream.engine.recordings.footage import FootageReader
from rtstream.engine.recordings.links import (
    LinkEnded,
    LinkService,
    LinkUnknown,
    older_version,
    picture_url,
    player_url,
    stream_url,
)
from rtstream.engine.recordings.marks import TimelineMarks
from rtstream.engine.recordings.media_access import MediaAccess
from rtstream.engine.recordings.playback import PlaybackService, StreamSheet
from rtstream.engine.recordings.projection import RecordingProjection, ScanResult
from rtstream.engine.recordings.retention import Retention
from rtstream.engine.recordings.screen_edges import ScreenEdges
from rtstream.engine.recordings.videos import VideoService

__all__ = [
    "ClipService",
    "DiskBound",
    "ExportService",
    "FootageReader",
    "LinkEnded",
    "LinkService",
    "LinkUnknown",
    "MediaAccess",
    "PlaybackService",
    "RecordingProjection",
    "Retention",
    "ScanResult",
    "ScreenEdges",
    "StreamSheet",
    "TimelineMarks",
    "VideoService",
    "older_version",
    "picture_url",
    "player_url",
    "stream_url",
]
