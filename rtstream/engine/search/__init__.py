"""Search in streams and exported videos, by words and by meaning, and the timeline of streams."""

from rtstream.engine.search.service import NO_MODEL, SearchService
from rtstream.engine.search.text_edges import TextEdges
from rtstream.engine.search.timeline import TimelineService
from rtstream.engine.search.videos import VideoSearchService

__all__ = ["NO_MODEL", "SearchService", "TextEdges", "TimelineService", "VideoSearchService"]
