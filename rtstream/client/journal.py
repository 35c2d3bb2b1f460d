"""Which journal entries a reader wants, and the journal of a service that keeps none: a bounded ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rtstream.json_types import JsonObject
from rtstream.models import JournalPage, Message


@dataclass(frozen=True)
class JournalFilter:
    """Which entries to read; an empty field does not restrict.

    ``labels`` and ``text`` look at what alerts and scenes carry; ``min_confidence`` (0 to 1) holds back alerts only.
    """

    streams: Sequence[str] = ()
    channels: Sequence[str] = ()
    labels: Sequence[str] = ()
    text: str = ""
    min_confidence: float | None = None

    def query(self) -> JsonObject:
        """As query parameters of ``GET rtstream/journal``."""
        query: JsonObject = {
            "streams": ",".join(self.streams),
            "channels": ",".join(self.channels),
            "labels": ",".join(self.labels),
            "text": self.text,
        }
        query = {key: value for key, value in query.items() if value}
        if self.min_confidence is not None:
            query["min_confidence"] = self.min_confidence
        return query

    def passes(self, message: Message) -> bool:
        """Whether the reader wants ``message``; the same decision as the engine's."""
        data = message.data
        if self.streams and message.rtstream_id not in self.streams:
            return False
        if self.channels and message.channel not in self.channels:
            return False
        if self.labels and data.get("label") not in self.labels:
            return False
        if self.text and self.text.casefold() not in str(data.get("text") or "").casefold():
            return False
        if self.min_confidence is not None and message.channel == "alert":
            return float(data.get("confidence") or 0.0) >= self.min_confidence
        return True


class Ring:
    """The newest messages, numbered here. What falls out is gone and reported as ``truncated``."""

    def __init__(self, size: int) -> None:
        self._messages: deque[Message] = deque(maxlen=size)
        self.latest = 0

    def append(self, message: Message) -> Message:
        """Number and keep a message; gives the numbered one."""
        self.latest += 1
        message = message.model_copy(update={"seq": self.latest})
        self._messages.append(message)
        return message

    def page(self, since: int | None, which: JournalFilter, limit: int) -> JournalPage:
        """Entries after ``since``, oldest first; without it the newest ones."""
        if since is None:
            newest = [m for m in self._messages if which.passes(m)][-limit:]
            return JournalPage(entries=newest, cursor=self.latest, truncated=False)
        found = [m for m in self._messages if m.seq > since and which.passes(m)]
        more = len(found) > limit
        found = found[:limit]
        oldest = self._messages[0].seq if self._messages else self.latest + 1
        return JournalPage(
            entries=found,
            cursor=found[-1].seq if more else self.latest,
            has_more=more,
            # A cursor from before a restart of this program counts as lost entries, too.
            truncated=since > self.latest or since + 1 < oldest,
        )
