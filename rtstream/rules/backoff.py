"""How long to wait before the next attempt."""

from __future__ import annotations

FIRST_S = 0.5


def delay(attempt: int, longest_s: float, luck: float) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (counted from 1).

    Doubles from half a second up to ``longest_s``; ``luck`` in [0, 1] spreads the wait over its upper half, so that
    many streams of one server do not come back in the same moment.
    """
    doubled = FIRST_S * 2.0 ** min(max(attempt, 1) - 1, 32)
    return min(longest_s, doubled) * (0.5 + 0.5 * luck)
