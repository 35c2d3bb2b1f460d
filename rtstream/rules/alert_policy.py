"""When a match becomes an alert: hits in a row, confidence, once per episode, cooldown, quiet hours. Pure.

An *episode* is a row of matching scenes. "Invoice 4711 is on the screen" for an hour is one episode, hence one alert
(unless ``dedupe`` is off). What is held back by cooldown or quiet hours fires later if the episode still goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Reason = Literal["", "confidence", "consecutive", "dedupe", "cooldown", "quiet_hours", "disabled"]

IN_WORDS: dict[Reason, str] = {
    "": "",
    "confidence": "the confidence is below the alert's min_confidence",
    "consecutive": "not enough matching scenes in a row yet",
    "dedupe": "this episode has already been reported",
    "cooldown": "the alert fired a moment ago (cooldown_s)",
    "quiet_hours": "it is within the alert's quiet hours",
    "disabled": "the alert is disabled",
}


@dataclass(frozen=True)
class QuietHours:
    """From ``start`` to ``end`` by the clock of ``timezone``; over midnight when ``end`` is not after ``start``."""

    start: time
    end: time
    timezone: str = "UTC"

    def covers(self, at: float) -> bool:
        """Whether Unix time ``at`` is within."""
        clock = datetime.fromtimestamp(at, ZoneInfo(self.timezone)).time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True)
class PolicyOptions:
    """How one alert behaves."""

    cooldown_s: float = 0.0
    consecutive: int = 1
    min_confidence: float = 0.0
    dedupe: bool = True
    quiet: tuple[QuietHours, ...] = ()


@dataclass(frozen=True)
class State:
    """Where an alert stands; survives restarts as plain JSON (``as_json``, ``from_json``)."""

    hits: int = 0
    """Matching scenes in a row, up to now."""
    reported: bool = False
    """This episode was reported."""
    fired_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"hits": self.hits, "reported": self.reported, "fired_at": self.fired_at}

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> State:
        """The state of ``as_json``; a fresh one for nothing."""
        stored = stored or {}
        return cls(int(stored.get("hits", 0)), bool(stored.get("reported", False)), stored.get("fired_at"))


def step(
    options: PolicyOptions, state: State, confidence: float | None, at: float, enabled: bool = True
) -> tuple[State, bool, Reason]:
    """One judged scene: (state after it, fires, why a match did not fire).

    ``confidence`` is the match's, None for no match; ``at`` is the scene's end in Unix seconds.
    A match below ``min_confidence`` counts as no match.
    """
    if confidence is None or confidence < options.min_confidence:
        after = replace(state, hits=0, reported=False)
        return after, False, "" if confidence is None else "confidence"
    after = replace(state, hits=state.hits + 1)
    reason: Reason = ""
    if not enabled:
        reason = "disabled"
    elif after.hits < options.consecutive:
        reason = "consecutive"
    elif options.dedupe and state.reported:
        reason = "dedupe"
    elif state.fired_at is not None and at - state.fired_at < options.cooldown_s:
        reason = "cooldown"
    elif any(hours.covers(at) for hours in options.quiet):
        reason = "quiet_hours"
    if reason:
        return after, False, reason
    return replace(after, reported=True, fired_at=at), True, ""


def options(given: dict[str, Any]) -> PolicyOptions:
    """Options from their API form. Raises ValueError with one sentence.

    ``quiet_hours``: list of ``{"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}``.
    """
    cooldown = _number(given, "cooldown_s", 0.0, 0.0, 30 * 86400.0)
    consecutive = _number(given, "consecutive", 1, 1, 1000)
    if consecutive != int(consecutive):
        raise ValueError("consecutive must be a whole number.")
    confidence = _number(given, "min_confidence", 0.0, 0.0, 1.0)
    dedupe = given.get("dedupe", True)
    if not isinstance(dedupe, bool):
        raise ValueError("dedupe must be true or false.")
    quiet = given.get("quiet_hours") or []
    if not isinstance(quiet, list) or len(quiet) > 20:
        raise ValueError("quiet_hours must be a list of at most 20 ranges.")
    return PolicyOptions(cooldown, int(consecutive), confidence, dedupe, tuple(_quiet(entry) for entry in quiet))


def _number(given: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}.")
    return float(value)


def _quiet(entry: Any) -> QuietHours:
    try:
        hours = QuietHours(
            time.fromisoformat(entry["start"]), time.fromisoformat(entry["end"]), entry.get("timezone") or "UTC"
        )
        ZoneInfo(hours.timezone)
    except (KeyError, TypeError, ValueError, AttributeError, OSError, ZoneInfoNotFoundError):
        raise ValueError(
            'Each of quiet_hours is like {"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}.'
        ) from None
    if hours.start.tzinfo is not None or hours.end.tzinfo is not None:
        raise ValueError("The start and end of quiet_hours have no zone of their own; use timezone.")
    return hours
