"""The journal and its messages."""

from __future__ import annotations

from pydantic import Field

from rtstream.json_types import JsonObject
from rtstream.models.base import ApiModel, Channel


class Message(ApiModel):
    """One journal entry as it goes over the WebSocket (API reference 3.3) and out of ``GET rtstream/journal``."""

    channel: Channel
    timestamp: str = Field(description="ISO 8601 with offset, when it was written")
    rtstream_id: str = ""
    rtstream_name: str = ""
    data: JsonObject
    seq: int = Field(
        0, description="Journal number; only grows (extension). 0: not in the journal (a partial transcript)."
    )


class JournalPage(ApiModel):
    """Entries after a cursor (extension: ``GET rtstream/journal``)."""

    entries: list[Message]
    cursor: int = Field(description="Pass as `since` next time; nothing between two reads is lost.")
    has_more: bool = False
    truncated: bool = Field(default=False, description="Entries after `since` are no longer kept.")
