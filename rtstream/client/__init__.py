"""The RTStream API as a Python client: HTTP calls and the WebSocket feed with resume."""

from rtstream.client.client import Frame, RTStreamClient, Sheet
from rtstream.client.feed import Feed, FeedState
from rtstream.client.indexes import ScenePage
from rtstream.client.journal import JournalFilter
from rtstream.client.transport import Endpoint, Locate

__all__ = ["Endpoint", "Feed", "FeedState", "Frame", "JournalFilter", "Locate", "RTStreamClient", "ScenePage", "Sheet"]
