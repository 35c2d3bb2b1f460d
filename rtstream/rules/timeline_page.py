"""Pages of a timeline: the cursor that continues it, and the lengths of its texts."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rtstream.errors import InvalidRequest
from rtstream.models import TimelineChannel
from rtstream.rules.timeline import RANK, Position

MAX_CURSOR = 4000
"""Characters of a cursor."""
LEAST_CHARS, MOST_CHARS = 120, 1000
"""Characters of the text of an item."""
STREAM_HOURS = 24.0
"""Hours of one stream, or half the hours of two, that are read for one part of a timeline."""
LEAST_PART_S = 600.0


@dataclass(frozen=True)
class TimelineCursor:
    """The place at which a timeline continues.

    Attributes:
        start: Start of the range in Unix seconds.
        end: End of the range.
        part: Start of the part of the range that continues.
        step: Length of the parts in seconds.
        streams: Ids of the streams, or None for all.
        channels: The channels.
        newest: Numbers of the newest scene, transcript segment and journal entry. Later ones are left out, so that
            the pages fit together.
        after: The position of the last item that was returned, or None at the start of a part.
    """

    start: float
    end: float
    part: float
    step: float
    streams: tuple[str, ...] | None
    channels: tuple[TimelineChannel, ...]
    newest: tuple[int, int, int]
    after: Position | None = None

    def text(self) -> str:
        """Return the cursor as text that can be passed in a URL."""
        streams = None if self.streams is None else list(self.streams)
        after = None if self.after is None else list(self.after)
        fields = [1, self.start, self.end, self.part, self.step, streams, list(self.channels), list(self.newest), after]
        return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> TimelineCursor:
        """Return the cursor of a text. Raises InvalidRequest."""
        try:
            if len(text) > MAX_CURSOR:
                raise ValueError("too long")
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, start, end, part, step, streams, channels, newest, after = json.loads(raw)
            scene, segment, entry = (int(number) for number in newest)
            found = cls(
                float(start),
                float(end),
                float(part),
                float(step),
                None if streams is None else tuple(str(one) for one in streams),
                tuple(channels),
                (scene, segment, entry),
                None if after is None else (float(after[0]), int(after[1]), str(after[2]), int(after[3])),
            )
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, binascii.Error):
            raise InvalidRequest(UNKNOWN_CURSOR) from None
        numbers = (found.start, found.end, found.part, found.step, *(found.after or ())[:1])
        known = isinstance(channels, list) and all(isinstance(one, str) and one in RANK for one in found.channels)
        small = all(0 <= number < 2**63 for number in found.newest)
        if version != 1 or not known or not small or not all(math.isfinite(number) for number in numbers):
            raise InvalidRequest(UNKNOWN_CURSOR)
        if not (0 <= found.start <= found.part < found.end < 1e11 and found.step >= LEAST_PART_S):
            raise InvalidRequest(UNKNOWN_CURSOR)
        return found

    @property
    def part_end(self) -> float:
        """End of the part of the range that continues."""
        return min(self.end, self.part + self.step)

    def following(self) -> TimelineCursor | None:
        """Return the cursor of the next part, or None after the last one."""
        return None if self.part_end >= self.end else replace(self, part=self.part_end, after=None)


UNKNOWN_CURSOR = "Unknown cursor. Pass the cursor of an earlier result unchanged, or omit it for the first page."


def part_s(streams: int) -> float:
    """Return the length in seconds of the parts in which a long range is read."""
    return max(LEAST_PART_S, STREAM_HOURS * 3600 / max(1, streams))


def text_chars(items: int, max_chars: int, overhead: int) -> int:
    """Return the number of characters for the text of an item, so that few pages are needed.

    Args:
        items: Number of items in the timeline.
        max_chars: Characters of a page.
        overhead: Characters of an item besides its text.
    """
    return max(LEAST_CHARS, min(MOST_CHARS, max_chars // max(1, items) - overhead))


def fitting(sizes: Sequence[int], budget: int) -> int:
    """Return how many items fit on a page, at least one.

    Args:
        sizes: Characters of each item.
        budget: Characters of the page.
    """
    used = 0
    for count, size in enumerate(sizes):
        used += size
        if used > budget and count:
            return count
    return len(sizes)
