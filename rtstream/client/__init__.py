"""A Python client for the RTStream API: HTTP calls, and a WebSocket feed that resumes after a disconnect."""

from rtstream.client.client import Frame, RTStreamClient, Sheet
from rtstream.client.feed import Feed, FeedState
from rtstream.client.indexes import ScenePage
from rtstream.client.journal import JournalFilter
from rtstream.client.transport import Endpoint, Locate

__all__ = ["Endpoint", "Feed", "FeedState", "Frame", "JournalFilter", "Locate", "RTStreamClient", "ScenePage", "Sheet"]
