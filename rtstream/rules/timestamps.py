"""Repairs the timestamps of a live source for muxing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

LONGEST_STEP_S = 10  # a larger forward step of the leading track is a jump, unless it took about as long to arrive
BACK_STEP_S = 1  # a larger backward step is a jump, a smaller one a late packet
REPAIRABLE_S = 0.1  # a decode time at most this late is moved just after the previous one; a later packet is dropped
LONGEST_REORDER_S = 5  # presentation time minus decode time
STALE_S = 1.0
LARGEST_SKEW_S = 10  # between a track and the leading one; a track that is farther away has another clock
FIRST_SKEW_S = 3  # the same for the first packet of a track
LONGEST_RUN_S = 10_000_000
ALIGNED_AFTER_S = 2  # of media during which the distance stays the same; then, the track is aligned
STEADY_SKEW_S = 1


class PacketVerdict(Enum):
    """The action to take for a packet that was not placed on the time line."""

    DROP = "drop"
    EARLY = "early"  # drop it because the leading track has not begun
    HOLD = "hold"  # set it aside until the next packet of the track shows whether this is a stray timestamp or a jump
    JUMP = "jump"  # the time line broke; restart, then place the held packet and this one


class Placed(NamedTuple):
    """Repaired times of a packet, in ticks of its track's output rate since the start of the time line."""

    dts: int
    pts: int


@dataclass(slots=True)
class Track:
    """The state of one elementary stream.

    ``time_base`` is in seconds per input tick, and ``rate`` in output ticks per second.
    """

    time_base: Fraction
    rate: int
    base: int = 0  # output ticks at the start of the time line
    wrapped: int = 0  # input ticks added to undo counter wraps
    last: int | None = None
    suspect: int | None = None
    shift: int = 0  # output ticks by which the track was aligned to the leading one
    stray: tuple[int, int] | None = None  # time and distance of the first packet in a row that is far away
    wrap: int = field(init=False)
    _scale: int = field(init=False)
    _den: int = field(init=False)
    _same: bool = field(init=False)  # input and output ticks are of the same length

    def __post_init__(self) -> None:
        self._scale, self._den = 2 * self.time_base.numerator * self.rate, self.time_base.denominator
        self._same = self._scale == 2 * self._den
        # Input ticks after which the counter wraps: 33 bits at 90 kHz (MPEG-TS), 32 bits of milliseconds (RTMP).
        self.wrap = {90000: 1 << 33, 1000: 1 << 32}.get(self._den, 0)

    @property
    def output(self) -> tuple[int, Fraction | None, float]:
        """The output ticks per second, the time base for the packets, and the output ticks per input tick.

        The time base is None if the packets have it already.
        """
        base = Fraction(1, self.rate)
        return self.rate, base if self.time_base != base else None, float(self.time_base / base)

    def followed(self, dts: int, pts: int, leader: Track) -> Placed | None:
        """Place a packet that shortly follows the previous one of the track, as nearly all do.

        Args:
            dts: Decode time in input ticks.
            pts: Presentation time in input ticks.
            leader: The leading track.

        Returns:
            The times in output ticks, or None for a packet that has to be examined.
        """
        last = self.last
        if last is None or pts < dts or leader.last is None:
            return None
        rate, wrapped, base = self.rate, self.wrapped, self.base
        if self._same:
            at, shown = dts + wrapped - base, pts + wrapped - base
        else:
            scale, den = self._scale, self._den
            at = ((dts + wrapped) * scale + den) // (2 * den) - base
            shown = at if pts == dts else ((pts + wrapped) * scale + den) // (2 * den) - base
        if not (last < at <= last + rate and shown - at <= LONGEST_REORDER_S * rate):
            return None
        if self is leader:
            if at > LONGEST_RUN_S * rate:
                return None
            self.suspect = None
        elif leader.last * rate // leader.rate - at > LARGEST_SKEW_S * rate:
            return None
        else:
            self.stray = None
        self.last = at
        return Placed(at, shown)

    def ticks(self, stamp: int) -> int:
        """Return ``stamp`` in output ticks, rounded."""
        return stamp if self._same else (stamp * self._scale + self._den) // (2 * self._den)


