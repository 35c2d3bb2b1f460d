"""Stretches without results, and their reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.timeline_gaps import AnalysisFacts, StreamFacts, quiet_ranges, reason
from rtstream.states import GapReason, SkipReason

HOUR = (3600.0, 7200.0)
RUNNING = AnalysisFacts(created_at=0.0, running=True)
STREAM = StreamFacts(
    created_at=0.0, running=True, stored=True, recorded=[HOUR], indexes=[RUNNING], transcripts=[RUNNING]
)


@pytest.mark.parametrize(
    ("channel", "covered", "found"),
    [
        ("scenes", [], [(3600.0, 7200.0)]),
        ("scenes", [(3600.0, 5000.0), (5400.0, 7200.0)], [(5000.0, 5400.0)]),
        ("scenes", [(3500.0, 7300.0)], []),
        ("scenes", [(3600.0, 5000.0), (5100.0, 7200.0)], []),
        ("transcript", [(3600.0, 5000.0), (5400.0, 7200.0)], []),
        ("transcript", [(4800.0, 4810.0)], [(3600.0, 4800.0), (4810.0, 7200.0)]),
    ],
)
def test_long_stretches_without_results_are_found(
    channel: Literal["scenes", "transcript"],
    covered: list[tuple[float, float]],
    found: list[tuple[float, float]],
) -> None:
    assert quiet_ranges(channel, covered, *HOUR) == found


@given(st.lists(st.tuples(st.floats(0, 9000), st.floats(0, 500)), max_size=20))
def test_a_stretch_without_results_contains_none(covered: list[tuple[float, float]]) -> None:
    ranges = [(start, start + length) for start, length in covered]
    for begin, end in quiet_ranges("scenes", ranges, *HOUR):
        assert all(until <= begin or start >= end for start, until in ranges if until > start)


def test_a_short_range_without_any_result_is_reported() -> None:
    assert quiet_ranges("transcript", [], 0.0, 20.0) == [(0.0, 20.0)]
    assert quiet_ranges("transcript", [], 5.0, 5.0) == []


@pytest.mark.parametrize(
    ("channel", "changes", "words"),
    [
        ("scenes", {"created_at": 8000.0}, "connected later"),
        ("scenes", {"indexes": []}, "no index exists. index_visuals"),
        ("transcript", {"transcripts": []}, "It is not transcribed. transcribe starts that."),
        ("transcript", {"has_audio": False}, "no audio"),
        ("scenes", {"has_video": False}, "no video"),
        ("scenes", {"indexes": [replace(RUNNING, created_at=9000.0)]}, "index was started later"),
        ("scenes", {"recorded": [], "running": False}, "The stream is stopped."),
        ("scenes", {"recorded": [], "lost": [(3000.0, 7000.0, "The source does not respond.")]}, "does not respond."),
        ("scenes", {"recorded": []}, "Nothing was recorded."),
        (
            "scenes",
            {"indexes": [replace(RUNNING, failures=[(4000.0, 4002.0, "the key was refused")])]},
            "1 window could not be described: the key was refused",
        ),
        (
            "scenes",
            {"indexes": [replace(RUNNING, gaps=[(3000.0, 8000.0, GapReason.OVERLOADED)])]},
            "because the engine was overloaded. It is analysed later.",
        ),
        (
            "scenes",
            {"indexes": [replace(RUNNING, running=False, reason="stopped by request")]},
            "The index is stopped. stopped by request",
        ),
        (
            "scenes",
            {"indexes": [replace(RUNNING, skipped={SkipReason.BUDGET_SPENT: 9, SkipReason.STOPPED: 1})]},
            "10 windows of the index were left out since it was created, mostly because a limit",
        ),
        ("transcript", {"transcripts": [replace(RUNNING, running=False, stopped_at=3000.0)]}, "transcript is stopped"),
        ("transcript", {}, "No speech was recognised."),
        ("scenes", {}, "No window was described."),
    ],
)
def test_the_reason_for_an_empty_hour_is_stated(
    channel: Literal["scenes", "transcript"], changes: dict[str, object], words: str
) -> None:
    assert words in reason(channel, HOUR, replace(STREAM, **changes))  # pyright: ignore[reportArgumentType]
