"""How many calls to models are left in the last hour and the last day. The caller has the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

HOUR_S = 3600
DAY_S = 86_400
SLOT_S = 60
"""Calls are counted by the minute; a minute counts until all of it is past the window, so a cap is never exceeded."""


@dataclass(frozen=True)
class Refusal:
    """No call now. ``until``: Unix seconds when the next one fits; ``reason``: plain words."""

    until: float
    reason: str


class Budget:
    """Calls per hour and per day (None: no cap). Times are Unix seconds and should not run backwards.

    ``spent``: (minute, calls) pairs of an earlier budget, so that a restart does not give a new allowance.
    """

    def __init__(
        self, per_hour: int | None = None, per_day: int | None = None, spent: Iterable[tuple[int, int]] = ()
    ) -> None:
        self._caps = [(HOUR_S, per_hour, "hour"), (DAY_S, per_day, "day")]
        self._slots: deque[list[int]] = deque(sorted([int(slot), int(calls)] for slot, calls in spent))

    @property
    def spent(self) -> list[tuple[int, int]]:
        """(minute since 1970, calls), oldest first: at most a day's. What to keep over a restart."""
        return [(slot, calls) for slot, calls in self._slots]

    def take(self, now: float) -> Refusal | None:
        """Count one call, or say why there is none left."""
        refusal = self.refusal(now)
        if refusal is None:
            slot = int(now // SLOT_S)
            if self._slots and self._slots[-1][0] >= slot:
                self._slots[-1][1] += 1
            else:
                self._slots.append([slot, 1])
        return refusal

    def refusal(self, now: float) -> Refusal | None:
        """What ``take`` would answer, without taking."""
        while self._slots and _leaves(self._slots[0][0], DAY_S) <= now:
            self._slots.popleft()
        refusals = [
            Refusal(until, f"The cap of {cap} model calls per {unit} is reached. Raise it in the settings, or wait.")
            for window, cap, unit in self._caps
            if cap is not None and (until := self._until(window, cap, now)) is not None
        ]
        return max(refusals, key=lambda refusal: refusal.until, default=None)

    def used(self, now: float) -> dict[str, int]:
        """Calls counted in the last ``hour`` and ``day``."""
        return {unit: sum(calls for _, calls in self._within(window, now)) for window, _, unit in self._caps}

    def _within(self, window: int, now: float) -> list[list[int]]:
        return [slot for slot in self._slots if _leaves(slot[0], window) > now]

    def _until(self, window: int, cap: int, now: float) -> float | None:
        """When enough slots have left the window for one more call; None: now."""
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
    """When all of a minute is further back than the window."""
    return (slot + 1) * SLOT_S + window
