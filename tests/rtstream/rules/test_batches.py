"""Batches of a transcript."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.batches import Batches, Segmenter, Word, config, uncovered, words_of

word = st.text("abcdefgh'", min_size=1, max_size=8)
marks = st.sampled_from(["", "", "", ".", "!", "?", '."'])


@st.composite
def utterances(draw: st.DrawFn) -> list[list[Word]]:
    at = 1_700_000_000.0
    found = []
    for _ in range(draw(st.integers(0, 8))):
        at += draw(st.floats(0.1, 30))
        text = " ".join(w + m for w, m in draw(st.lists(st.tuples(word, marks), min_size=1, max_size=12)))
        end = at + draw(st.floats(0.1, 6))
        found.append(words_of(text, at, end))
        at = end
    return found


segmenters = st.sampled_from(["word", "sentence", "time"])


@given(utterances(), segmenters, st.integers(1, 15))
def test_no_word_is_lost_or_doubled_and_the_order_is_kept(said: list[list[Word]], by: Segmenter, value: int) -> None:
    batches = Batches(by, value)
    done = [batch for words in said for batch in batches.add(words)] + batches.flush()
    assert [w for batch in done for w in batch.words] == [w for words in said for w in words]
    assert batches.flush() == []


@given(utterances(), segmenters, st.integers(1, 15))
def test_every_batch_but_the_last_is_exactly_full(said: list[list[Word]], by: Segmenter, value: int) -> None:
    batches = Batches(by, value)
    done = [batch for words in said for batch in batches.add(words)]
    for batch in done:
        if by == "word":
            assert len(batch.words) == value
        elif by == "sentence":
            assert sum(w.ends_sentence for w in batch.words) == value
            assert batch.words[-1].ends_sentence
        else:
            assert len({w.start // value for w in batch.words}) == 1
    if by == "time":
        windows = [batch.start // value for batch in done + batches.flush()]
        assert windows == sorted(set(windows))


@given(utterances(), segmenters, st.integers(1, 15))
def test_an_interruption_divides_a_batch_into_parts_and_ends_none(
    said: list[list[Word]], by: Segmenter, value: int
) -> None:
    whole, divided = Batches(by, value), Batches(by, value)
    expected = [batch for words in said for batch in whole.add(words)] + whole.flush()
    found = []
    for words in said:
        found += divided.add(words)
        divided.interrupt()
        divided.interrupt()
    found += divided.flush()
    assert [batch.words for batch in found] == [batch.words for batch in expected]
    lasts = {words[-1] for words in said}
    for batch in found:
        assert len(batch.parts) == 1 + sum(word in lasts for word in batch.words[:-1])
        assert (batch.parts[0][0], batch.parts[-1][1]) == (batch.start, batch.words[-1].end)
        assert all(any(start <= word.start < end for start, end in batch.parts) for word in batch.words)


def test_a_clock_that_was_set_back_during_an_interruption_ends_the_batch() -> None:
    batches = Batches("word", 4)
    assert batches.add(words_of("one two", 1000.0, 1001.0)) == []
    batches.interrupt()
    [before] = batches.add(words_of("three four", 400.0, 401.0))
    assert (before.text, before.parts) == ("one two", [(1000.0, 1001.0)])
    [after] = batches.flush()
    assert (after.text, after.parts) == ("three four", [(400.0, 401.0)])


def test_a_silent_stretch_does_not_hold_back_a_batch_by_time() -> None:
    batches = Batches("time", 10)
    assert batches.add(words_of("hello there", 100.0, 101.0)) == []
    assert batches.reach(109.0) == []
    [batch] = batches.reach(110.0)
    assert (batch.text, batch.start, batch.end) == ("hello there", 100.0, 101.0)


def test_a_batch_by_time_ends_with_the_sentence_that_is_being_spoken() -> None:
    batches = Batches("time", 10, whole_sentences=True)
    assert batches.add(words_of("We met today. Now we", 105.0, 109.0)) == []
    assert batches.reach(110.0) == []
    assert batches.add(words_of("come to the point", 109.5, 112.0)[:-1]) == []
    done = batches.add(words_of("point. Next", 112.0, 113.0))
    assert [batch.text for batch in done] == ["We met today. Now we come to the point."]
    assert [batch.text for batch in batches.flush()] == ["Next"]


@pytest.mark.parametrize(("reached", "ended"), [(110.0, False), (113.0, False), (114.0, True)])
def test_a_sentence_that_is_not_continued_ends_its_batch(reached: float, ended: bool) -> None:
    batches = Batches("time", 10, whole_sentences=True)
    batches.add([Word("Yes.", 100.0, 101.0, True), Word("But", 108.0, 109.0)])
    assert bool(batches.reach(reached)) is ended


@given(utterances(), st.integers(1, 15))
def test_a_speaker_without_an_end_cannot_hold_a_batch_open(said: list[list[Word]], value: int) -> None:
    batches = Batches("time", value, whole_sentences=True)
    done = [batch for words in said for batch in batches.add(words)] + batches.flush()
    assert [w for batch in done for w in batch.words] == [w for words in said for w in words]
    for batch in done:
        first = batch.words[0].start // value * value
        assert all(word.start < first + value + max(value, 5.0) for word in batch.words)


def test_words_without_times_are_spread_over_their_utterance_in_order() -> None:
    words = words_of("a bb ccc", 10.0, 19.0)
    assert [(w.start, w.end) for w in words] == [(10.0, 12.0), (12.0, 15.0), (15.0, 19.0)]


def test_an_utterance_without_marks_is_one_sentence_and_quotes_do_not_hide_a_mark() -> None:
    assert [w.ends_sentence for w in words_of("no marks here", 0, 1)] == [False, False, True]
    assert [w.ends_sentence for w in words_of('He said "stop." Then left', 0, 1)] == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"segmenter": "page"}, "'word', 'sentence' or 'time'"),
        ({"segmenter": "word", "segmentation_value": 0}, "whole number"),
        ({"segmenter": "word", "segmentation_value": 2.5}, "whole number"),
        ({"segmenter": "time", "segmentation_value": 0.1}, "1 to 3600 seconds"),
        ({"segmentation_value": "many"}, "must be a number"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_with_a_sentence(given_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        config(given_)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 20)), max_size=8), st.integers(0, 60))
def test_words_outside_of_batches_are_found_once_and_divided_where_one_is_inside(
    ranges: list[tuple[int, int]], count: int
) -> None:
    covered = sorted((float(start), float(start + length)) for start, length in ranges)
    apart = [
        one for number, one in enumerate(covered) if not number or one[0] >= max(end for _, end in covered[:number])
    ]
    words = [Word(str(number), 3.0 * number, 3.0 * number + 2) for number in range(count)]
    runs = uncovered(words, apart)

    def inside(word: Word) -> bool:
        return any(start <= word.start + 1 < end for start, end in apart)

    assert [word for run in runs for word in run] == [word for word in words if not inside(word)]
    assert all(int(after.text) == int(before.text) + 1 for run in runs for before, after in pairwise(run))
    assert all(inside(words[int(run[0].text) - 1]) for run in runs[1:])


@pytest.mark.parametrize(
    ("values", "segmenter", "value"),
    [
        (None, "word", 10),
        ({}, "word", 10),
        ({"segmenter": ""}, "word", 10),
        ({"segmenter": "word"}, "word", 10),
        ({"segmenter": "sentence"}, "sentence", 1),
        ({"segmenter": "time"}, "time", 10),
        ({"segmentation_value": 7}, "word", 7),
        ({"segmenter": "sentence", "segmentation_value": 3.0}, "sentence", 3),
        *[({"segmenter": kind, "segmentation_value": 1}, kind, 1) for kind in ("word", "sentence", "time")],
        *[({"segmenter": kind, "segmentation_value": 5000}, kind, 5000) for kind in ("word", "sentence")],
        ({"segmenter": "time", "segmentation_value": 1.5}, "time", 1.5),
        ({"segmenter": "time", "segmentation_value": 3600}, "time", 3600),
    ],
)
def test_defaults_and_borders_of_a_batch(values: dict[str, Any] | None, segmenter: str, value: float) -> None:
    assert config(values) == {"segmenter": segmenter, "segmentation_value": value}


@pytest.mark.parametrize(
    "values",
    [
        *[{"segmenter": kind, "segmentation_value": 0} for kind in ("word", "sentence", "time")],
        *[{"segmenter": kind, "segmentation_value": 0.99} for kind in ("word", "sentence", "time")],
        *[{"segmenter": kind, "segmentation_value": 5001} for kind in ("word", "sentence", "time")],
        {"segmenter": "time", "segmentation_value": 3600.1},
        {"segmenter": "word", "segmentation_value": 1.5},
        {"segmentation_value": True},
        {"segmentation_value": math.inf},
        {"segmentation_value": "10"},
        {"segmenter": "page"},
    ],
)
def test_a_batch_beyond_a_border_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch"):
        config(values)


@pytest.mark.parametrize(("value", "until"), [(10, 120.0), (2, 107.0)])
def test_a_sentence_without_an_end_is_cut_after_as_much_time_again(value: int, until: float) -> None:
    batches = Batches("time", value, whole_sentences=True)
    assert batches.add([Word("so", 100.0, 100.5), Word("and", 100.5, until - 1)]) == []
    assert batches.reach(until - 0.001) == []
    assert [[one.text for one in batch.words] for batch in batches.reach(until)] == [["so", "and"]]
