"""When a webhook that failed is tried again, and when it is given up. Pure."""

from __future__ import annotations

from collections.abc import Sequence

DELAYS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
"""Seconds after the first, second, ... failed attempt; together about 17 hours."""

GONE = 410
"""HTTP status by which a receiver says that it wants no more (Standard Webhooks)."""


def next_attempt(
    attempts: int,
    now: float,
    jitter: float,
    retry_after_s: float | None = None,
    delays_s: Sequence[float] = DELAYS_S,
) -> float | None:
    """Unix time of the next attempt after ``attempts`` failed ones, or None to give up.

    ``jitter`` is a random number from 0 to 1: up to a fifth of the delay is added, so that receivers that come back
    are not hit by all senders at once. A receiver's Retry-After is kept to, up to an hour.
    """
    if attempts > len(delays_s):
        return None
    delay = delays_s[attempts - 1] * (1 + 0.2 * jitter)
    if retry_after_s is not None:
        delay = max(delay, min(retry_after_s, 3600.0))
    return now + delay
