"""The clock of a recorder: Unix time that is not affected when the computer's clock is set."""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_S = 0.5
"""A larger difference between two looks at the wall clock and at the monotonic clock is a step."""
LOOK_S = 0.05
"""Interval between looks at the wall clock, because the clock is read for every packet."""


class SteadyClock:
    """Follows the wall clock until it is set. From then on it runs at the old time until ``adopt`` is called.

    The monotonic clock also stands still while a laptop sleeps, so that waking up is a step as well. Corrections that
    are smaller than ``STEP_S``, such as those of NTP, are followed at once.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        self._next_look = float("-inf")
        self.step_s = 0.0
        """Seconds by which the wall clock was set forward (negative: back), or 0."""

    def now(self) -> float:
        """Return Unix seconds."""
        return self.at(self._monotonic())

    def at(self, monotonic: float) -> float:
        """Return the Unix seconds of a moment that is at most a few milliseconds past, by the monotonic clock."""
        if monotonic >= self._next_look:
            self._look()
        return monotonic + self._offset

    def _look(self) -> None:
        monotonic = self._monotonic()
        offset = self._wall() - monotonic
        self._next_look = monotonic + LOOK_S
        step = offset - self._offset
        if -STEP_S < step < STEP_S:
            self._offset, self.step_s = offset, 0.0
        else:
            self.step_s = step

    def adopt(self) -> None:
        """Follow the wall clock again."""
        self._offset, self.step_s = self._wall() - self._monotonic(), 0.0
