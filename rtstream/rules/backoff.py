"""Computes how long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

FIRST_S = 0.5
STEADY_S = 5.0
"""A connection that lasts this long resets the back-off."""
BRIEF_S = 1.0
"""The longest wait at the beginning of an interruption, after which a source is often back."""
SHARE = 0.25
"""The longest wait later, as a share of the duration of the interruption so far."""


def delay(attempt: int, longest_s: float, luck: float) -> float:
    """Return the seconds to wait after failed attempt number ``attempt``, counted from 1.

    The wait doubles from half a second up to ``longest_s``. Random jitter spreads it over its upper half, so that the
    many streams of one server do not reconnect at the same moment.

    Args:
        attempt: Number of failed attempts so far.
        longest_s: Upper bound in seconds.
        luck: A random number from 0 to 1.
    """
    doubled = FIRST_S * 2.0 ** min(max(attempt, 1) - 1, 32)
    return min(longest_s, doubled) * (0.5 + 0.5 * luck)


class ReconnectBackoff:
    """Waits between the connections to a source. Times are monotonic seconds.

    An interruption costs little more time than it lasts, because the wait is at most a second at first, and at most a
    quarter of the interruption later.

    Args:
        now: The time of the first attempt.
    """

    def __init__(self, now: float) -> None:
        self.attempts = 0
        """Failed attempts since the last connection that lasted."""
        self._opened_at: float | None = None
        self._lost_at = now

    def opened(self, now: float) -> None:
        """Note that media is read. Further calls for the same connection do nothing."""
        if self._opened_at is None:
            self._opened_at = now

    def failed(self, now: float, longest_s: float, luck: float) -> float:
        """Return the seconds to wait after a connection failed or ended.

        Args:
            now: The present time.
            longest_s: Upper bound in seconds.
            luck: A random number from 0 to 1.
        """
        opened_at, self._opened_at = self._opened_at, None
        self.attempts += 1
        if opened_at is not None:
            self._lost_at = now
            if now - opened_at >= STEADY_S:
                self.attempts = 1
        return delay(self.attempts, min(longest_s, max(BRIEF_S, SHARE * (now - self._lost_at))), luck)


Key = TypeVar("Key", bound=Hashable)


class RetryBackoff(Generic[Key]):
    """Waits between the attempts at several pieces of work, for each on its own. Times are monotonic seconds.

    Args:
        first_s: The longest wait after the first failure, which doubles with each further one.
        longest_s: The longest wait.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._scale = first_s / FIRST_S
        self._longest_s = longest_s
        self._failed: dict[Key, tuple[int, float]] = {}  # number of failures, and the time of the next attempt

    def failed(self, key: Key, now: float, luck: float) -> None:
        """Note a failure at the time ``now``. ``luck`` is a random number from 0 to 1."""
        attempts = self.attempts(key) + 1
        wait = self._scale * delay(attempts, self._longest_s / self._scale, luck)
        self._failed[key] = attempts, now + wait

    def forget(self, key: Key) -> None:
        """Forget the failures of a piece of work."""
        self._failed.pop(key, None)

    def keep(self, keys: Collection[Key]) -> None:
        """Forget the failures of all other work."""
        self._failed = {key: failed for key, failed in self._failed.items() if key in keys}

    def attempts(self, key: Key) -> int:
        """Return the number of consecutive failures."""
        return self._failed.get(key, (0, 0.0))[0]

    def due(self, key: Key, now: float) -> bool:
        """Return whether it is time for an attempt."""
        return key not in self._failed or now >= self._failed[key][1]

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next attempt, or None if nothing has failed."""
        return max(0.0, min(at for _, at in self._failed.values()) - now) if self._failed else None
