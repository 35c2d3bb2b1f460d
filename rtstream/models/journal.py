"""The journal and its messages."""

from __future__ import annotations

from pydantic import Field

from rtstream.json_types import JsonObject
from rtstream.models.base import ApiModel, Channel


class Message(ApiModel):
    """One journal entry, as sent over the WebSocket (API reference 3.3) and returned by ``GET rtstream/journal``."""

    channel: Channel
    timestamp: str = Field(description="ISO 8601 with offset, the time at which it was written")
    rtstream_id: str = ""
    rtstream_name: str = ""
    data: JsonObject
    seq: int = Field(
        default=0,
        description="Journal number, which only grows (extension). 0 means not in the journal (a partial transcript).",
    )


class JournalPage(ApiModel):
    """Entries after a cursor (extension: ``GET rtstream/journal``)."""

    entries: list[Message]
    cursor: int = Field(description="Pass it as `since` next time, so that nothing is lost between two reads.")
    has_more: bool = False
    truncated: bool = Field(default=False, description="Some entries after `since` have been removed.")
