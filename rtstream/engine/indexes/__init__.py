"""Scene and audio indexes of streams."""

from rtstream.engine.indexes.audio import AudioIndexes
from rtstream.engine.indexes.backfill import IndexBackfill
from rtstream.engine.indexes.gaps import GapLog, persist
from rtstream.engine.indexes.request import NewIndex
from rtstream.engine.indexes.runner import IndexRunner
from rtstream.engine.indexes.service import IndexService
from rtstream.engine.indexes.video_scenes import VideoScenes
from rtstream.engine.indexes.visual import VisualIndexes

__all__ = [
    "AudioIndexes",
    "GapLog",
    "IndexBackfill",
    "IndexRunner",
    "IndexService",
    "NewIndex",
    "VideoScenes",
    "VisualIndexes",
    "persist",
]
