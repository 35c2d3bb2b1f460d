"""A limit on the rate of requests that lets short bursts through (token bucket)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class RequestRate:
    """Requests of one client. They cost points, which come back over time.

    Attributes:
        burst: The most points to spend at once.
        per_s: Points that come back per second.
        spent: Points that have not come back yet.
        at: Monotonic seconds of the last request.
    """

    burst: float
    per_s: float
    spent: float = 0.0
    at: float = 0.0

    def wait_s(self, cost: float, now: float) -> float:
        """Spend ``cost`` points at monotonic time ``now``, if there are enough.

        Returns:
            0, or the seconds until a request may be tried again; then nothing was spent.
        """
        spent = max(0.0, self.spent - (now - self.at) * self.per_s)
        if spent + cost > self.burst:
            return (spent + cost - self.burst) / self.per_s
        self.spent, self.at = spent + cost, now
        return 0.0
