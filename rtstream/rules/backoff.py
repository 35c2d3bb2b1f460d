"""Computes how long to wait before the next attempt."""

from __future__ import annotations

FIRST_S = 0.5


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
