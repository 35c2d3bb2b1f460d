"""Decides when a match becomes an alert: consecutive matches, confidence, deduplication, cooldown and quiet hours.

An *episode* is an unbroken series of matching scenes. If "Invoice 4711" stays on the screen for an hour, that is one
episode and therefore one alert (unless ``dedupe`` is off). An alert suppressed by cooldown or quiet hours fires later
if the episode is still in progress.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rtstream.json_types import JsonObject

Reason = Literal[
    "", "confidence", "consecutive", "dedupe", "cooldown", "quiet_hours", "active_hours", "muted", "disabled", "late"
]

IN_WORDS: dict[Reason, str] = {
    "": "",
    "confidence": "the confidence is below the alert's min_confidence",
    "consecutive": "not enough matching scenes in a row yet",
    "dedupe": "this episode has already been reported",
    "cooldown": "the alert fired a moment ago (cooldown_s)",
    "quiet_hours": "it is within the alert's quiet hours",
    "active_hours": "it is outside the alert's active hours",
    "muted": "the alert is muted (mute_for)",
    "disabled": "the alert is disabled",
    "late": "the scene was looked at later, and the alert skips such scenes (late)",
}


_ANY_DAY = date(2026, 6, 17)
CLOCK_SET_BACK_S = 60.0
"""A firing this far in the future means that the clock was set back since. It does not hold back the next firing."""


@dataclass(frozen=True)
class QuietHours:
    """A daily time range, ``start`` to ``end`` in ``timezone``, of quiet or of active hours.

    The range spans midnight when ``end`` is not after ``start``.
    """

    start: time
    end: time
    timezone: str = "UTC"

    def covers(self, at: float) -> bool:
        """Return whether the Unix time ``at`` falls within the range."""
        clock = datetime.fromtimestamp(at, ZoneInfo(self.timezone)).time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def next_start(self) -> float:
        """Return a Unix time at which the range starts."""
        return self._moment(self.start)

    def next_end(self) -> float:
        """Return a Unix time at which the range ends."""
        return self._moment(self.end)

    def _moment(self, clock: time) -> float:
        return datetime.combine(_ANY_DAY, clock, ZoneInfo(self.timezone)).timestamp()


@dataclass(frozen=True)
class PolicyOptions:
    """The options of one alert.

    Attributes:
        cooldown_s: Seconds after a firing during which the alert does not fire again.
        consecutive: Number of matching scenes in a row that it takes to fire.
        min_confidence: Matches below this confidence (0 to 1) count as no match.
        dedupe: Whether an episode fires at most once.
        quiet: Time ranges in which the alert does not fire.
        active: Time ranges in which it fires. Without any, it fires at all hours.
        muted_until: Unix seconds until which it does not fire.
        skips_late: Whether the alert does not fire on scenes that were looked at later, after a gap.
        near_misses: Whether words of speech may be heard as words that sound alike.
        fires_on_past: Whether the alert also fires in a range of the past whose analysis a user asked for.
    """

    cooldown_s: float = 0.0
    consecutive: int = 1
    min_confidence: float = 0.0
    dedupe: bool = True
    quiet: tuple[QuietHours, ...] = ()
    active: tuple[QuietHours, ...] = ()
    muted_until: float = -math.inf
    skips_late: bool = False
    near_misses: bool = True
    fires_on_past: bool = False

    @property
    def never_fires(self) -> bool:
        """Whether the quiet hours leave no moment of the active hours.

        If any moment remains, one of the following does: an end of quiet hours, or a start of active hours.
        """
        if not self.quiet:
            return False
        candidates = [hours.next_end() for hours in self.quiet] + [hours.next_start() for hours in self.active]
        return not any(self.allows(at) for at in candidates)

    def allows(self, at: float) -> bool:
        """Return whether the alert may fire at the Unix time ``at``, as far as the hours of the day are concerned."""
        return not any(hours.covers(at) for hours in self.quiet) and self._is_active(at)

    def _is_active(self, at: float) -> bool:
        return not self.active or any(hours.covers(at) for hours in self.active)


@dataclass(frozen=True)
class JournalEvidence:
    """The part of a journal entry that an alert on the stream itself remembers.

    Attributes:
        seq: Number of the entry.
        spoken: Unix seconds of the end of the speech, if the entry is a transcript segment.
        late_s: Seconds by which that speech was behind live when it was stored.
    """

    seq: int
    spoken: float | None = None
    late_s: float = 0.0


@dataclass(frozen=True)
class AlertState:
    """The state of an alert between two evaluations. ``to_json`` and ``from_json`` carry it across restarts.

    Attributes:
        hits: Consecutive matching scenes so far.
        reported: Whether the current episode has been reported.
        fired_at: Unix seconds of the last firing, or None.
        present: Whether the condition was met at the last look; None before the first look.
        journal: For an alert on the stream itself, the number of the newest journal entry that it has evaluated.
        spoken: Unix seconds of the end of the last speech.
        late_s: Seconds by which the last speech was behind live when it was stored.
        heard_from: Unix seconds from which on silence counts. The time before is evaluated as a gap.
    """

    hits: int = 0
    reported: bool = False
    fired_at: float | None = None
    present: bool | None = None
    journal: int | None = None
    spoken: float | None = None
    late_s: float = 0.0
    heard_from: float | None = None

    def to_json(self) -> JsonObject:
        """Return the state as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, stored: JsonObject | None) -> AlertState:
        """Restore a state from ``to_json``, or from the smaller object that earlier versions stored."""
        stored = stored or {}
        return cls(
            hits=int(stored.get("hits") or 0),
            reported=bool(stored.get("reported")),
            fired_at=stored.get("fired_at"),
            present=stored.get("present"),
            journal=stored.get("journal"),
            spoken=stored.get("spoken"),
            late_s=float(stored.get("late_s") or 0.0),
            heard_from=stored.get("heard_from"),
        )

    def after_entry(self, entry: JournalEvidence) -> AlertState:
        """Return the state after a journal entry was evaluated."""
        spoken, late_s = (self.spoken, self.late_s) if entry.spoken is None else (entry.spoken, entry.late_s)
        return replace(self, journal=entry.seq, spoken=spoken, late_s=late_s)


