"""The recogniser behind local speech: its pauses, its words and its trust."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from rtstream.perception.speech import moonshine as hearing
from rtstream.perception.speech.moonshine import Aligner, Recogniser, Trust
from tests.rtstream.perception.speech.test_local import RATE, reading

__all__ = ["reading"]


def test_a_recogniser_is_replaced_at_a_pause_without_losing_a_line(
    reading: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "MAX_LINES", 1)
    recogniser, finals = Recogniser(), []
    replaced: set[float] = set()
    size = 2 * RATE
    for at in range(0, len(reading), size):
        found = recogniser.recognise("s", at / size, reading[at : at + size], at + size >= len(reading))
        finals += [u for u in found if u.is_final]
        replaced |= {live._origin for live in recogniser._sessions.values()}
    said = " ".join(u.text for u in finals).lower()
    for words in ("best of times", "age of wisdom", "age of foolishness", "epoch of belief"):
        assert words in said
    assert all(one.end <= other.start + 0.5 for one, other in pairwise(finals))
    assert len(replaced) > 1


def test_words_in_no_dictionary_are_estimated_between_their_neighbours() -> None:
    words, aligned, unknown = Aligner().words("Xyzzyq 4711", 2.0, 3.0, (2.0, np.zeros(RATE, np.int16)))
    assert (aligned, unknown) == (False, 2)
    assert [word["word"] for word in words] == ["Xyzzyq", "4711"]
    assert all(word["estimated"] for word in words)
    assert (words[0]["start"], words[-1]["end"]) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("lines", "low"),
    [
        ([(False, 5, 0)] * 9, False),
        ([(True, 8, 0)] * 20, False),
        ([(True, 8, 0)] * 8 + [(False, 8, 0)] * 2, False),
        ([(True, 8, 0)] * 7 + [(False, 8, 0)] * 3, True),
        ([(True, 10, 2)] * 10, True),
        ([(False, 8, 4)] * 20 + [(True, 8, 0)] * 20, False),
    ],
)
def test_text_that_does_not_fit_the_sound_is_not_trusted(lines: list[tuple[bool, int, int]], low: bool) -> None:
    trust = Trust()
    for line in lines:
        trust.add(*line)
    assert trust.low is low
