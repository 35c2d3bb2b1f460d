"""Summaries of decisions about scenes, with equal consecutive decisions grouped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from pydantic import BaseModel, Field

from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.models import Decision, Outcome
from rtstream.rules.text_safety import clean
from tools._framework.parameters import note

MAX_CANDIDATES = 5
IN_WORDS = {
    Outcome.FIRED: "fired",
    Outcome.MATCH: "matched",
    Outcome.NO_MATCH: "did not match",
    Outcome.NEEDS_MODEL: "could not be decided without a language model",
    Outcome.SUPPRESSED: "did not fire",
    Outcome.FAILED: "could not be matched",
}


class Episode(BaseModel):
    """Consecutive scenes with the same decision. Unix seconds."""

    start: float
    end: float
    scenes: int
    outcome: str
    late: bool | None = Field(None, description="Looked at later, after a gap in the analysis.")
    reason: str | None = Field(None, description="Reason why a match did not fire, or why there is no decision.")
    confidence: float | None = None
    untrusted_text: str | None = Field(None, description=UNTRUSTED)


class Candidate(BaseModel):
    """A scene that is similar to an event which needs a model."""

    start: float
    end: float
    similarity: float
    untrusted_text: str = Field(description=UNTRUSTED)


def summary(decisions: Sequence[Decision]) -> str:
    """One sentence with the number of scenes per outcome."""
    if not decisions:
        return "No scene was evaluated in this range."
    outcomes = Counter(decision.outcome for decision in decisions)
    parts = []
    for outcome, words in IN_WORDS.items():
        reasons = Counter(d.reason for d in decisions if d.outcome == outcome and d.reason)
        why = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common(5))
        if outcomes[outcome]:
            parts.append(f"{outcomes[outcome]} {words}" + (f" ({why})" if why else ""))
    late = sum(decision.late for decision in decisions)
    after = f" {late} of them were looked at later, after a gap in the analysis." if late else ""
    return f"{len(decisions)} scenes were evaluated: {', '.join(parts)}.{after}"


def episodes(decisions: Sequence[Decision]) -> list[Episode]:
    """Decisions (newest first), with equal consecutive ones grouped, each group with its newest explanation."""
    found = []
    for (outcome, reason, late), group in groupby(decisions, key=lambda one: (one.outcome, one.reason, one.late)):
        alike = list(group)
        newest = alike[0]
        found.append(
            Episode(
                start=round(min(d.start or d.at for d in alike), 3),
                end=round(max(d.end or d.at for d in alike), 3),
                scenes=len(alike),
                outcome=outcome,
                late=late or None,
                reason=note(reason),
                confidence=newest.confidence,
                untrusted_text=clean(newest.explanation, MAX_TEXT) or None,
            )
        )
    return found


def candidates(decisions: Sequence[Decision]) -> list[Candidate]:
    """The scenes most like an event that needs a model."""
    open_ones = [decision for decision in decisions if decision.outcome is Outcome.NEEDS_MODEL]
    best = sorted(open_ones, key=lambda decision: -(decision.confidence or 0.0))[:MAX_CANDIDATES]
    return [
        Candidate(
            start=round(decision.start or decision.at, 3),
            end=round(decision.end or decision.at, 3),
            similarity=decision.confidence or 0.0,
            untrusted_text=clean(decision.text, 500),
        )
        for decision in best
    ]