def step(
    options: PolicyOptions,
    state: AlertState,
    confidence: float | None,
    at: float,
    enabled: bool = True,
    *,
    late: bool = False,
) -> tuple[AlertState, bool, Reason]:
    """Advance the alert by one evaluated scene.

    Args:
        options: The options of the alert.
        state: The state before the scene.
        confidence: Confidence of the match, or None if the scene does not match. A match below ``min_confidence``
            counts as no match.
        at: End of the scene in Unix seconds.
        enabled: Whether the alert is enabled.
        late: Whether the scene was looked at later, after a gap.

    Returns:
        The state after the scene, whether the alert fires, and the reason if a match does not fire.
    """
    if confidence is None or confidence < options.min_confidence:
        after = replace(state, hits=0, reported=False)
        return after, False, "" if confidence is None else "confidence"
    after = replace(state, hits=state.hits + 1)
    reason: Reason = ""
    if not enabled:
        reason = "disabled"
    elif late and options.skips_late:
        reason = "late"
    elif after.hits < options.consecutive:
        reason = "consecutive"
    elif options.dedupe and state.reported:
        reason = "dedupe"
    elif state.fired_at is not None and _cools_down(at - state.fired_at, options.cooldown_s):
        reason = "cooldown"
    elif at < options.muted_until:
        reason = "muted"
    elif any(hours.covers(at) for hours in options.quiet):
        reason = "quiet_hours"
    elif not options.allows(at):
        reason = "active_hours"
    if reason:
        return after, False, reason
    return replace(after, reported=True, fired_at=at), True, ""


def _cools_down(since_s: float, cooldown_s: float) -> bool:
    """Whether a firing ``since_s`` seconds ago holds back another one. It is negative after the clock was set back."""
    return -min(cooldown_s, CLOCK_SET_BACK_S) < since_s < cooldown_s


def options(values: JsonObject) -> PolicyOptions:
    """Parse alert options from their API form.

    Args:
        values: The options as the API receives them. ``quiet_hours`` and ``active_hours`` are lists of
            ``{"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}``.

    Raises:
        ValueError: An option is invalid. The message is one sentence for the user.
    """
    cooldown = _number(values, "cooldown_s", 0.0, 0.0, 30 * 86400.0)
    consecutive = _number(values, "consecutive", 1, 1, 1000)
    if consecutive != int(consecutive):
        raise ValueError("consecutive must be a whole number.")
    confidence = _number(values, "min_confidence", 0.0, 0.0, 1.0)
    dedupe = values.get("dedupe", True)
    if not isinstance(dedupe, bool):
        raise ValueError("dedupe must be true or false.")
    near = values.get("near_misses", True)
    if not isinstance(near, bool):
        raise ValueError("near_misses must be true or false.")
    late = values.get("late") or "fire"
    if late not in ("fire", "skip", "all"):
        raise ValueError("late must be 'fire', 'skip' or 'all'.")
    return PolicyOptions(
        cooldown,
        int(consecutive),
        confidence,
        dedupe,
        _hours(values, "quiet_hours"),
        _hours(values, "active_hours"),
        _number(values, "muted_until", -math.inf, 0.0, 1e11),
        skips_late=late == "skip",
        near_misses=near,
        fires_on_past=late == "all",
    )


def _hours(values: JsonObject, name: str) -> tuple[QuietHours, ...]:
    given = values.get(name) or []
    if not isinstance(given, list) or len(given) > 20:
        raise ValueError(f"{name} must be a list of at most 20 ranges.")
    return tuple(_range(entry, name) for entry in given)


def _number(values: JsonObject, name: str, default: float, low: float, high: float) -> float:
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}.")
    return float(value)


# Any: a decoded JSON value. Each wrong shape of it raises one of the exceptions below.
def _range(entry: Any, name: str) -> QuietHours:
    try:
        hours = QuietHours(
            time.fromisoformat(entry["start"]), time.fromisoformat(entry["end"]), entry.get("timezone") or "UTC"
        )
        ZoneInfo(hours.timezone)
    except (KeyError, TypeError, ValueError, AttributeError, OSError, ZoneInfoNotFoundError):
        raise ValueError(
            f'Each entry of {name} must look like {{"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}}.'
        ) from None
    if hours.start.tzinfo is not None or hours.end.tzinfo is not None:
        raise ValueError(f"The start and end of {name} must not carry a time zone. Set timezone instead.")
    return hours
