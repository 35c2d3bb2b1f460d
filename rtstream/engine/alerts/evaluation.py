"""Evaluates alerts on one moment: a scene, or sentences of a transcript."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rtstream.engine.alerts.firings import Evaluation
from rtstream.engine.alerts.matcher import EventMatcher, Evidence, MatchRequest
from rtstream.engine.alerts.state import concerns_stream
from rtstream.perception.protocols import ProviderError
from rtstream.rules import alert_policy
from rtstream.states import AlertStatus
from rtstream.store.alerts import AlertRow

DISABLED = alert_policy.IN_WORDS["disabled"]
LATE = alert_policy.IN_WORDS["late"]
NO_DESCRIPTION = "the scene has no description"

Way = Literal["rule", "model"]
"""The way in which an alert is decided. Alerts with rules never wait for a model."""


def way_of(matcher: EventMatcher, alert: AlertRow) -> Way | None:
    """Return how an alert is decided, or None if it is evaluated neither on scenes nor on sentences."""
    if concerns_stream(alert):
        return None
    return "model" if matcher.asks_model(alert.event_prompt, alert.event_rule) else "rule"


async def evaluate(matcher: EventMatcher, due: Sequence[AlertRow], evidence: Evidence) -> list[Evaluation]:
    """Evaluate alerts on a moment with at most one model call.

    Rules are free, so disabled alerts are also evaluated. Their decisions show whether they would have fired.
    """
    free = [a.status is AlertStatus.ENABLED or not matcher.asks_model(a.event_prompt, a.event_rule) for a in due]
    asked = [alert for alert, ask in zip(due, free, strict=True) if ask]
    requests = [
        MatchRequest(
            a.event_id, a.event_prompt, a.event_rule, a.state.present, alert_policy.options(a.options).near_misses
        )
        for a in asked
    ]
    try:
        results = await matcher.match(requests, evidence) if requests else []
    except ProviderError as exc:
        return [Evaluation(alert, None, str(exc)) for alert in due]
    evaluations = [Evaluation(alert, result) for alert, result in zip(asked, results, strict=True)]
    return evaluations + [Evaluation(alert, None, DISABLED) for alert, ask in zip(due, free, strict=True) if not ask]


async def evaluate_late(matcher: EventMatcher, due: Sequence[AlertRow], evidence: Evidence) -> list[Evaluation]:
    """Evaluate alerts on a moment of the past. A model is not asked for alerts that would not fire on it."""
    skipped = [
        alert
        for alert in due
        if alert_policy.options(alert.options).skips_late and matcher.asks_model(alert.event_prompt, alert.event_rule)
    ]
    asked = [alert for alert in due if alert not in skipped]
    evaluations = await evaluate(matcher, asked, evidence) if asked else []
    return evaluations + [Evaluation(alert, None, LATE, suppressed=True) for alert in skipped]
