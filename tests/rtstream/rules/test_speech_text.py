from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules import speech_text
from rtstream.rules.sounds import Sounds

BY_SPELLING = Sounds()


def found(phrase: str, text: str, sounds: Sounds | None = None, after: int = 0) -> str | None:
    match = speech_text.find(phrase, text, sounds, after=after)
    return None if match is None else match.heard


@pytest.mark.parametrize(
    ("phrase", "text", "heard"),
    [
        ("budget", "The BUDGET, please.", "BUDGET"),
        ("Café Größe", "the cafe grösse", "cafe grösse"),
        ("seven", "We need 7 of them.", "7"),
        ("7", "We need seven of them.", "seven"),
        ("invoice 4711", "invoice forty-seven eleven is late", "invoice forty-seven eleven"),
        ("4711", "it is 4 7 1 1", "4 7 1 1"),
        ("room 207", "Room two oh seven!", "Room two oh seven"),
        ("1,250 people", "one thousand two hundred and fifty people", "one thousand two hundred and fifty people"),
        ("12.5 percent", "about 12,5 % of it", "12,5 %"),
        ("$40", "it costs forty dollars", "forty dollars"),
        ("forty dollars", "it costs $40.", "$40"),
        ("second quarter", "In the 2nd quarter", "2nd quarter"),
        ("don't stop", "Don’t stop it", "Don’t stop"),
        ("crane", "the crane's arm", "crane's"),
        ("database", "the data base is full", "data base"),
        ("data base", "the database is full", "database"),
        ("sign-off", "the sign off", "sign off"),
        ("action items", "My action items: none", "action items"),
    ],
)
def test_a_phrase_is_found_however_the_recogniser_writes_it(phrase: str, text: str, heard: str) -> None:
    assert found(phrase, text) == heard
    match = speech_text.find(phrase, text)
    assert match is not None
    assert match.confidence == 0.99


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("art", "start the party"),
        ("gun", "this is fun"),
        ("guns", "the gun"),
        ("4711", "4712"),
        ("47", "4711"),
        ("4711", "47 and 11"),
        ("seven", "seventeen"),
        ("1.5", "15"),
        ("code red", "code read"),
        ("ice cream", "I scream"),
        ("action items", "action. And then items"),
        ("...", "anything"),
        ("", "anything"),
    ],
)
@pytest.mark.parametrize("sounds", [None, BY_SPELLING])
def test_other_words_and_numbers_are_not_the_phrase(phrase: str, text: str, sounds: Sounds | None) -> None:
    assert found(phrase, text, sounds) is None


def test_only_long_words_may_be_near_misses_and_only_where_that_is_wanted() -> None:
    assert found("Kubernetes cluster", "a kubernetis cluster") is None
    assert found("Kubernetes cluster", "a kubernetis cluster", BY_SPELLING) == "kubernetis cluster"
    assert found("Kubernetes node", "a kubernetis mode", BY_SPELLING) is None
    match = speech_text.find("Kubernetes", "kubernetis, or Kubernetes", BY_SPELLING)
    assert match is not None
    assert (match.heard, match.confidence) == ("Kubernetes", 0.99)
    near = speech_text.find("Kubernetes", "kubernetis", BY_SPELLING)
    assert near is not None
    assert 0.6 <= near.confidence < 0.99


def test_a_plural_is_the_word_and_another_short_word_is_not() -> None:
    assert found("ambulance", "two ambulances came", BY_SPELLING) == "ambulances"
    assert found("companies", "the company", BY_SPELLING) == "company"
    assert found("ambulance", "two ambulances came") is None
    assert found("guns", "a gun", BY_SPELLING) is None


def test_a_match_must_reach_beyond_the_text_before() -> None:
    assert found("action items", "action items now", after=12) is None
    assert found("action items", "our action items now", after=10) == "action items"


@given(st.text(max_size=60), st.text(max_size=12))
def test_any_text_can_be_searched(text: str, phrase: str) -> None:
    match = speech_text.find(phrase, text, BY_SPELLING)
    if match is not None:
        assert match.heard == text[match.start : match.end] != ""
