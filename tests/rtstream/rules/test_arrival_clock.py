"""Pictures of a source without a clock are at the times of their arrival."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.arrival_clock import ADRIFT_S, LEAST_S, ArrivalClock

NOW = 1_800_000_000.0


@pytest.mark.parametrize("rate", [0.1, 1, 5, 25, 60])
def test_a_steady_source_has_its_own_rate(rate: float) -> None:
    clock = ArrivalClock()
    times = [clock.place(NOW + number / rate) for number in range(100)]
    assert times[-1] - times[0] == pytest.approx(99 / rate, abs=ADRIFT_S)
    assert 1 / clock.interval_s == pytest.approx(rate, rel=0.15)


def test_pictures_that_arrive_together_are_spread() -> None:
    clock, rate, together = ArrivalClock(), 20, 4
    times = [clock.place(NOW + number // together * together / rate) for number in range(400)]
    steps = [later - time for time, later in pairwise(times[100:])]
    assert max(steps) < 3 / rate
    assert times[-1] - times[0] == pytest.approx(399 / rate, abs=ADRIFT_S)


@given(st.lists(st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 100)), max_size=200))
def test_times_increase_and_stay_near_the_arrival(steps: list[float]) -> None:
    clock, arrival, last = ArrivalClock(), NOW, 0.0
    for number, step in enumerate(steps):
        arrival += step
        at = clock.place(arrival)
        assert at > last
        assert -ADRIFT_S <= at - arrival <= ADRIFT_S + number * LEAST_S
        last = at
