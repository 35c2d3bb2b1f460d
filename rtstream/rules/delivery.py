"""Decides when a failed webhook delivery is retried and when it is abandoned."""

from __future__ import annotations

from collections.abc import Sequence

DELAYS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
"""Seconds to wait after the first, second, ... failed attempt, about 17 hours in total."""

GONE = 410
"""HTTP status with which a receiver asks for no further deliveries (Standard Webhooks)."""


def next_attempt(
    attempts: int,
    now: float,
    jitter: float,
    retry_after_s: float | None = None,
    delays_s: Sequence[float] = DELAYS_S,
) -> float | None:
    """Return the Unix time of the next attempt after ``attempts`` failed ones, or None to give up.

    Args:
        attempts: Number of failed attempts so far.
        now: Unix seconds.
        jitter: A random number from 0 to 1. Up to a fifth of the delay is added, so that a receiver that comes back is
            not hit by all senders at once.
        retry_after_s: The receiver's Retry-After in seconds, respected up to an hour.
        delays_s: Seconds to wait after each failed attempt.
    """
    if attempts > len(delays_s):
        return None
    delay = delays_s[attempts - 1] * (1 + 0.2 * jitter)
    if retry_after_s is not None:
        delay = max(delay, min(retry_after_s, 3600.0))
    return now + delay
