"""Times the pictures of a source without a clock by their arrival."""

from __future__ import annotations

from dataclasses import dataclass

ADRIFT_S = 0.5
"""A picture that arrived this far from the expected time is at its arrival. Closer ones are moved by a share."""
SHARE = 0.25
LEAST_S = 0.001  # between two pictures
LONGEST_S = 10.0  # a longer pause says nothing about the rate
SMOOTHING = 1 / 16


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
