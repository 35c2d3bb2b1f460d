"""Decides when a failed webhook delivery is retried and when it is abandoned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

DELAYS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
"""Seconds to wait after the first, second, ... failed attempt, about 17 hours in total."""

RETRY_AFTER_MAX_S = 3600.0
"""Longest Retry-After that is respected, in seconds."""

GONE = 410
"""HTTP status with which a receiver asks for no further deliveries (Standard Webhooks)."""


_FAILURES = {
    401: "It asks for a user name and password: put the right ones into callback_url (https://user:password@host/path).",
    403: "It refuses access: check the user name, password or token in callback_url.",
    404: "It has nothing at this address: check callback_url.",
    410: "It wants no more webhooks, so this one is not sent again.",
    413: "The body is too large for it: raise its limit.",
    429: "It asks for fewer requests.",
}


def failure(status: int) -> str:
    """Return the error of an attempt to which the receiver responded with this HTTP status, which is not 2xx."""
    advice = _FAILURES.get(status, "")
    if 300 <= status < 400:
        advice = "Redirects are not followed: use the address that it redirects to as callback_url."
    return f"The receiver responded with {status}. {advice}".rstrip()


def retry_after_s(value: str, now: float) -> float | None:
    """Parse the header Retry-After (RFC 9110, section 10.2.3), which is a number of seconds or a date.

    Args:
        value: The value of the header.
        now: Unix seconds.

    Returns:
        Seconds from now, not negative, or None if the value is neither.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        at = parsedate_to_datetime(value)
        # HTTP dates are in UTC, even without a time zone.
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


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
        retry_after_s: The receiver's Retry-After in seconds, respected up to ``RETRY_AFTER_MAX_S``.
        delays_s: Seconds to wait after each failed attempt.
    """
    if attempts > len(delays_s):
        return None
    delay = delays_s[attempts - 1] * (1 + 0.2 * jitter)
    if retry_after_s is not None:
        delay = max(delay, min(retry_after_s, RETRY_AFTER_MAX_S))
    return now + delay


def wait_s(next_at: float, now: float, attempted_at: float | None) -> float:
    """Return the seconds to wait for an attempt, or 0 if it is due.

    Args:
        next_at: Unix time of the attempt.
        now: Unix seconds.
        attempted_at: Unix time of the attempt before it, or None for the first one. If it is in the future, the clock
            was set back since, and the attempt is due. So is a first one.
    """
    return max(0.0, next_at - now) if attempted_at is not None and attempted_at <= now else 0.0
