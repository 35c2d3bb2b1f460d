"""Pictures of a source without a clock are at the times of their arrival."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.arrival_clock import ADRIFT_S, LEAST_S, ArrivalClock, ShownTimes

NOW = 1_800_000_000.0


@pytest.mark.parametrize("rate", [0.1, 1, 5, 25, 60])
def test_a_steady_source_has_its_own_rate(rate: float) -> None:
    clock = ArrivalClock()
    times = [clock.place(NOW + number / rate) for number in range(100)]
    assert times[-1] - times[0] == pytest.approx(99 / rate, abs=ADRIFT_S)
    assert 1 / clock.interval_s == pytest.approx(rate, rel=0.15)


def test_the_first_pause_counts_half_because_two_pictures_are_known() -> None:
    clock = ArrivalClock(interval_s=0.02)
    clock.place(NOW)
    clock.place(NOW + 1.0)
    assert clock.interval_s == pytest.approx(0.51)


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


GROUPS = st.lists(st.sampled_from([(1,), (2, 1), (3, 1, 2), (4, 2, 1, 3), (8, 4, 2, 1, 3, 6, 5, 7), (0,)]), max_size=40)
"""Groups of pictures in the order of decoding, as their places in the order of display; 0 begins again."""


@given(GROUPS, st.sampled_from([1, 2]), st.lists(st.floats(0, 0.4), min_size=320, max_size=320))
def test_pictures_are_shown_in_their_order_however_they_arrive(
    groups: list[tuple[int, ...]], step: int, pauses: list[float]
) -> None:
    clock, shown = ArrivalClock(), ShownTimes(step=2)
    shown.step = step
    arrival, last, count, placed = 0.0, -1.0, 0, list[tuple[int, int, float]]()
    counts, period = [(0, 0)], 0
    for group in groups:
        if group == (0,):
            period, count = period + 1, 0
            counts.append((period, 0))
            continue
        counts += [(period, count + place) for place in group]
        count += max(group)
    for (period, number), pause in zip(counts, pauses, strict=False):
        arrival += pause
        dts, pts = shown.place(clock.place(arrival), number * step, clock.interval_s)
        assert dts > last
        assert pts >= dts
        last = dts
        placed.append((period, number, pts))
    times = [at for _, _, at in sorted(placed)]
    assert all(later > earlier for earlier, later in pairwise(times))


def test_a_steady_source_that_reorders_is_shown_at_a_steady_rate() -> None:
    clock, shown, times = ArrivalClock(), ShownTimes(step=2), dict[int, float]()
    order = [0] + [first + place for first in range(0, 297, 3) for place in (3, 1, 2)]
    for number, count in enumerate(order):
        dts, times[count] = shown.place(clock.place(number / 25), 2 * count, clock.interval_s)
        assert dts <= number / 25 + ADRIFT_S
    steps = [times[count + 1] - times[count] for count in range(150, 290)]
    assert min(steps) == pytest.approx(0.04, abs=0.01)
    assert max(steps) == pytest.approx(0.04, abs=0.01)


def test_pictures_without_a_count_are_shown_as_they_are_decoded() -> None:
    shown = ShownTimes()
    assert [shown.place(at, None, 0.04) for at in (1.0, 2.0)] == [(1.0, 1.0), (2.0, 2.0)]


@pytest.mark.parametrize("unit", [1, 2])
@pytest.mark.parametrize("group", [(1,), (2, 1), (3, 1, 2), (4, 2, 1, 3)])
def test_the_step_of_the_picture_order_is_learnt_and_pictures_are_evenly_spaced(
    group: tuple[int, ...], unit: int
) -> None:
    shown, interval_s = ShownTimes(step=8), 0.04
    order = [0] + [at * len(group) + place for at in range(20) for place in group]
    times = {
        place: shown.place(NOW + number * interval_s, place * unit, interval_s)[1] for number, place in enumerate(order)
    }
    assert shown.step == unit
    late = [times[place] for place in sorted(times)][8:]  # the step is known by then
    steps = [later - earlier for earlier, later in pairwise(late)]
    assert min(steps) == pytest.approx(interval_s, rel=0.3)
    assert max(steps) == pytest.approx(interval_s, rel=0.3)


def test_a_picture_order_that_begins_again_does_not_change_the_step() -> None:
    shown = ShownTimes(step=2)
    for number, count in enumerate([0, 2, 4, 6, 0, 2, 4, 0, 2]):
        shown.place(NOW + number / 25, count, 0.04)
        assert shown.step == 2
    shown.place(NOW + 1, 4, 0.04)
    shown.place(NOW + 1.04, 4, 0.04)  # the second field of a picture
    assert shown.step == 2
