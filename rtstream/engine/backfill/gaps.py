"""Determines the parts of a requested range that an index or a transcript lacks. They become gaps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from rtstream.engine.recordings import FootageReader
from rtstream.rules.gaps import missing_windows, runs, subtract
from rtstream.rules.playlist import Range
from rtstream.states import GapReason
from rtstream.store import gaps as rows
from rtstream.store import speech_ranges
from rtstream.store.recording_clock import EVERY_RECORDING

LEAST_S = 0.5
"""Shortest part of a range in seconds whose speech is transcribed."""
EDGE_S = 1.0
"""Seconds by which a part may end before the footage and is still continued by live results."""


@dataclass(frozen=True)
class LiveWork:
    """The live work of the index or transcript that a range belongs to.

    Attributes:
        wanted: Whether it should run after the request.
        begins: Unix time of its first live window or audio. None: it does not run, or waits for that.
        gap_start: Start of a gap of the engine that ends with its first live result, if there is one.
    """

    wanted: bool = False
    begins: float | None = None
    gap_start: float | None = None

    @property
    def limit(self) -> float | None:
        """Unix time from which on the range is its own matter, or None."""
        return self.begins if self.begins is not None else self.gap_start

    @property
    def is_joined(self) -> bool:
        """Whether the range ends where its first live result begins, which is not known yet."""
        return self.wanted and self.limit is None


@dataclass(frozen=True)
class MissingParts:
    """The parts of a range that an index or a transcript lacks, oldest first. Times are Unix seconds.

    Attributes:
        ranges: The parts. With ``open_from``, there is one more.
        open_from: Start of a part that ends with the first live result, or None.
        recorded: The recorded ranges.
        windows: Number of windows of a visual index in the parts.
        known: Number of recorded windows that were described before.
    """

    ranges: Sequence[Range]
    open_from: float | None
    recorded: Sequence[Range]
    windows: int = 0
    known: int = 0
    now: float = field(default_factory=time.time)

    @property
    def seconds(self) -> float:
        """Recorded seconds in the parts. The open part ends now."""
        return sum(
            max(0.0, min(end, until) - max(start, begin)) for start, end in self.every for begin, until in self.recorded
        )

    @property
    def every(self) -> list[Range]:
        """All parts. The open one ends now."""
        return [*self.ranges, *([] if self.open_from is None else [(self.open_from, max(self.now, self.open_from))])]

    def samples(self, number: int, length: float) -> list[Range]:
        """Return some short ranges of the parts, evenly spread: the middles of as many equal shares of the time."""
        parts = self.every
        found: list[Range] = []
        for share in range(number):
            at = self.span_s * (share + 0.5) / number
            for start, end in parts:
                if at < end - start:
                    begin = min(max(start, start + at - length / 2), max(start, end - length))
                    found.append((begin, min(end, begin + length)))
                    break
                at -= end - start
        return [one for number, one in enumerate(found) if one not in found[:number]]

    @property
    def span_s(self) -> float:
        """Length of the parts in seconds. The open part ends now."""
        return sum(end - start for start, end in self.every)

    @property
    def count(self) -> int:
        """Number of the parts."""
        return len(self.ranges) + (self.open_from is not None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is missing."""
        return not self.ranges and self.open_from is None


def recorded(conn: Connection, footage: FootageReader, stream_id: str, start: float, end: float) -> list[Range]:
    """Return the recorded ranges in [start, end), whenever the clock was set."""
    return footage.recorded(conn, stream_id, start, end, EVERY_RECORDING) if start < end else []


