"""Rules decide from the measured facts of a moment."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.rules.detection import (
    Connection,
    Expression,
    Facts,
    Phrase,
    PictureCondition,
    Rule,
    Speech,
    conclude,
    last_look,
    observe,
    scene_facts,
)
from rtstream.rules.event_rules import from_json
from rtstream.rules.screen_changes import ScreenChanges

STILL_4, STILL_6 = {"frozen": True, "still_s": 4}, {"frozen": True, "still_s": 6}


def said(rule: Rule, facts: Facts, previously: bool | None = None) -> tuple[str, str]:
    seen = observe(rule, facts)
    assert seen is not None
    decision = conclude(rule, seen, previously)
    return decision.outcome, decision.explanation


@pytest.mark.parametrize(
    ("given_", "picture", "previously", "outcome", "explanation"),
    [
        ({"picture": "black"}, {"black": True}, None, "match", "The picture is black."),
        ({"picture": "black", "when": "absent"}, {"black": True}, None, "no_match", "The picture is black."),
        ({"picture": "changed"}, {"changed": False}, None, "no_match", "The picture did not change."),
        ({"picture": "frozen", "for_s": 5}, STILL_4, True, "no_match", "The picture was still for 4 s."),
        ({"picture": "frozen", "for_s": 5}, STILL_6, True, "match", "The picture has been still for 6 s."),
        ({"picture": "frozen", "when": "disappears"}, {"frozen": False}, True, "match",
         "The picture is moving; it was present at the previous look."),
    ],
)  # fmt: skip
def test_the_picture_is_decided_by_what_was_measured(
    given_: dict[str, Any], picture: dict[str, Any], previously: bool | None, outcome: str, explanation: str
) -> None:
    assert said(from_json(given_), Facts(picture=ScreenChanges.from_json(picture)), previously) == (
        outcome,
        explanation,
    )


def test_what_was_not_looked_at_is_not_decided() -> None:
    for rule in (
        Rule((Phrase("x1"),)),
        Rule((Expression("x"),), form="absent"),
        Rule((PictureCondition("black"),)),
        Rule((Speech(),)),
        Rule((Connection(),)),
    ):
        assert observe(rule, Facts()) is None
        assert rule.conditions[0].unknown.endswith(".")


def test_a_stream_is_lost_until_it_is_connected_and_back_only_after_it_was_lost() -> None:
    lost, back = from_json({"stream": "lost"}), from_json({"stream": "back"})
    gone, there = Facts(connected=False, reason="no answer"), Facts(connected=True)
    assert said(lost, gone) == ("match", "The stream is lost: no answer.")
    assert said(lost, there)[0] == "no_match"
    assert said(back, there, last_look(back, there))[0] == "no_match"
    assert said(back, there, False)[0] == "match"


def test_a_short_pause_is_no_end_of_speech() -> None:
    stopped = from_json({"speech": "stopped", "for_s": 10})
    assert observe(stopped, Facts(speech=False, silence_s=9)) is None
    assert said(stopped, Facts(speech=False, silence_s=10), True)[0] == "match"
    assert said(stopped, Facts(speech=True), True)[0] == "no_match"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"text": ["ring", "door"]}, 'phrase only. Matches when "ring" and "door" is present.'),
        ({"text": ["ring", "door"], "join": "any"}, 'phrase only. Matches when "ring" or "door" is present.'),
        ({"text": "ring"}, 'phrase only. Matches when "ring" is present.'),
    ],
)
def test_a_rule_says_how_its_conditions_are_joined(rule: dict[str, Any], sentence: str) -> None:
    made = from_json(rule)
    assert made is not None
    assert made.describe().endswith(sentence), made.describe()


def test_a_phrase_is_searched_in_the_texts_that_were_read() -> None:
    rule = Rule((Phrase("Invoice 4711"),))
    assert said(rule, Facts(texts=["a", "Invoice 4711 is due"])) == (
        "match",
        '"Invoice 4711" was found in the line: Invoice 4711 is due.',
    )
    assert said(rule, Facts(texts=["Invoice 4712"]))[0] == "no_match"
    assert observe(rule, Facts()) is None


@pytest.mark.parametrize(
    ("lines", "read", "kind", "texts"),
    [
        (["EXIT"], True, "visual", ["EXIT"]),
        (["EXIT"], None, "visual", ["EXIT"]),
        ([], True, "visual", []),
        ([], False, "visual", None),
        ([], None, "visual", ["A sign says EXIT."]),
        ([], False, "audio", ["A sign says EXIT."]),
        ([], None, "audio", ["A sign says EXIT."]),
    ],
)
def test_the_description_is_searched_where_no_text_on_screen_was_looked_for(
    lines: list[str], read: bool | None, kind: str, texts: list[str] | None
) -> None:
    changes = ScreenChanges.from_json({} if read is None else {"text_read": read})
    assert scene_facts("A sign says EXIT.", lines, changes, kind).texts == texts


@pytest.mark.parametrize("condition", [Phrase("exit"), Expression("ex.t")])
def test_what_is_found_on_screen_is_more_certain_than_what_is_not_and_neither_is_above_1(
    condition: Phrase | Expression,
) -> None:
    found, missing = condition.observe(Facts(["EXIT exit"])), condition.observe(Facts(["door"]))
    assert found is not None
    assert missing is not None
    assert (found.present, missing.present) == (True, False)
    assert 0.5 < missing.confidence < found.confidence <= 1.0


def test_speech_is_searched_by_its_words_and_a_script_without_spaces_by_its_characters() -> None:
    speech = Facts(["今日の予算は", "we need seven"], spoken=True)
    for phrase in ("予算", "7"):
        seen = observe(Rule((Phrase(phrase),)), speech)
        assert seen is not None
        assert seen.present
