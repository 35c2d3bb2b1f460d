"""An index or a transcript that stands still has a reason; one that keeps up has none."""

from __future__ import annotations

import pytest

from rtstream.rules.stalls import WatchedIndex, index_stall, transcript_stall
from rtstream.states import HealthCode


@pytest.mark.parametrize(
    ("window_s", "late_s", "stalled"),
    [(2.0, 9.0, False), (2.0, 11.0, True), (10.0, 19.0, False), (10.0, 21.0, True), (60.0, 119.0, False)],
)
def test_an_index_is_given_two_windows_and_at_least_ten_seconds(window_s: float, late_s: float, stalled: bool) -> None:
    found = index_stall(WatchedIndex("door", window_s, since=100.0), 100.0 + late_s)
    assert (found is not None) is stalled
    assert found is None or (found[0] is HealthCode.INDEX_STALLED and "'door'" in found[1])


def test_an_index_whose_model_fails_names_the_failure() -> None:
    progress = WatchedIndex("door", 2.0, since=0.0, failure="the model did not respond")
    found = index_stall(progress, 20.0)
    assert found == (HealthCode.MODEL_UNAVAILABLE, "index 'door' describes nothing: the model did not respond")


def test_the_built_in_reader_has_a_code_of_its_own() -> None:
    found = index_stall(WatchedIndex("door", 2.0, since=0.0, failure="it crashed", built_in=True), 20.0)
    assert found == (HealthCode.READER_UNAVAILABLE, "index 'door' describes nothing: it crashed")


def test_one_failed_window_among_others_is_no_problem() -> None:
    assert index_stall(WatchedIndex("door", 2.0, since=16.0, failure="busy"), 20.0) is None


def test_a_paused_index_is_no_stall_but_has_spent_its_budget() -> None:
    found = index_stall(WatchedIndex("door", 2.0, since=0.0, paused=True), 20.0)
    assert found is not None
    assert found[0] is HealthCode.BUDGET_SPENT


@pytest.mark.parametrize(
    ("failure", "waiting_s", "failing_s", "stalled"),
    [
        ("", 5.0, 0.0, False),
        ("", 21.0, 0.0, True),
        ("no engine", 0.0, 5.0, False),
        ("no engine", 0.0, 15.0, True),
    ],
)
def test_a_transcript_stands_still_when_it_fails_or_falls_behind(
    failure: str, waiting_s: float, failing_s: float, stalled: bool
) -> None:
    found = transcript_stall(failure, waiting_s, failing_s)
    assert (found is not None) is stalled
    assert found is None or (found[0] is HealthCode.TRANSCRIPT_STALLED and failure in found[1])
