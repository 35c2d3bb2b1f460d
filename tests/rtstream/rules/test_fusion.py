"""Scores, limits and joining of search hits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules import fusion
from rtstream.rules.fusion import HitMoment

shares = st.floats(0, 1)
cosines = st.floats(-1, 1)


def moment(doc: int, start: float, end: float, text: str, score: float = 0.5, place: str = "a") -> HitMoment:
    return HitMoment(doc, place, start, end, text, score)


@given(st.none() | cosines, shares, st.booleans())
def test_a_score_is_between_0_and_1(cosine: float | None, share: float, by_meaning: bool) -> None:
    assert 0 <= fusion.score(cosine, share, by_meaning=by_meaning) <= 1


@given(cosines, cosines, shares, shares)
def test_closer_in_meaning_and_more_words_never_score_less(c1: float, c2: float, s1: float, s2: float) -> None:
    worse = fusion.score(min(c1, c2), min(s1, s2), by_meaning=True)
    assert worse <= fusion.score(max(c1, c2), max(s1, s2), by_meaning=True)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=32), st.integers(1, 10_000))
def test_weights_sum_to_1_and_rarer_words_weigh_more(found_in: list[int], documents: int) -> None:
    weights = fusion.weights(found_in, documents)
    assert sum(weights) == pytest.approx(1)
    for count, weight in zip(found_in, weights, strict=True):
        assert all(weight >= other for more, other in zip(found_in, weights, strict=True) if more >= count)


def test_a_document_without_a_vector_ranks_by_its_words_like_a_usual_right_answer() -> None:
    new = fusion.score(None, 1.0, by_meaning=True)
    assert fusion.score(0.15, 0.0, by_meaning=True) < new < fusion.score(0.9, 1.0, by_meaning=True)


@given(st.lists(shares, min_size=1))
def test_100_percent_of_the_range_keeps_all_and_0_only_the_best(scores: list[float]) -> None:
    least = fusion.cut(scores, None, 100)
    assert least == pytest.approx(min(scores), abs=1e-12)
    assert fusion.cut(scores, None, 0) == max(scores)


def test_the_stricter_of_two_limits_holds() -> None:
    assert fusion.cut([0.2, 1.0], None, 20) == pytest.approx(0.84)
    assert fusion.cut([0.2, 1.0], 0.9, 20) == 0.9
    assert fusion.cut([], None, 20) < 0


def test_an_unchanged_screen_is_one_hit_over_the_whole_time() -> None:
    screen = "Invoice 4711 due Friday total 95 EUR for Acme GmbH payment open since March clock"
    hits = fusion.merge(moment(n, n * 2.0, n * 2.0 + 2, f"{screen} 10:{n // 30:02}", 0.5 + n / 1000) for n in range(90))
    assert [(hit.doc, hit.start, hit.end) for hit in hits] == [(89, 0.0, 180.0)]
    assert hits[0].score == pytest.approx(0.589)


def test_the_same_text_later_or_on_another_index_is_another_hit() -> None:
    hits = fusion.merge([moment(1, 0, 2, "a b c"), moment(2, 100, 102, "a b c"), moment(3, 0, 2, "a b c", place="b")])
    assert [hit.doc for hit in hits] == [2, 1, 3]


def test_what_says_something_else_is_not_joined() -> None:
    assert len(fusion.merge([moment(1, 0, 2, "a man walks in"), moment(2, 2, 4, "a man walks out")])) == 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 500), st.sampled_from(["x y", "x y z", "q"]), shares)))
def test_joining_loses_no_time_and_never_the_best_score(parts: list[tuple[str, int, str, float]]) -> None:
    moments = [moment(n, s, s + 2.0, text, score, place) for n, (place, s, text, score) in enumerate(parts)]
    hits = fusion.merge(moments)
    for part in moments:
        assert any(hit.place == part.place and hit.start <= part.start and part.end <= hit.end for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert max((hit.score for hit in hits), default=0) == max((part.score for part in moments), default=0)


@pytest.mark.parametrize(("cosine", "share"), [(0.4, 0.5), (0.0, 1.0), (0.9, 0.0), (1.0, 1.0)])
def test_a_score_is_the_weighted_mean_of_meaning_and_words(cosine: float, share: float) -> None:
    mean = (cosine * 1 + share * fusion.WORD_WEIGHT) / (1 + fusion.WORD_WEIGHT)
    assert fusion.score(cosine, share, by_meaning=True) == pytest.approx(mean)
    assert fusion.score(None, share, by_meaning=True) <= fusion.score(1.0, share, by_meaning=True)


def test_a_search_is_weak_below_a_score_that_words_alone_do_not_reach() -> None:
    border = fusion.WEAK / (1 + fusion.WORD_WEIGHT)
    assert fusion.is_weak(border - 0.01)
    assert not fusion.is_weak(border)
    assert not fusion.is_weak(1.0)


def test_the_weight_of_a_word_is_its_inverse_document_frequency() -> None:
    rare, common = math.log(1 + 11 / 1.5), math.log(1 + 11 / 10.5)
    assert fusion.weights([1, 10], 10) == pytest.approx([rare / (rare + common), common / (rare + common)])
