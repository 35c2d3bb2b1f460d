"""The wall-clock time of media that has only a time line of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

PLAUSIBLE_S = 5.0  # between the sender's clock and ours, in addition to the transport delay of the pictures


@dataclass
class WallClock:
    """Derives the Unix time of a time line's start from packet arrival times, and detects when it no longer holds.

    A picture cannot arrive before it was captured, and the fastest packet of the first ``settle_s`` seconds was delayed
    the least. The offset is therefore the arrival time of that packet minus its presentation time. A burst of older
    pictures on connection has larger values and is harmless.

    The sender's own clock (RTCP, RFC 3550 6.4.1; EXT-X-PROGRAM-DATE-TIME, RFC 8216 4.3.2.6) takes precedence if it is
    plausible compared with ours.
    """

    settle_s: float = 2.0
    tolerance_s: float = 1.0
    window_s: float = 10.0
    offset: float | None = None  # Unix seconds at the start of the time line; None until settled
    _first: float | None = None
    _earliest: float = float("inf")  # arrival minus presentation time
    settled: float | None = None  # the offset from arrival and decode times alone
    _smallest: float = float("inf")  # arrival minus decode time, in the current window
    _windows: deque[float] = field(default_factory=lambda: deque(maxlen=2))
    _window_end: float = float("inf")

    def observe(self, arrival: float, at: float, shown_at: float) -> bool:
        """Record the arrival of a packet.

        Args:
            arrival: Unix seconds.
            at: Decode time in seconds on the time line.
            shown_at: Presentation time in seconds on the time line.

        Returns:
            False once the offset has proved wrong, because the source paused or its clock drifts. The caller must then
            restart the time line.
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

    def settle(self, arrival: float) -> None:
        """Settle without a further packet of the leading track, which has stopped. ``arrival``: that of another one."""
        if self.offset is None and arrival >= self._window_end:
            self.offset = self._earliest

    def believe(self, source_time: float, at: float, now: float, oldest_s: float = PLAUSIBLE_S) -> bool:
        """Use the sender's clock if it is plausible.

        Args:
            source_time: Unix time that the sender states for ``at``.
            at: Seconds on the time line.
            now: Our Unix time.
            oldest_s: Largest plausible age in seconds.

        Returns:
            False if the offset is already settled, or ``source_time`` is more than ``oldest_s`` before ``now`` or more
            than ``PLAUSIBLE_S`` after it.
        """
        if self.offset is not None or not -PLAUSIBLE_S <= now - source_time <= oldest_s:
            return False
        self.offset = source_time - at
        return True

    def estimate(self) -> float | None:
        """Return the offset or the best estimate so far, or None before the first packet."""
        if self.offset is not None:
            return self.offset
        return None if self._first is None else self._earliest

    def lag(self, arrival: float, at: float) -> float:
        """Return the seconds by which a packet arrived later than the fastest recent packets."""
        return arrival - at - min((*self._windows, self._smallest))
