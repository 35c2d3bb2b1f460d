"""The pause between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.backoff import delay


@given(st.integers(0, 10**9), st.floats(0.1, 3600), st.floats(0, 1))
def test_the_pause_stays_within_its_bounds(attempt: int, longest: float, luck: float) -> None:
    assert min(longest, 0.5) / 2 <= delay(attempt, longest, luck) <= longest


def test_the_pause_doubles_until_it_is_at_its_longest() -> None:
    assert [delay(attempt, 30, 1.0) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_luck_spreads_the_pause_over_its_upper_half() -> None:
    assert (delay(4, 30, 0.0), delay(4, 30, 0.5), delay(4, 30, 1.0)) == (2.0, 3.0, 4.0)
