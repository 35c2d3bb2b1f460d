"""Decisions are summed up in a sentence, and equal consecutive ones become one episode."""

from __future__ import annotations

from typing import Any

from rtstream.models import Decision
from tools._framework.decisions import MAX_CANDIDATES, candidates, episodes, summary


def decision(at: float, outcome: str, **more: Any) -> Decision:
    return Decision.model_validate({"at": at, "start": at, "end": at + 2, "outcome": outcome} | more)


def test_the_summary_counts_each_outcome_with_its_reasons() -> None:
    assert summary([]) == "No scene was evaluated in this range."
    found = [
        decision(1, "fired"),
        decision(2, "suppressed", reason="quiet hours"),
        decision(3, "suppressed", reason="quiet hours"),
        decision(4, "suppressed", reason="reported"),
        decision(5, "failed", reason="no model"),
    ]
    assert summary(found) == (
        "5 scenes were evaluated: 1 fired, 3 did not fire (quiet hours: 2; reported: 1), "
        "1 could not be matched (no model: 1)."
    )


def test_equal_consecutive_decisions_are_one_episode_with_the_newest_explanation() -> None:
    newest_first = [
        decision(30, "match", explanation="third", confidence=0.9),
        decision(20, "match", explanation="second"),
        decision(10, "no_match", explanation="\x1b[31mfirst"),
        decision(5, "match", start=None, end=None),
    ]
    found = episodes(newest_first)
    assert [(one.start, one.end, one.scenes, one.outcome) for one in found] == [
        (20.0, 32.0, 2, "match"),
        (10.0, 12.0, 1, "no_match"),
        (5.0, 5.0, 1, "match"),
    ]
    assert (found[0].untrusted_text, found[0].confidence) == ("third", 0.9)
    assert "\x1b" not in (found[1].untrusted_text or "")


def test_late_decisions_are_counted_and_are_episodes_of_their_own() -> None:
    found = [decision(4, "fired"), decision(3, "fired", late=True), decision(2, "fired", late=True)]
    assert summary(found).endswith("3 fired. 2 of them were looked at later, after a gap in the analysis.")
    assert [(one.scenes, one.late) for one in episodes(found)] == [(1, None), (2, True)]


def test_candidates_are_the_most_similar_scenes_that_need_a_model() -> None:
    found = [decision(n, "needs_model", confidence=n / 10, text=f"scene {n}") for n in range(9)]
    shown = candidates([*found, decision(9, "match", confidence=1.0)])
    assert [one.untrusted_text for one in shown] == [f"scene {n}" for n in range(8, 8 - MAX_CANDIDATES, -1)]
