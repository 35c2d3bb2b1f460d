"""Timestamps of a live source: repaired so that a muxer can trust them, and anchored to the wall clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

LONGEST_STEP_S = 10  # a larger forward step of the leading track is a jump
BACK_STEP_S = 1  # so is a larger backward one; smaller ones are late packets
REPAIRABLE_S = 0.1  # a decode time at most this late is moved just behind the last one, a later packet dropped
LONGEST_REORDER_S = 5  # presentation minus decode time
LARGEST_SKEW_S = 10  # between a track and the leading one
FIRST_SKEW_S = 3  # the same for the first packet of a track
LONGEST_RUN_S = 10_000_000
PLAUSIBLE_S = 5.0  # between the sender's clock and ours, beside what it takes pictures to arrive


class PacketVerdict(Enum):
    """What to do with a packet that got no place on the time line."""

    DROP = "drop"
    EARLY = "early"  # drop it too: the leading track has not begun
    HOLD = "hold"  # keep it aside: the next packet of the track tells a single wild timestamp from a jump
    JUMP = "jump"  # the time line broke: restart, then place the held packet and this one


class Placed(NamedTuple):
    """Repaired times of a packet, in ticks of its track's output rate since the start of the time line."""

    dts: int
    pts: int


@dataclass(slots=True)
class Track:
    """One elementary stream. ``time_base``: seconds per input tick. ``rate``: output ticks per second."""

    time_base: Fraction
    rate: int
    base: int = 0  # output ticks of the time line's 0
    wrapped: int = 0  # input ticks added because the counter wrapped
    last: int | None = None
    suspect: int | None = None
    wrap: int = field(init=False)
    _scale: int = field(init=False)
    _den: int = field(init=False)

    def __post_init__(self) -> None:
        self._scale, self._den = 2 * self.time_base.numerator * self.rate, self.time_base.denominator
        # Input ticks after which the counter starts over: 33 bits at 90 kHz (MPEG-TS), 32 bits of milliseconds (RTMP).
        self.wrap = {90000: 1 << 33, 1000: 1 << 32}.get(self._den, 0)

    def ticks(self, stamp: int) -> int:
        """``stamp`` in output ticks, rounded."""
        return (stamp * self._scale + self._den) // (2 * self._den)


