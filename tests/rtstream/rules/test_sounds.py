from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtstream.perception.registry import pronunciations
from rtstream.rules import speech_text
from rtstream.rules.sounds import Sounds, difference, spelled

LABELLED = Path(__file__).parents[3] / "benchmarks" / "data" / "speech_labelled.json"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("phone", "fone"),
        ("knight", "nite"),
        ("write", "rite"),
        ("quick", "kwik"),
        ("station", "stashun"),
        ("bridge", "brij"),
        ("cellar", "seller"),
        ("physics", "fisics"),
        ("scene", "seen"),
        ("psalm", "salm"),
        ("whale", "wale"),
        ("lamb", "lam"),
        ("nature", "nachar"),
        ("school", "skool"),
    ],
)
def test_words_that_are_spoken_alike_have_almost_the_same_sounds(one: str, other: str) -> None:
    assert difference(spelled(one), spelled(other)) <= 0.2


def test_the_difference_grows_with_the_distance_of_the_sounds() -> None:
    assert difference("kat", "kat") == difference("", "") == 0
    alike = [difference("kat", one) for one in ("kad", "kas", "kam")]
    assert 0 < alike[0] < alike[1] < alike[2] < 1
    assert difference("kat", "kati") < difference("kat", "katm")
    assert difference("prometius", "mol") == 1


def test_a_word_of_the_dictionary_is_probably_what_was_said() -> None:
    words = {"contact": "kontakt", "contract": "kontrakt", "counsel": "konsal", "council": "konsal", "is": "iz"}
    sounds = Sounds(words.get)
    assert sounds.near_miss("contract", ["contact"]) is None
    assert sounds.near_miss("contract", ["contact", "is"]) is None
    assert sounds.near_miss("contract", ["contrac"]) is not None
    assert sounds.near_miss("council", ["counsel"]) == 0.01
    assert Sounds().near_miss("contract", ["contact"]) is None


def test_a_word_may_be_heard_as_several() -> None:
    assert Sounds().near_miss("kubernetes", ["kuber", "netties"]) is not None
    assert Sounds().near_miss("kubernetes", ["cover", "letters"]) is None


def test_the_labelled_set_has_no_false_alert_and_as_many_hits_as_were_measured() -> None:
    dictionary = pronunciations()
    if dictionary is None:
        pytest.skip("the built-in speech engine is not installed")
    sounds = Sounds(dictionary)
    labelled = json.loads(LABELLED.read_text(encoding="utf-8"))

    def heard(kind: str, near: Sounds | None) -> list[str]:
        found = [one for one in labelled[kind] if speech_text.find(one["term"], one["heard"], near) is not None]
        return [f"{one['term']}: {one['heard']}" for one in found]

    written_as_the_term = heard("decoys", None)
    assert heard("decoys", sounds) == written_as_the_term
    assert len(heard("mishearings", sounds)) >= 27
    assert heard("mishearings", None) == []
