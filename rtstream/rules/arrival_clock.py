"""Times the pictures of a source without a clock by their arrival."""

from __future__ import annotations

from dataclasses import dataclass

ADRIFT_S = 0.5
"""A picture that arrived this far from the expected time is at its arrival. Closer ones are moved by a share."""
SHARE = 0.25
LEAST_S = 0.001  # between two pictures
LONGEST_S = 10.0  # a longer pause says nothing about the rate
SMOOTHING = 1 / 16
MOST_REORDERED = 20
"""A larger distance in the order of display means that pictures were lost. Encoders use up to 17."""
TICK_S = 1 / 90_000


@dataclass(slots=True)
class ArrivalClock:
    """Places pictures at the times of their arrival, smoothed because networks and senders deliver several at once.

    Times strictly increase. A time is at most ``ADRIFT_S`` before the arrival of its picture, and after it by no more
    than this and one millisecond per picture that arrived at the same moment.
    """

    interval_s: float = 0.02
    """Average seconds from a picture to the next one."""
    pictures: int = 0
    _arrived: float = 0.0
    _last: float = 0.0

    def place(self, arrival: float) -> float:
        """Return the time of a picture that arrived at ``arrival``, in seconds of the same clock."""
        self.pictures += 1
        if self.pictures == 1:
            self._arrived = self._last = arrival
            return arrival
        step = arrival - self._arrived
        self._arrived = arrival
        if 0 <= step <= LONGEST_S:
            share = max(SMOOTHING, 1 / self.pictures)
            self.interval_s += (step - self.interval_s) * share
        expected = self._last + self.interval_s
        error = arrival - expected
        at = expected + SHARE * error if abs(error) <= ADRIFT_S else arrival
        self._last = max(at, self._last + LEAST_S)
        return self._last


@dataclass(slots=True)
class ShownTimes:
    """Derives presentation times from decode times and the order in which pictures are shown.

    Decode times strictly increase. Presentation times are in the order of display, and none is before its decode time.
    A picture that is shown after later ones of the stream is expected there: those in between are spread over the
    time that they take at the present rate.
    """

    step: int = 1
    """Usual difference of the picture order counts of two pictures in the order of display."""
    _top: float = float("-inf")  # the latest presentation time
    _top_count: int = 0
    _begin: float = 0.0  # decode time of the last picture that was the last to be shown
    _base: float = 0.0  # presentation time of the first of the pictures that are shown up to it
    _base_count: int = 0
    _size: int = 1  # number of these pictures
    _interval_s: float = 0.0  # between two of them
    _between: int = 0  # of them, those that have arrived
    _last: float = float("-inf")
    _reorders: bool = False

    def place(self, at: float, count: int | None, interval_s: float) -> tuple[float, float]:
        """Return the decode and the presentation time of a picture, in seconds.

        Args:
            at: Its time of arrival, which strictly increases.
            count: Its picture order count, which begins again with 0; None if pictures are not reordered.
            interval_s: Seconds from a picture to the next one.
        """
        interval_s = max(interval_s, LEAST_S)
        if count is None:
            self._last, self._top = at, max(at, self._top + LEAST_S / 2)
            return at, self._top
        if count == 0:
            self._top_count = -self.step
        elif count != self._top_count:
            self.step = min(self.step, abs(count - self._top_count))
        if count <= self._top_count:
            return self._place_between(at, count)
        size = round((count - self._top_count) / self.step)
        self._size = size if size <= MOST_REORDERED else 1  # pictures were lost
        self._reorders |= self._size > 1
        self._begin, self._last, self._interval_s = at, at, interval_s
        self._base = max(at + interval_s / 2 * self._reorders, self._top + interval_s / 2)
        self._top = self._base + (self._size - 1) * interval_s
        self._base_count, self._top_count, self._between = self._top_count, count, 0
        return at, self._top

    def _place_between(self, at: float, count: int) -> tuple[float, float]:
        self._between += 1
        latest = self._begin + (self._base - self._begin) * self._between / (self._between + self._size)
        dts = max(min(at, latest), self._last + TICK_S)
        self._last = dts
        before = (count - self._base_count) / self.step - 1
        return dts, max(dts, self._base + before * self._interval_s)