@dataclass(slots=True)
class Timeline:
    """Places packets of several tracks on one time line, which begins at 0 with the first packet of the leading track.

    The placed packets are safe to mux. The decode times of a track strictly increase, those of the leading track by at
    most 10 s per step, and presentation follows decoding by 0 to 5 s. Counter wraps are undone. A track whose times are
    far from those of the leading one (3 s at its beginning, 10 s later), by the same distance for two seconds, is
    aligned to it by arrival.
    """

    # Integers only, because this runs for every packet of every stream.
    tracks: dict[int, Track]
    lead: int
    begun: bool = False
    aligned: tuple[int, float] | None = None
    """The track that was aligned last, and the distance in seconds."""

    def restart(self) -> None:
        """Reset the time line. The next packet of the leading track is at 0."""
        self.begun = False
        for track in self.tracks.values():
            track.wrapped, track.last, track.suspect, track.stray = 0, None, None, None

    def replace(self, index: int, track: Track) -> None:
        """Replace a track, whose ticks have another length from now on. The time line continues."""
        leader = self.tracks[self.lead]
        before = self.tracks[index]
        track.shift = before.shift * track.rate // before.rate
        track.base = round(Fraction(leader.base - leader.shift, leader.rate) * track.rate) + track.shift
        track.wrapped = before.wrapped
        if before.last is not None:
            track.last = before.last * track.rate // before.rate
        self.tracks[index] = track

    def place(self, index: int, dts: int | None, pts: int | None, waited_s: float = 0.0) -> Placed | PacketVerdict:
        """Place a packet on the time line.

        Args:
            index: The track of the packet.
            dts: Decode time in input ticks, or None if unknown.
            pts: Presentation time in input ticks, or None if unknown.
            waited_s: Seconds that passed since the previous packet of the leading track arrived.

        Returns:
            The repaired times, or the action to take for a packet that cannot be placed.
        """
        if dts is None:
            return PacketVerdict.DROP
        track = self.tracks[index]
        leader = self.tracks[self.lead]
        if (placed := track.followed(dts, dts if pts is None else pts, leader)) is not None:
            return placed
        if track is leader:
            return self._place_lead(track, dts, pts, waited_s)
        if not self.begun or leader.last is None:
            return PacketVerdict.EARLY
        # While the picture stands still, the other track continues by itself.
        expected = max(leader.last * track.rate // leader.rate, track.last or 0)
        at = self._unwrapped(track, dts, expected)
        if abs(at - expected) > (FIRST_SKEW_S if track.last is None else LARGEST_SKEW_S) * track.rate:
            if not self._align(index, track, at, at - expected):
                return PacketVerdict.DROP
            at = expected
        elif at < 0:
            track.stray = None
            return PacketVerdict.EARLY
        track.stray = None
        return self._settle(track, dts, pts, at)

    def _align(self, index: int, track: Track, at: int, skew: int) -> bool:
        """Align a track that is far from the leading one, by ``skew``, if it has been so for long enough.

        Returns:
            Whether it is aligned now.
        """
        rate = track.rate
        if track.stray is None or abs(skew - track.stray[1]) > STEADY_SKEW_S * rate:
            track.stray = at, skew
        if at - track.stray[0] < ALIGNED_AFTER_S * rate:
            return False
        self.aligned, track.stray = (index, (track.shift + skew) / rate), None
        track.base += skew
        track.shift += skew
        return True

    def _place_lead(self, track: Track, dts: int, pts: int | None, waited_s: float) -> Placed | PacketVerdict:
        if not self.begun:
            self.begun = True
            origin = dts * track.time_base
            for each in self.tracks.values():
                each.base = round(origin * each.rate) + (each.shift if each is not track else 0)
        last = 0 if track.last is None else track.last
        at = self._unwrapped(track, dts, last)
        rate = track.rate
        step = at - last
        far = step > LONGEST_STEP_S * rate and step > (LONGEST_STEP_S + 2 * waited_s) * rate
        if far or step < -BACK_STEP_S * rate or at > LONGEST_RUN_S * rate:
            if track.suspect is not None and abs(at - track.suspect) <= BACK_STEP_S * rate:
                return PacketVerdict.JUMP
            track.suspect = at
            return PacketVerdict.HOLD
        track.suspect = None
        return self._settle(track, dts, pts, at)

    @staticmethod
    def _unwrapped(track: Track, dts: int, expected: int) -> int:
        """Return ``dts`` in output ticks on the time line. Undo a counter wrap if that brings it near ``expected``."""
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
        """Apply the last repairs to a packet whose unwrapped ``dts`` is at ``at`` output ticks."""
        if track.last is not None and at <= track.last:
            if track.last - at > REPAIRABLE_S * track.rate:
                return PacketVerdict.DROP
            at = track.last + 1
        track.last = at
        if pts is None:
            return Placed(at, at)
        if track.wrap and pts - dts < -(track.wrap // 2):
            pts += track.wrap  # a reordered picture, presented after the wrap and decoded before it
        shown = max(at, track.ticks(pts + track.wrapped) - track.base)
        return Placed(at, shown if shown - at <= LONGEST_REORDER_S * track.rate else at)


def is_stale(dts: int | None, pts: int | None, base: Fraction | None) -> bool:
    """Return whether a decode time is from before a pause, as libavformat computes it for reordered pictures."""
    return dts is not None and pts is not None and base is not None and float((pts - dts) * base) > STALE_S


def backdate(pts: list[int | None], first_dts: int, step: int) -> list[tuple[int, int]]:
    """Return decode and presentation times for the packets before the first one that has a decode time.

    RTSP carries no decode times. libavformat computes them once it knows how pictures are reordered, and the first
    keyframe with reordered pictures arrives without any time.

    Args:
        pts: Presentation time of each packet, or None if unknown, in ticks.
        first_dts: Decode time of the first packet that has one, in ticks.
        step: Ticks per picture.
    """
    known = [stamp for stamp in pts if stamp is not None]
    # The first packet is presented first, one step before the earliest of the others.
    missing = min(known) - step if known else first_dts - len(pts) * step
    times = []
    for index, stamp in enumerate(pts):
        dts = first_dts - (len(pts) - index) * step
        times.append((dts, missing if stamp is None else stamp))
    return times
