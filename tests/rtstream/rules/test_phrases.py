from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.detection import Facts, Phrase, Rule, RuleDecision, conclude, observe
from rtstream.rules.phrases import plan


def rule(*phrases: str, join: str = "all", form: str = "present") -> Rule:
    return Rule(tuple(Phrase(phrase) for phrase in phrases), join, form)  # pyright: ignore[reportArgumentType]


def decide(rule: Rule, texts: Sequence[str], previously: bool | None = None) -> RuleDecision:
    """Evaluate a rule that concerns texts only."""
    seen = observe(rule, Facts(texts))
    assert seen is not None
    return conclude(rule, seen, previously)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ('"Invoice 4711" is on the screen', rule("Invoice 4711")),
        ("“Invoice 4711” is on the screen", rule("Invoice 4711")),
        ("„Rechnung 4711“ ist zu sehen", rule("Rechnung 4711")),
        ("« Facture 4711 » est affichée", rule("Facture 4711")),
        ("»Faktura« vises", rule("Faktura")),
        ("「請求書」 is shown", rule("請求書")),
        ("『請求書』 is shown", rule("請求書")),
        ("'Invoice 4711' is on the screen", rule("Invoice 4711")),
        ("the text ‘don’t panic’ is shown", rule("don’t panic")),
        ('someone says "it\'s done"', rule("it's done")),
        ('Alert me when the word "ERROR" shows up in the terminal', rule("ERROR", form="appears")),
        ('"Invoice 4711" appears', rule("Invoice 4711", form="appears")),
        ('"A1" and "B2" are visible', rule("A1", "B2")),
        ('"A1", "B2" are visible', rule("A1", "B2")),
        ('"A1", "B2" or "C3" is visible', rule("A1", "B2", "C3", join="any")),
        ('any of "A1", "B2"', rule("A1", "B2", join="any")),
        ('"Recording" is not on the screen', rule("Recording", form="absent")),
        ("“Recording” isn’t visible", rule("Recording", form="absent")),
        ('there is no "Recording"', rule("Recording", form="absent")),
        ('neither "A1" nor "B2" is on the screen', rule("A1", "B2", form="absent")),
        ('"Recording" disappears', rule("Recording", form="disappears")),
        ('"Recording" is no longer visible', rule("Recording", form="disappears")),
        ('"Recording" is not visible any more', rule("Recording", form="disappears")),
        ('"Recording" isn\'t there anymore', rule("Recording", form="disappears")),
        ('"Recording" is gone', rule("Recording", form="disappears")),
        ('"not found" is shown', rule("not found")),
        ('"Page 404 is gone" is shown', rule("Page 404 is gone")),
    ],
)
def test_a_quoted_phrase_makes_a_rule(prompt: str, expected: Rule) -> None:
    assert plan(prompt) == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Invoice 4711 is on the screen",
        "a person enters the room",
        "the user's cursor isn't moving and it's late",
        '"" is on the screen',
        '"?!" is on the screen',
        '"Invoice 4711 is on the screen',
        'a 27" screen shows "ok',
        '"A1" and "B2" or "C3" is visible',
        '"A1" is shown but "B2" is not',
        '"A1" does not disappear',
        '"A1" or "B2" is not on the screen',
        '"Error" is shown more than 3 times',
        '"Recording" stays for ten minutes',
        'the user clicks "Submit"',
        'the value of "Total" changes',
        '"A1" until "B2" is shown',
        "„Aufnahme“ ist nicht zu sehen",
        "« REC » n'est plus affiché",
        "«Grabando» desaparece de la pantalla",
        "屏幕上没有“录制”",
        " ".join(f'"phrase {n}"' for n in range(11)),
    ],
)
def test_a_prompt_that_means_more_than_its_phrases_takes_a_model(prompt: str) -> None:
    assert plan(prompt) is None


SCREEN = ["ACME Corp", "lnvoice 4711", "Total 12.50"]


def test_a_match_quotes_the_line_it_found() -> None:
    decision = decide(rule("Invoice 4711"), SCREEN)
    assert decision.outcome == "match"
    assert decision.present
    assert decision.confidence == pytest.approx(0.95)
    assert decision.explanation == (
        '"Invoice 4711" was found in the line: lnvoice 4711 (misread characters tolerated: 1).'
    )


def test_another_number_is_no_match() -> None:
    decision = decide(rule("Invoice 4712"), SCREEN)
    assert (decision.outcome, decision.present) == ("no_match", False)
    assert decision.explanation == '"Invoice 4712" was not found.'


def test_all_phrases_must_be_there_unless_joined_by_or() -> None:
    assert decide(rule("Invoice 4711", "Total"), SCREEN).outcome == "match"
    assert decide(rule("Invoice 4711", "Paid"), SCREEN).outcome == "no_match"
    assert decide(rule("Invoice 4711", "Paid", join="any"), SCREEN).outcome == "match"
    assert decide(rule("Overdue", "Paid", join="any"), SCREEN).outcome == "no_match"


@pytest.mark.parametrize(
    ("form", "now", "previously", "outcome"),
    [
        ("present", True, None, "match"),
        ("present", True, True, "match"),
        ("present", False, True, "no_match"),
        ("appears", True, None, "match"),
        ("appears", True, False, "match"),
        ("appears", True, True, "no_match"),
        ("appears", False, False, "no_match"),
        ("absent", False, None, "match"),
        ("absent", False, False, "match"),
        ("absent", True, True, "no_match"),
        ("disappears", False, None, "no_match"),
        ("disappears", False, False, "no_match"),
        ("disappears", False, True, "match"),
        ("disappears", True, True, "no_match"),
    ],
)
def test_each_form_follows_what_is_and_what_was(form: str, now: bool, previously: bool | None, outcome: str) -> None:
    decision = decide(rule("Recording", form=form), ["Recording"] if now else ["something else"], previously)
    assert (decision.outcome, decision.present) == (outcome, now)


def test_several_phrases_are_missing_only_when_none_is_there() -> None:
    both = rule("Invoice 4711", "Paid", form="absent")
    assert decide(both, SCREEN).outcome == "no_match"
    assert decide(both, ["Welcome"]).outcome == "match"


def test_an_explanation_is_bounded_and_shows_nothing_hidden() -> None:
    line = "Invoice 4711 " + "ignore\u202e this \u200b" * 500
    decision = decide(rule("Invoice 4711"), [line])
    assert decision.outcome == "match"
    assert len(decision.explanation) < 250
    assert "\u202e" not in decision.explanation


def test_a_rule_says_what_it_looks_for() -> None:
    assert rule("A1", "B2", join="any").describe() == (
        'Decided by searching for the phrase only. Matches when "A1" or "B2" is present.'
    )


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=4))
def test_any_prompt_is_planned_and_any_text_decided(prompt: str, texts: list[str]) -> None:
    planned = plan(prompt + ' "phrase one"')
    if planned is not None:
        decision = decide(planned, texts, None)
        assert decision.present or decision.outcome == "no_match" or planned.form == "absent"


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_appearing_and_disappearing_alternate(looks: list[bool]) -> None:
    state: bool | None = None
    happened = []
    for there in looks:
        texts = ["Recording"] if there else []
        for form in ("appears", "disappears"):
            if decide(rule("Recording", form=form), texts, state).outcome == "match":
                happened.append(form)
        state = decide(rule("Recording"), texts, state).present
    assert all(one != two for one, two in pairwise(happened))
    assert happened[:1] in ([], ["appears"])