def missing_pictures(
    conn: Connection,
    footage: FootageReader,
    stream_id: str,
    index_id: str,
    length: float,
    span: tuple[float, float | None],
    live: LiveWork,
) -> MissingParts:
    """Return the parts of a range whose windows a visual index has not described.

    Args:
        conn: The connection.
        footage: Knows the recorded ranges.
        stream_id: The stream.
        index_id: The index, or an empty string for a new one.
        length: Length of its windows in seconds. The range is extended to whole windows.
        span: Start and end of the range. None: now.
        live: The live work of the index.
    """
    start, end = math.floor(span[0] / length) * length, math.ceil(_last(span[1], live) / length) * length
    if live.limit is not None:
        end = min(end, live.limit)
    found = recorded(conn, footage, stream_id, start, end)
    waiting = _waiting(rows.of_index(conn, index_id)) if index_id else []
    described = rows.described_at(conn, index_id, start, end) if index_id else []
    left = subtract(found, waiting)
    numbers = missing_windows(start, end, length, described, left)
    every = missing_windows(start, end, length, (), found)
    ranges, open_from = _joined(runs(numbers, length), found, start, live)
    if open_from is not None:
        open_from = math.floor(open_from / length) * length
    return MissingParts(ranges, open_from, found, len(numbers), max(0, len(every) - len(numbers)))


def missing_speech(
    conn: Connection,
    footage: FootageReader,
    stream_id: str,
    engine: str,
    span: tuple[float, float | None],
    live: LiveWork,
) -> MissingParts:
    """Return the parts of a range whose speech is not in a transcript. Arguments as in ``missing_pictures``."""
    end = _last(span[1], live)
    found = recorded(conn, footage, stream_id, span[0], end)
    heard = speech_ranges.between(conn, stream_id, engine, span[0], end)
    waiting = _waiting(rows.of_transcript(conn, stream_id, engine))
    ranges, open_from = _joined(subtract(found, [*heard, *waiting], LEAST_S), found, span[0], live)
    return MissingParts(ranges, open_from, found)


def missing_summaries(
    conn: Connection,
    footage: FootageReader,
    stream_id: str,
    index_id: str,
    span: tuple[float, float | None],
    live: LiveWork,
) -> MissingParts:
    """Return the parts of a range whose speech an audio index may not have summarised. Arguments as above.

    Which words are missing is only known once they are transcribed.
    """
    end = _last(span[1], live)
    found = recorded(conn, footage, stream_id, span[0], end)
    waiting = _waiting(rows.of_index(conn, index_id)) if index_id else []
    whole = [(found[0][0], found[-1][1])] if found else []
    ranges, open_from = _joined(subtract(whole, waiting, LEAST_S), found, span[0], live)
    return MissingParts(ranges, open_from, found)


def store(
    conn: Connection, parts: MissingParts, backfill_id: str, stream_id: str, index_id: str | None, engine: str = ""
) -> None:
    """Store missing parts as the gaps of a backfill."""
    every = [*parts.ranges, *([] if parts.open_from is None else [(parts.open_from, None)])]
    for start, end in every:
        rows.insert(
            conn,
            stream_id=stream_id,
            index_id=index_id,
            engine=engine,
            start=start,
            end=end,
            reason=GapReason.REQUESTED,
            now=parts.now,
            after_media=EVERY_RECORDING,
            backfill_id=backfill_id,
        )


def _last(end: float | None, live: LiveWork) -> float:
    now = time.time()
    last = now if end is None else min(end, now)
    return last if live.limit is None else min(last, live.limit)


def _waiting(gaps: Sequence[rows.GapRow]) -> list[Range]:
    """Return the ranges that are analysed already, or will be."""
    return [(gap.reached, math.inf if gap.end is None else gap.end) for gap in gaps if not gap.analysed]


def _joined(
    ranges: Sequence[Range], found: Sequence[Range], start: float, live: LiveWork
) -> tuple[list[Range], float | None]:
    """Return the parts of a range, the last of which is open if live results follow it."""
    parts = list(ranges)
    if not live.is_joined:
        return parts, None
    until = found[-1][1] if found else start
    if parts and parts[-1][1] >= until - EDGE_S:
        return parts[:-1], parts[-1][0]
    return parts, until
