"""Timestamps of a live source: repaired so that a muxer can trust them, and anchored to the wall clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

LONGEST_STEP_S = 10  # a larger forward step of the leading track is a jump
BACK_STEP_S = 1  # so is a larger backward one; smaller ones are late packets
REPAIRABLE_S = 0.1  # a decode time at most this late is moved just behind the last one, a later packet dropped
LONGEST_REORDER_S = 5  # presentation minus decode time
LARGEST_SKEW_S = 10  # between a track and the leading one
FIRST_SKEW_S = 3  # the same for the first packet of a track
LONGEST_RUN_S = 10_000_000


class Verdict(Enum):
    """What to do with a packet that got no place on the time line."""

    DROP = "drop"
    EARLY = "early"  # drop it too: the leading track has not begun
    HOLD = "hold"  # keep it aside: the next packet of the track tells a single wild timestamp from a jump
    JUMP = "jump"  # the time line broke: restart, then place the held packet and this one


@dataclass(frozen=True)
class Placed:
    """Repaired times of a packet, in ticks of its track's output rate since the start of the time line."""

    dts: int
    pts: int


@dataclass
class Track:
    """One elementary stream. ``time_base``: seconds per input tick. ``rate``: output ticks per second."""

    time_base: Fraction
    rate: int
    wrapped: int = 0  # input ticks added because the counter wrapped
    last_input: int | None = None
    last: int | None = None
    suspect: int | None = None

    @property
    def wrap(self) -> int:
        """Input ticks after which the counter starts over: 33 bits at 90 kHz (MPEG-TS), 32 of ms (RTMP), else 0."""
        return {90000: 1 << 33, 1000: 1 << 32}.get(self.time_base.denominator, 0)

    def ticks(self, stamp: int) -> int:
        """``stamp`` in output ticks, rounded."""
        scaled, den = stamp * self.time_base.numerator * self.rate, self.time_base.denominator
        return (2 * scaled + den) // (2 * den)


@dataclass
class Timeline:
    """Places packets of several tracks on one time line that begins at 0 with the first packet of the leading track.

    What it lets through is safe for a muxer: decode times of a track strictly grow, those of the leading track by at
    most 10 s at a step, presentation is 0 to 5 s after decoding. Counter wraps are undone.
    """

    tracks: dict[int, Track]
    lead: int
    origin: Fraction | None = field(default=None, init=False)

    def restart(self) -> None:
        """Forget the past: the next packet of the leading track is at 0."""
        self.origin = None
        for track in self.tracks.values():
            track.wrapped, track.last_input, track.last, track.suspect = 0, None, None, None

    def place(self, index: int, dts: int | None, pts: int | None) -> Placed | Verdict:
        """The place of a packet of track ``index`` with these input timestamps, or what to do with it."""
        track = self.tracks[index]
        if dts is None:
            return Verdict.DROP
        if index == self.lead:
            return self._place_lead(track, dts, pts)
        leader = self.tracks[self.lead]
        if self.origin is None or leader.last is None:
            return Verdict.EARLY
        reference = Fraction(leader.last, leader.rate) + self.origin
        dts += self._unwrap(track, dts, round(reference / track.time_base))
        at = track.ticks(dts) - round(self.origin * track.rate)
        allowed = FIRST_SKEW_S if track.last is None else LARGEST_SKEW_S
        if at < 0:
            return Verdict.EARLY
        if abs(at / track.rate - leader.last / leader.rate) > allowed:
            return Verdict.DROP
        return self._settle(track, dts, pts, at)

    def _place_lead(self, track: Track, dts: int, pts: int | None) -> Placed | Verdict:
        if track.last_input is not None:
            dts += self._unwrap(track, dts, track.last_input)
        if self.origin is None:
            self.origin = dts * track.time_base
        at = track.ticks(dts) - round(self.origin * track.rate)
        step = 0.0 if track.last is None else (at - track.last) / track.rate
        if step > LONGEST_STEP_S or step < -BACK_STEP_S or at > LONGEST_RUN_S * track.rate:
            if track.suspect is not None and abs(at - track.suspect) <= BACK_STEP_S * track.rate:
                return Verdict.JUMP
            track.suspect = at
            return Verdict.HOLD
        track.suspect = None
        return self._settle(track, dts, pts, at)

    def _unwrap(self, track: Track, dts: int, reference: int) -> int:
        """Input ticks to add to ``dts`` so that it continues ``reference``; remembers a wrap."""
        wrap, near = track.wrap, LARGEST_SKEW_S / track.time_base
        if wrap:
            for turn in (-wrap, wrap):
                if abs(dts + track.wrapped + turn - reference) < near:
                    track.wrapped += turn
                    break
        return track.wrapped

    def _settle(self, track: Track, dts: int, pts: int | None, at: int) -> Placed | Verdict:
        """The last repairs, of a packet whose unwrapped ``dts`` is at ``at`` output ticks."""
        if track.last is not None and at <= track.last:
            if track.last - at > REPAIRABLE_S * track.rate:
                return Verdict.DROP
            at = track.last + 1
        track.last, track.last_input = at, dts
        if pts is None or self.origin is None:
            return Placed(at, at)
        pts += track.wrapped
        if track.wrap and pts - dts < -(track.wrap // 2):
            pts += track.wrap
        shown = max(at, track.ticks(pts) - round(self.origin * track.rate))
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
    The sender's own clock (RTCP, RFC 3550 6.4.1) is believed instead when it is within a few seconds of ours.
    """

    settle_s: float = 2.0
    tolerance_s: float = 1.0
    window_s: float = 10.0
    offset: float | None = None  # Unix seconds of the time line's 0; None until settled
    _first: float | None = None
    _earliest: float = float("inf")  # arrival minus presentation
    _settled: float = 0.0
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
            self._settled = smallest
            if self.offset is None:
                self.offset = self._earliest
        self._windows.append(smallest)
        return abs(smallest - self._settled) <= self.tolerance_s

    def believe(self, source_time: float, at: float, now: float, plausible_s: float = 5.0) -> bool:
        """The sender says ``at`` was at Unix time ``source_time``: ignored once settled, or when far from ``now``."""
        if self.offset is not None or abs(source_time - now) > plausible_s:
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
