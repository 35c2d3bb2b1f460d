"""Scene and audio indexes of streams."""

from rtstream.engine.indexes.audio import AudioIndexes
from rtstream.engine.indexes.runner import IndexRunner
from rtstream.engine.indexes.service import IndexService
from rtstream.engine.indexes.visual import VisualIndexes

__all__ = ["AudioIndexes", "IndexRunner", "IndexService", "VisualIndexes"]
