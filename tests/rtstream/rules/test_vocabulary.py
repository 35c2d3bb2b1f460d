from __future__ import annotations

from typing import Any

import pytest

from rtstream.rules import vocabulary
from rtstream.rules.sounds import Sounds

SOUNDS = Sounds()
TERMS = ["Kubernetes", "pgvector", "Grafana", "AWS"]


def correct(text: str, terms: list[str] | None = None, seen: list[str] | None = None) -> str:
    return vocabulary.corrected(text, vocabulary.replacements(text, terms or [], seen or [], SOUNDS))


def words(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"word": word, "start": float(at), "end": at + 1.0, **more} for at, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("We run kuber netties, and PG vector.", "We run Kubernetes, and pgvector."),
        ("kubernetes is up", "Kubernetes is up"),
        ("graffana, graphana and grafana", "Grafana, Grafana and Grafana"),
        ("it runs on aws", "it runs on AWS"),
        ("nothing to correct here", "nothing to correct here"),
        ("Kubernetes stays", "Kubernetes stays"),
    ],
)
def test_terms_replace_what_was_heard_in_their_place(heard: str, meant: str) -> None:
    assert correct(heard, TERMS) == meant


def test_words_on_the_screen_correct_misheard_words_and_no_capitals_or_plurals() -> None:
    seen = ["Deployments", "PROMETHEUS", "Zimmermann"]
    assert correct("deployment of promeetheus by mister zimmerman", None, seen) == (
        "deployment of prometheus by mister Zimmermann"
    )
    assert correct("the Zimmermann and the zimmermann", None, seen) == "the Zimmermann and the zimmermann"


def test_the_vocabulary_comes_before_the_screen_and_the_surest_correction_first() -> None:
    assert correct("the graffana page", ["Grafana"], ["Graphano"]) == "the Grafana page"
    assert correct("the pg vectors page", ["pgvector", "vectors"]) == "the pg vectors page"
    assert correct("the zimmer man", ["Zimmerman", "Zimmermen"]) == "the Zimmerman"


def test_the_words_of_a_correction_become_one_with_all_of_their_time() -> None:
    text = "We run cuber netties, today."
    found = vocabulary.replacements(text, ["Kubernetes"], [], SOUNDS)
    given = words(text)
    given[2]["confidence"], given[3]["confidence"] = 0.9, 0.4
    assert vocabulary.corrected_words(text, given, found) == [
        given[0],
        given[1],
        {"word": "Kubernetes,", "start": 2.0, "end": 4.0, "confidence": 0.4, "heard": "cuber netties,"},
        given[4],
    ]


def test_words_that_are_not_in_the_text_stay() -> None:
    found = vocabulary.replacements("graffana", ["Grafana"], [], SOUNDS)
    assert vocabulary.corrected_words("graffana", words("other words"), found) == words("other words")


def test_the_words_of_the_screen_are_long_and_come_once_as_they_are_written() -> None:
    lines = ["INVOICE 4711 of Zimmermann", "Invoice for ACME", "over-the-air update"]
    assert vocabulary.screen_words(lines) == ["Invoice", "Zimmermann", "over-the-air", "update"]
    many = [f"wordwords{'abcdefghij'[n % 10]}{'abcdefghij'[n // 10 % 10]}{'abcdefghij'[n // 100]}" for n in range(900)]
    assert len(vocabulary.screen_words(many)) == vocabulary.MAX_SCREEN_WORDS


def test_a_vocabulary_has_bounds() -> None:
    assert vocabulary.checked_terms([" Kubernetes ", "Kubernetes", "", "pg  vector"]) == ["Kubernetes", "pg vector"]
    for wrong in (["x" * 61], ["4711"], [f"term {n}" for n in range(201)]):
        with pytest.raises(ValueError, match="vocabulary"):
            vocabulary.checked_terms(wrong)
