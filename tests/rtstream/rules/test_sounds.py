from __future__ import annotations

import pytest

from rtstream.rules.sounds import Sounds, difference, spelled


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


def test_the_difference_grows_from_none_to_all() -> None:
    assert difference("kat", "kat") == 0
    assert 0 < difference("kat", "kad") < difference("kat", "kas") <= difference("kat", "mol") <= 1
    assert difference("", "") == 0


def test_a_word_of_the_dictionary_is_probably_what_was_said() -> None:
    words = {"contact": "kontakt", "contract": "kontrakt", "counsel": "konsal", "council": "konsal"}
    sounds = Sounds(words.get)
    assert sounds.near_miss("contract", ["contact"]) is None
    assert sounds.near_miss("contract", ["contrac"]) is not None
    assert sounds.near_miss("council", ["counsel"]) == 0.01
    assert Sounds().near_miss("contract", ["contact"]) is None


def test_a_word_may_be_heard_as_several() -> None:
    assert Sounds().near_miss("kubernetes", ["kuber", "netties"]) is not None
    assert Sounds().near_miss("kubernetes", ["cover", "letters"]) is None
