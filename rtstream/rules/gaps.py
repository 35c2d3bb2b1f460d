"""Decides which windows of an index a gap contains, in which order they are looked at, and when there is time for it.

A gap is a range of Unix time in which windows were not looked at, although the stream was recorded: the engine was
killed or restarted, or it could not keep up. Times are Unix seconds, and windows are numbered as in ``rules.windows``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rtstream.rules.playlist import Range
from rtstream.rules.sample_grid import SLACK_S, grid_cell

MAX_AGE_S = 86400.0
"""Age at which a window is no longer looked at, in seconds."""
MAX_GAPS = 64
"""Number of gaps of an index. The oldest one beyond it is given up."""
JOIN_S = 60.0
"""Gaps with fewer seconds between them become one."""
SETTLED_S = 30.0
"""Seconds after which a closed recording counts as the newest one of its time."""
FINAL_S = 150.0
"""Seconds after which nothing more is added to recorded footage. A segment has at most two minutes."""
SET_BACK_S = 5.0
"""Seconds by which times are in the future, or out of order, from which on the clock was set back."""
UNSEEN_S = 5.0
"""Seconds without anything from a stream after which a part of it may be missing, even within a recording."""
REGULAR = 5
"""Number of consecutive windows with pictures after which a window without them is unusual."""
LIVE_PER_DELAY = 25
"""Live windows of an index for each one that a look into the past may delay: 4 %, which the 95th percentile ignores."""


class Ending(Protocol):
    """Anything with an end on the time line."""

    @property
    def end(self) -> float | None:
        """Unix seconds, or None while it is not known."""
        ...


class Numbered(Ending, Protocol):
    """A gap: one of the engine, or a part of a backfill that a user asked for."""

    @property
    def id(self) -> int:
        """Its number. Later gaps have larger ones."""
        ...

    @property
    def requested(self) -> bool:
        """Whether a user asked for its analysis."""
        ...


G = TypeVar("G", bound=Ending)
N = TypeVar("N", bound=Numbered)


def gap_start(length: float, created_at: float, looked_from: float | None, looked_until: float | None) -> float:
    """Return where the gap of an index begins that was running when its engine ended.

    Args:
        length: Length of its windows in seconds.
        created_at: When the index was created.
        looked_from: When it was last started by request, or the clock was set back, if either was the case.
        looked_until: End of the newest window that it looked at live since then, if there is one.
    """
    begin = grid_cell(created_at if looked_from is None else looked_from, length) * length
    return max(begin, looked_until or 0.0)


def first_whole_window(time: float, length: float, frame_count: int) -> int:
    """Return the number of the first window that has all its frames if the first frame is taken at ``time``."""
    window = grid_cell(time, length)
    complete = grid_cell(time, length / frame_count) <= window * frame_count
    return window if complete else window + 1


def missing_windows(
    start: float, end: float, length: float, looked_at: Iterable[float], recorded: Sequence[Range]
) -> list[int]:
    """Return the numbers of the windows in [start, end) that were recorded and not looked at, oldest first.

    Args:
        start: Start of the gap. A window that begins before it is not a part of the gap.
        end: End of the gap. A window that ends after it is not a part of the gap.
        length: Length of the windows in seconds.
        looked_at: Starts of the windows that were looked at.
        recorded: Recorded ranges, sorted by start.
    """
    first = math.ceil((start - SLACK_S) / length)
    last = math.floor((end + SLACK_S) / length)
    known = {round(at / length) for at in looked_at}
    found: list[int] = []
    for begin, until in recorded:
        number = max(first, grid_cell(begin, length))
        while number < last and number * length < until - SLACK_S:
            if number not in known:
                found.append(number)
            number += 1
        first = max(first, number)
    return found


def newest_first(gaps: Iterable[G]) -> list[G]:
    """Sort gaps whose end is known. The newest one is analysed first."""
    return sorted((gap for gap in gaps if gap.end is not None), key=lambda gap: gap.end or 0.0, reverse=True)


def in_turn(gaps: Iterable[N]) -> list[N]:
    """Sort gaps whose end is known: those of the engine first, the newest before older ones, then those of backfills.

    Backfills are carried out in the order in which they were requested.
    """
    known = [gap for gap in gaps if gap.end is not None]
    own = newest_first(gap for gap in known if not gap.requested)
    return own + sorted((gap for gap in known if gap.requested), key=lambda gap: gap.id)


def subtract(ranges: Iterable[Range], others: Iterable[Range], least_s: float = 0.0) -> list[Range]:
    """Return the parts of ``ranges`` that are in none of ``others`` and longer than ``least_s``, oldest first."""
    taken = sorted(others)
    found: list[Range] = []
    for start, end in sorted(ranges):
        for begin, until in taken:
            if until <= start or begin >= end:
                continue
            if begin - start > least_s:
                found.append((start, begin))
            start = until
        if end - start > least_s:
            found.append((start, end))
    return found


def runs(numbers: Sequence[int], length: float) -> list[Range]:
    """Return the ranges of windows, with fewer than ``JOIN_S`` between the windows of each.

    Args:
        numbers: Numbers of windows, in order.
        length: Length of the windows in seconds.
    """
    found: list[Range] = []
    for number in numbers:
        start, end = number * length, (number + 1) * length
        if found and start - found[-1][1] <= JOIN_S:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def settled_until(now: float, newest: tuple[float, bool] | None, start: float, *, behind: bool = False) -> float:
    """Return the time up to which no more footage of a stream is added.

    Args:
        now: The current time.
        newest: End of the newest recording, and whether it is closed. None if there is no recording.
        start: Start of the footage. In the future, it is complete, because the clock was set back since.
        behind: Whether footage is known that is not in the database yet.
    """
    if behind:
        return -math.inf if newest is None else newest[0]
    if start > now + SET_BACK_S:
        return math.inf
    if newest is None:
        return now - SETTLED_S
    ended_at, closed = newest
    return max(now - SETTLED_S if closed else ended_at, now - FINAL_S)


def has_time(busy: bool, next_due_s: float, expected_s: float, live_windows: int, indexes: int) -> bool:
    """Return whether a model may look at a window of the past now.

    The look should be over before the next live window arrives. If looks take too long for that, one may delay live
    windows from time to time, so rarely that the 95th percentile of their lag stays the same.

    Args:
        busy: Whether a live window is being looked at or waits.
        next_due_s: Seconds until the next live window is expected. It may be infinite.
        expected_s: Expected duration of the look in seconds.
        live_windows: Number of live windows since a look last delayed one.
        indexes: Number of running indexes, whose next windows all may be delayed.
    """
    if busy:
        return False
    return expected_s <= next_due_s or live_windows >= LIVE_PER_DELAY * max(1, indexes)


def joins(start: float, end: float, other: tuple[float, float]) -> bool:
    """Return whether a gap [start, end) and another one are so close that they become one."""
    return start <= other[1] + JOIN_S and other[0] <= end + JOIN_S


def too_many(gaps: Collection[G]) -> list[G]:
    """Return the gaps of an index that are given up, because there are too many. They are the oldest."""
    ended = newest_first(gaps)
    return ended[max(0, MAX_GAPS - (len(gaps) - len(ended))) :]


@dataclass
class Arrivals:
    """Finds the parts of a stream that did not arrive live, although they may be recorded.

    The first pictures of a recording arrive only once its clock is known, and a busy engine does not receive all.
    """

    _until: float | None = None
    _cut: bool = False

    def add(self, start: float, end: float) -> Range | None:
        """Note that [start, end) has arrived. Returns the part before it that has not, if there is one.

        Its end is before its start if the clock was set back in between.
        """
        until, cut = self._until, self._cut
        self._until, self._cut = end, False
        if until is None:
            return None
        missed_s = start - until
        missing = missed_s > (0.0 if cut else UNSEEN_S) or missed_s < -SET_BACK_S
        return (until, start) if missing else None

    def reach(self, until: float) -> None:
        """Note that everything before ``until`` has arrived, unless more than that is missing."""
        if self._until is not None and not self._cut and 0.0 < until - self._until <= UNSEEN_S:
            self._until = until

    def cut(self) -> None:
        """Note that the recording has ended."""
        self._cut = True


@dataclass
class RegularWindows:
    """Finds windows without a picture in a stream that had one in each window before.

    The pictures of a single window may be lost on the way, which is too short for ``Arrivals``.
    """

    _last: int | None = None
    _in_a_row: int = 0

    def add(self, number: int) -> range | None:
        """Note that a picture of window ``number`` has arrived. Returns the windows left out before it, if any."""
        last, self._last = self._last, number
        if number == last:
            return None
        if last is not None and number == last + 1:
            self._in_a_row += 1
            return None
        regular, self._in_a_row = self._in_a_row >= REGULAR, 0
        return range(last + 1, number) if regular and last is not None and last < number else None

    def cut(self) -> None:
        """Note that the recording has ended."""
        self._last, self._in_a_row = None, 0


@dataclass(frozen=True)
class SpeechMoment:
    """A moment of a gap on which alerts about speech are evaluated: speech, or a silence that is long enough."""

    start: float
    end: float
    silence_s: float | None = None
    """Seconds of the silence, or None for speech."""


def speech_moments(
    spoken: float | None, speech: Iterable[Range], start: float, end: float, silent_s: float
) -> list[SpeechMoment]:
    """Return the moments of the gap [start, end), in order.

    A silence counts once it has lasted for ``silent_s``. One that was long enough before the gap was noticed live, and
    one that is long enough only after the gap is.

    Args:
        spoken: End of the last speech before the gap, or None if there was none.
        speech: Start and end of each utterance in the gap.
        start: Start of the gap.
        end: End of the gap.
        silent_s: Seconds of silence after which speech counts as stopped.
    """
    found: list[SpeechMoment] = []

    def quiet_until(at: float) -> None:
        if spoken is not None and at - spoken >= silent_s and start < spoken + silent_s <= end:
            found.append(SpeechMoment(spoken, spoken + silent_s, at - spoken))

    for begin, stop in sorted(speech):
        quiet_until(begin)
        found.append(SpeechMoment(begin, stop))
        spoken = stop if spoken is None else max(spoken, stop)
    quiet_until(end)
    return found
