"""A filter for journal entries, and a bounded ring of messages for services without a journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rtstream.json_types import JsonObject
from rtstream.models import JournalPage, Message


@dataclass(frozen=True)
class JournalFilter:
    """A filter for journal entries. An empty field does not restrict.

    Attributes:
        streams: Ids of streams.
        channels: Names of journal channels.
        labels: Labels of alerts and scenes.
        text: Text that entries must contain, ignoring case. Of corrected speech, either text counts.
        min_confidence: Lowest confidence (0 to 1) of alerts. Other channels are not affected.
        all_alerts: Whether alerts pass whatever their text.
        changed: Whether scenes that repeat the one before are left out.
    """

    streams: Sequence[str] = ()
    channels: Sequence[str] = ()
    labels: Sequence[str] = ()
    text: str = ""
    min_confidence: float | None = None
    all_alerts: bool = False
    changed: bool = False

    def query(self) -> JsonObject:
        """Return the filter as query parameters of ``GET rtstream/journal``."""
        query: JsonObject = {
            "streams": ",".join(self.streams),
            "channels": ",".join(self.channels),
            "labels": ",".join(self.labels),
            "text": self.text,
        }
        query = {key: value for key, value in query.items() if value}
        if self.min_confidence is not None:
            query["min_confidence"] = self.min_confidence
        if self.all_alerts:
            query["all_alerts"] = "true"
        if self.changed:
            query["changed"] = "true"
        return query

    def passes(self, message: Message) -> bool:
        """Return whether ``message`` passes the filter. The engine makes the same decision."""
        data = message.data
        if self.streams and message.rtstream_id not in self.streams:
            return False
        if self.channels and message.channel not in self.channels:
            return False
        if self.labels and data.get("label") not in self.labels:
            return False
        if self.changed and data.get("unchanged") is True:
            return False
        searched = message.channel != "alert" or not self.all_alerts
        texts = f"{data.get('text') or ''}\n{data.get('heard') or ''}".casefold()
        if self.text and searched and self.text.casefold() not in texts:
            return False
        if self.min_confidence is not None and message.channel == "alert":
            return float(data.get("confidence") or 0.0) >= self.min_confidence
        return True


class Ring:
    """The newest messages, numbered locally. When older ones have been dropped, pages report ``truncated``."""

    def __init__(self, size: int) -> None:
        self._messages: deque[Message] = deque(maxlen=size)
        self.latest = 0

    def append(self, message: Message) -> Message:
        """Number and store a message. Returns the numbered message."""
        self.latest += 1
        message = message.model_copy(update={"seq": self.latest})
        self._messages.append(message)
        return message

    def page(self, since: int | None, which: JournalFilter, limit: int) -> JournalPage:
        """Return entries after ``since``, oldest first, or the newest ones if it is None."""
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
            # A cursor from before a restart of this program counts as lost entries as well.
            truncated=since > self.latest or since + 1 < oldest,
        )
