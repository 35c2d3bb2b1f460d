"""Compares the frames that a source sent with those in files and rows."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.footage import Recording
from tests.faults.rig import Injected

MOST_LATE_S = 3.0
"""A recorder dates a frame at most this far from the moment at which it was sent."""


@dataclass(frozen=True)
class Numbering:
    """The numbers that a source sends: frame ``n`` was sent at ``epoch + n / fps`` and shows ``n % cycle``."""

    epoch: float
    fps: float
    cycle: int

    def sent_at(self, number: int) -> float:
        """Return the Unix time at which a frame was sent."""
        return self.epoch + number / self.fps

    def nearest(self, shown: int, at: float) -> int:
        """Return the frame with a barcode that was sent closest to a Unix time."""
        about = round((at - self.epoch) * self.fps)
        return about + (shown - about + self.cycle // 2) % self.cycle - self.cycle // 2


@dataclass
class Placed:
    """A recording whose frames are identified."""

    recording: Recording
    numbers: list[int]
    clock_s: float
    """Difference of its clock to that of the source, in seconds."""

    def sent_at(self, at: float) -> float:
        """Return the Unix time of the computer for a time of the recording."""
        return at - self.clock_s

    def longest_hole_s(self, start: float, end: float) -> float:
        """Return the longest time without a frame in [start, end), in seconds. Times are those of the recording."""
        times = [frame.at for frame in self.recording.frames]
        within = times[bisect_left(times, start) : bisect_left(times, end)]
        return max(after - before for before, after in pairwise([start, *within, end]))


@dataclass
class Footage:
    """All frames of one stream.

    Attributes:
        sent: Number of frames from the first recorded one to the last.
        missing: Frames that no fault explains.
        explained: Number of missing frames by the kind of fault that they cost.
        twice: Frames that are there more than once.
        flaws: Disagreements of files and rows.
        worst_s: Longest explained range in seconds, by kind of fault.
    """

    placed: list[Placed] = field(default_factory=list)
    sent: int = 0
    missing: list[int] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)
    twice: list[int] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)
    worst_s: dict[str, float] = field(default_factory=dict)


def place(recordings: Sequence[Recording], numbering: Numbering, clocks: Iterable[float]) -> list[Placed]:
    """Identify the frames of recordings, which are in the order of their media.

    Args:
        recordings: The recordings of a stream.
        numbering: Numbers of its source.
        clocks: All differences that the clock of the recorder had to that of the source, in seconds.
    """
    known = sorted({0.0, *clocks}, key=abs)
    done: list[Placed] = []
    reached = -1
    for recording in recordings:
        frames = recording.frames
        if not frames:
            continue
        first = _first(frames[0].number, frames[0].at, numbering, known, reached)
        numbers = [first]
        for before, after in pairwise(frames):
            numbers.append(numbers[-1] + _step(before.number, after.number, numbering.cycle))
        done.append(Placed(recording, numbers, frames[0].at - numbering.sent_at(first)))
        reached = max(reached, numbers[-1])
    return done


def _first(shown: int, at: float, numbering: Numbering, clocks: list[float], reached: int) -> int:
    """Return the number of the first frame of a recording, whose clock is one of several."""

    def doubt(clock_s: float) -> tuple[bool, float]:
        number = numbering.nearest(shown, at - clock_s)
        off = abs(numbering.sent_at(number) - (at - clock_s))
        return number <= reached, off if off > MOST_LATE_S else round(off)

    return numbering.nearest(shown, at - min(clocks, key=doubt))


def _step(before: int, after: int, cycle: int) -> int:
    return (after - before + cycle // 2) % cycle - cycle // 2


def compare(
    recordings: Sequence[Recording], stream_id: str, numbering: Numbering, injected: Sequence[Injected]
) -> Footage:
    """Find frames that are missing or there twice, and explain the missing ones by faults."""
    found = Footage(place(recordings, numbering, {one.step_s for one in injected}))
    found.flaws = [flaw for recording in recordings for flaw in recording.flaws()]  # after their frames were read
    counts = Counter(number for one in found.placed for number in one.numbers)
    if not counts:
        found.flaws.append("nothing was recorded")
        return found
    first, last = min(counts), max(counts)
    found.sent = last - first + 1
    found.twice = sorted(number for number, count in counts.items() if count > 1)
    run: Counter[str] = Counter()
    for number in range(first, last + 2):
        if number in counts or number > last:
            for kind, frames in run.items():
                found.worst_s[kind] = max(found.worst_s.get(kind, 0.0), frames / numbering.fps)
            run.clear()
            continue
        kind = _reason(stream_id, numbering.sent_at(number), 1 / numbering.fps, injected)
        if kind:
            found.explained[kind] += 1
            run[kind] += 1
        else:
            found.missing.append(number)
    return found


def _reason(stream_id: str, sent_at: float, length_s: float, injected: Sequence[Injected]) -> str:
    for one in injected:
        if one.covers(stream_id, sent_at, sent_at + length_s):
            return one.fault.kind
    return ""