@dataclass(slots=True)
class Timeline:
    """Places packets of several tracks on one time line that begins at 0 with the first packet of the leading track.

    What it lets through is safe for a muxer: decode times of a track strictly grow, those of the leading track by at
    most 10 s at a step, presentation is 0 to 5 s after decoding. Counter wraps are undone.
    """

    # Integers throughout: this runs for every packet of every stream.
    tracks: dict[int, Track]
    lead: int
    begun: bool = False

    def restart(self) -> None:
        """Forget the past: the next packet of the leading track is at 0."""
        self.begun = False
        for track in self.tracks.values():
            track.wrapped, track.last, track.suspect = 0, None, None

    def place(self, index: int, dts: int | None, pts: int | None) -> Placed | PacketVerdict:
        """The place of a packet of track ``index`` with these input timestamps, or what to do with it."""
        if dts is None:
            return PacketVerdict.DROP
        track = self.tracks[index]
        if index == self.lead:
            return self._place_lead(track, dts, pts)
        leader = self.tracks[self.lead]
        if not self.begun or leader.last is None:
            return PacketVerdict.EARLY
        expected = leader.last * track.rate // leader.rate
        at = self._unwrapped(track, dts, expected)
        if at < 0:
            return PacketVerdict.EARLY
        if abs(at - expected) > (FIRST_SKEW_S if track.last is None else LARGEST_SKEW_S) * track.rate:
            return PacketVerdict.DROP
        return self._settle(track, dts, pts, at)

    def _place_lead(self, track: Track, dts: int, pts: int | None) -> Placed | PacketVerdict:
        if not self.begun:
            self.begun = True
            origin = dts * track.time_base
            for each in self.tracks.values():
                each.base = round(origin * each.rate)
        last = 0 if track.last is None else track.last
        at = self._unwrapped(track, dts, last)
        rate = track.rate
        if at - last > LONGEST_STEP_S * rate or at - last < -BACK_STEP_S * rate or at > LONGEST_RUN_S * rate:
            if track.suspect is not None and abs(at - track.suspect) <= BACK_STEP_S * rate:
                return PacketVerdict.JUMP
            track.suspect = at
            return PacketVerdict.HOLD
        track.suspect = None
        return self._settle(track, dts, pts, at)

    @staticmethod
    def _unwrapped(track: Track, dts: int, expected: int) -> int:
        """Output ticks of ``dts`` on the time line, which should be near ``expected``; notices a wrap."""
        at, near = track.ticks(dts + track.wrapped) - track.base, LARGEST_SKEW_S * track.rate
        if track.wrap and abs(at - expected) > near:
            for turn in (track.wrap, -track.wrap):
                turned = track.ticks(dts + track.wrapped + turn) - track.base
                if abs(turned - expected) < near:
                    track.wrapped += turn
                    return turned
        return at

    @staticmethod
    def _settle(track: Track, dts: int, pts: int | None, at: int) -> Placed | PacketVerdict:
        """The last repairs, of a packet whose unwrapped ``dts`` is at ``at`` output ticks."""
        if track.last is not None and at <= track.last:
            if track.last - at > REPAIRABLE_S * track.rate:
                return PacketVerdict.DROP
            at = track.last + 1
        track.last = at
        if pts is None:
            return Placed(at, at)
        if track.wrap and pts - dts < -(track.wrap // 2):
            pts += track.wrap  # a reordered picture shown after the wrap and decoded before it
        shown = max(at, track.ticks(pts + track.wrapped) - track.base)
        return Placed(at, shown if shown - at <= LONGEST_REORDER_S * track.rate else at)


def backdate(pts: list[int | None], first_dts: int, step: int) -> list[tuple[int, int]]:
    """Decode and presentation times for the packets before the first one that has a decode time.

    RTSP carries none: libavformat knows them only after it has seen how pictures are reordered, and the first keyframe
    with reordered pictures comes without any time. ``pts``: what these packets say, ``step``: ticks per picture.
    """
    known = [stamp for stamp in pts if stamp is not None]
    # The first packet is the first picture shown, one step before the earliest of the others.
    missing = min(known) - step if known else first_dts - len(pts) * step
    times = []
    for index, stamp in enumerate(pts):
        dts = first_dts - (len(pts) - index) * step
        times.append((dts, missing if stamp is None else stamp))
    return times


@dataclass
class WallClock:
    """Finds the Unix time of a time line's start from when its packets arrived, and notices when it no longer holds.

    A picture cannot arrive before it happened, and the quickest of the first ``settle_s`` seconds was delayed least:
    its arrival minus its presentation time is the offset. A burst of older pictures at connecting gives larger ones.
    The sender's own clock (RTCP, RFC 3550 6.4.1; EXT-X-PROGRAM-DATE-TIME, RFC 8216 4.3.2.6) is believed instead when it
    is plausible beside ours.
    """

    settle_s: float = 2.0
    tolerance_s: float = 1.0
    window_s: float = 10.0
    offset: float | None = None  # Unix seconds of the time line's 0; None until settled
    _first: float | None = None
    _earliest: float = float("inf")  # arrival minus presentation
    settled: float | None = None  # the same from arrival alone, and from decode times
    _smallest: float = float("inf")  # arrival minus decoding, in the window that runs
    _windows: deque[float] = field(default_factory=lambda: deque(maxlen=2))
    _window_end: float = float("inf")

    def observe(self, arrival: float, at: float, shown_at: float) -> bool:
        """A packet to be decoded at ``at`` and shown at ``shown_at`` (seconds on the time line) arrived (Unix seconds).

        Returns False once the offset has proved wrong (the source paused, or its clock drifts): start anew.
        """
        delay = arrival - at
        if self._first is None:
            self._first, self._window_end = arrival, arrival + self.settle_s
        self._smallest = min(self._smallest, delay)
        if not self._windows:
            self._earliest = min(self._earliest, arrival - shown_at)
        if arrival < self._window_end:
            return True
        smallest, self._smallest, self._window_end = self._smallest, delay, arrival + self.window_s
        if not self._windows:
            self.settled = smallest
            if self.offset is None:
                self.offset = self._earliest
        self._windows.append(smallest)
        assert self.settled is not None
        return abs(smallest - self.settled) <= self.tolerance_s

    def believe(self, source_time: float, at: float, now: float, oldest_s: float = PLAUSIBLE_S) -> bool:
        """The sender says ``at`` was at Unix time ``source_time``; gives whether that is taken for true.

        Ignored once settled, or when more than ``oldest_s`` before ``now`` or more than a few seconds after it.
        """
        if self.offset is not None or not -PLAUSIBLE_S <= now - source_time <= oldest_s:
            return False
        self.offset = source_time - at
        return True

    def estimate(self) -> float | None:
        """The offset, or the best guess so far; None before the first packet."""
        if self.offset is not None:
            return self.offset
        return None if self._first is None else self._earliest

    def lag(self, arrival: float, at: float) -> float:
        """Seconds by which a packet came later than the quickest ones of late."""
        return arrival - at - min((*self._windows, self._smallest))
