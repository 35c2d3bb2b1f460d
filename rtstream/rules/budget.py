"""Counts model calls against an hourly and a daily cap. The caller supplies the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

HOUR_S = 3600
DAY_S = 86_400
SLOT_S = 60
"""Calls are counted per minute. A minute counts until it has left the window entirely, so a cap is never exceeded."""


@dataclass(frozen=True)
class Refusal:
    """A refused call.

    ``until`` is the Unix time at which the next call is allowed, and ``reason`` is a sentence for the user.
    """

    until: float
    reason: str


class Budget:
    """A cap on model calls per hour and per day.

    Args:
        per_hour: Calls per hour, or None for no cap.
        per_day: Calls per day, or None for no cap.
        spent: ``(minute, calls)`` pairs from an earlier budget, so that a restart does not reset the allowance.

    Times are Unix seconds and should not run backwards.
    """

    def __init__(
        self, per_hour: int | None = None, per_day: int | None = None, spent: Iterable[tuple[int, int]] = ()
    ) -> None:
        self._caps = [(HOUR_S, per_hour, "hour"), (DAY_S, per_day, "day")]
        self._slots: deque[list[int]] = deque(sorted([int(slot), int(calls)] for slot, calls in spent))

    @property
    def spent(self) -> list[tuple[int, int]]:
        """``(minute since 1970, calls)`` pairs of the last day, oldest first. Store them to survive a restart."""
        return [(slot, calls) for slot, calls in self._slots]

    def take(self, now: float) -> Refusal | None:
        """Count one call, or return the refusal if no call is left."""
        refusal = self.refusal(now)
        if refusal is None:
            slot = int(now // SLOT_S)
            if self._slots and self._slots[-1][0] >= slot:
                self._slots[-1][1] += 1
            else:
                self._slots.append([slot, 1])
        return refusal

    def refusal(self, now: float) -> Refusal | None:
        """Return what ``take`` would return, without counting a call."""
        while self._slots and _leaves(self._slots[0][0], DAY_S) <= now:
            self._slots.popleft()
        refusals = [
            Refusal(until, f"The cap of {cap} model calls per {unit} is reached. Raise it in the settings, or wait.")
            for window, cap, unit in self._caps
            if cap is not None and (until := self._until(window, cap, now)) is not None
        ]
        return max(refusals, key=lambda refusal: refusal.until, default=None)

    def used(self, now: float) -> dict[str, int]:
        """Return the calls counted in the last ``hour`` and ``day``."""
        return {unit: sum(calls for _, calls in self._within(window, now)) for window, _, unit in self._caps}

    def _within(self, window: int, now: float) -> list[list[int]]:
        return [slot for slot in self._slots if _leaves(slot[0], window) > now]

    def _until(self, window: int, cap: int, now: float) -> float | None:
        """Return when enough minutes have left the window for one more call, or None if a call is allowed now."""
        slots = self._within(window, now)
        total = sum(calls for _, calls in slots)
        until = None
        for slot, calls in slots:
            if total < cap:
                break
            total -= calls
            until = _leaves(slot, window)
        return until


def _leaves(slot: int, window: int) -> float:
    """Return the Unix time at which a minute has left the window entirely."""
    return (slot + 1) * SLOT_S + window
