"""Prompts and structured rules become rules, or need a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.detection import (
    Connection,
    Expression,
    Facts,
    Phrase,
    PictureCondition,
    Rule,
    Speech,
    conclude,
    observe,
)
from rtstream.rules.event_rules import from_json, from_prompt, is_exhaustive, rule_for_event
from rtstream.rules.screen_changes import ScreenChanges


@pytest.mark.parametrize(
    ("prompt", "rule"),
    [
        ("the text matches /ERR-[0-9]+/", Rule((Expression("ERR-[0-9]+"),))),
        ("Alert me when text matching /err-\\d+/i appears.", Rule((Expression("(?i)err-\\d+"),), form="appears")),
        ("regex /a/b/ is missing", Rule((Expression("a/b"),), form="absent")),
        ("any line matches /x+/ disappears", Rule((Expression("x+"),), form="disappears")),
        ("the picture changes", Rule((PictureCondition("changed"),))),
        ("When the screen is black", Rule((PictureCondition("black"),))),
        ("The video turns black!", Rule((PictureCondition("black"),), form="appears")),
        ("the picture is no longer black", Rule((PictureCondition("black"),), form="disappears")),
        ("the picture is frozen for 30 s", Rule((PictureCondition("frozen", 30),))),
        ("the picture is frozen for at least 5 seconds", Rule((PictureCondition("frozen", 5),))),
        ("the image freezes", Rule((PictureCondition("frozen"),), form="appears")),
        ("speech starts", Rule((Speech(),), form="appears")),
        ("someone starts speaking", Rule((Speech(),), form="appears")),
        ("speech stops for 20 s", Rule((Speech(20),), form="disappears")),
        ("the stream is lost", Rule((Connection(),), form="absent")),
        ("tell me if the stream comes back", Rule((Connection(),), form="appears")),
        ('"Invoice 4711" appears', Rule((Phrase("Invoice 4711"),), form="appears")),
    ],
)
def test_a_prompt_in_a_documented_form_is_a_rule(prompt: str, rule: Rule) -> None:
    assert from_prompt(prompt) == rule


@pytest.mark.parametrize(
    "prompt",
    [
        "the picture changes a lot",
        "the picture is nearly black",
        "a black car is in the picture",
        "the text matches /(?=x)/",
        "the text matches /a(/",
        "the text matches /x/ three times",
        "either/or is on the screen",
        "the stream is lost in thought",
        "speech",
        "somebody speaks about the picture is black",
    ],
)
def test_a_prompt_that_says_more_needs_a_model(prompt: str) -> None:
    assert from_prompt(prompt) is None


@pytest.mark.parametrize(
    ("given_", "rule"),
    [
        ({"text": "Invoice"}, Rule((Phrase("Invoice"),))),
        (
            {"text": ["A1", "B2"], "join": "any", "when": "appears"},
            Rule((Phrase("A1"), Phrase("B2")), "any", "appears"),
        ),
        ({"text": "a", "join": "any", "when": "absent"}, Rule((Phrase("a"),), "any", "absent")),
        ({"regex": "ERR", "when": "absent"}, Rule((Expression("ERR"),), form="absent")),
        ({"picture": "frozen", "for_s": 30}, Rule((PictureCondition("frozen", 30),))),
        ({"picture": "frozen", "for_s": 86_400}, Rule((PictureCondition("frozen", 86_400),))),
        ({"picture": "black", "when": "appears"}, Rule((PictureCondition("black"),), form="appears")),
        ({"speech": "stopped", "for_s": 20}, Rule((Speech(20),), form="disappears")),
        ({"stream": "back"}, Rule((Connection(),), form="appears")),
    ],
)
def test_a_structured_rule_says_the_same(given_: dict[str, Any], rule: Rule) -> None:
    assert from_json(given_) == rule
    assert rule_for_event("whatever the prompt says", given_) == rule
    assert rule.describe().startswith("Decided by ")


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({}, "exactly one of the keys text, regex, picture, speech, stream"),
        ({"text": "a", "stream": "lost"}, "exactly one of"),
        ({"txt": "a"}, "exactly one of"),
        ({"text": "?!"}, "with at least one letter or digit"),
        ({"text": [f"p{n}" for n in range(11)]}, "a list of at most 10"),
        ({"text": 5}, "text must be a phrase"),
        ({"text": "a", "when": "soon"}, "when must be one of present, appears"),
        ({"text": ["a", "b"], "join": "any", "when": "absent"}, "is ambiguous"),
        ({"text": "a", "for_s": 5}, "accepts only join, when as further keys"),
        ({"regex": 5}, "regex must be a string"),
        ({"regex": "("}, "RE2 syntax"),
        ({"regex": "(a)\\1"}, "back references are not supported"),
        ({"regex": "a" * 501}, "1 to 500 characters"),
        ({"picture": "upside down"}, "picture must be one of changed, black, frozen"),
        ({"picture": "changed", "when": "absent"}, "has no other form"),
        ({"picture": "black", "for_s": 3}, "to a frozen picture only"),
        ({"picture": "frozen", "for_s": "long"}, "for_s must be a number"),
        ({"picture": "frozen", "for_s": 86_400.5}, "for_s must be a number"),
        ({"speech": "loud"}, "speech must be one of started, stopped"),
        ({"stream": "lost", "when": "present"}, "accepts no other key"),
        ({"stream": ["lost"]}, "stream must be one of lost, back"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(given_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        from_json(given_)
    assert str(refused.value).endswith((".", ")."))


def test_quoted_phrases_leave_the_rest_of_a_prompt_to_a_model_where_there_is_one() -> None:
    quoted = from_prompt('an angry man shouts "stop"')
    pattern = from_prompt("the text matches /stop/")
    assert quoted is not None
    assert pattern is not None
    assert not is_exhaustive(quoted, None)
    assert is_exhaustive(quoted, {"text": "stop"})
    assert is_exhaustive(pattern, None)


CHANGES = ScreenChanges.from_json({"black": True, "frozen": True, "changed": True, "still_s": 1e6})
WORDS = ["lost", "black", "frozen", "appears", "any", "started"]
KEYS = ["text", "regex", "picture", "speech", "stream", "when", "join", "for_s", "x"]
values = st.one_of(
    st.text(max_size=8), st.integers(), st.none(), st.lists(st.text(max_size=3), max_size=3), st.sampled_from(WORDS)
)


@given(st.dictionaries(st.sampled_from(KEYS), values))
def test_any_json_is_a_rule_or_refused(given_: dict[str, Any]) -> None:
    try:
        rule = from_json(given_)
    except ValueError:
        return
    assert rule.describe()
    facts = Facts(["some text"], None, CHANGES, True, 0, True)
    seen = observe(rule, facts)
    assert seen is not None
    assert conclude(rule, seen, None).explanation.endswith(".")
