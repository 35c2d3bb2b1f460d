"""Gaps of an index: their windows, their order, and when there is time for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules import gaps
from rtstream.rules.windows import Windows

LENGTHS = st.sampled_from([0.5, 1.0, 2.0, 5.0, 7.0, 60.0])
BASE = 1_800_000_000.0


@dataclass(frozen=True)
class Shot:
    time: float


@dataclass(frozen=True)
class Stretch:
    end: float | None


def test_a_gap_begins_after_the_newest_window_but_not_before_the_index_was_started() -> None:
    assert gaps.gap_start(2.0, 11.0, None, None) == 10.0
    assert gaps.gap_start(2.0, 11.0, None, 24.0) == 24.0
    assert gaps.gap_start(2.0, 11.0, 31.5, 24.0) == 30.0
    assert gaps.gap_start(2.0, 11.0, 31.5, 40.0) == 40.0


@given(LENGTHS, st.integers(1, 8), st.integers(0, 100_000))
def test_the_first_whole_window_has_all_its_frames_and_the_one_before_it_has_not(
    length: float, frames: int, tick: int
) -> None:
    first = BASE + tick * 0.04
    number = gaps.first_whole_window(first, length, frames)
    interval = length / frames
    shots = [first + step * 0.04 for step in range(math.ceil(3 * length / 0.04))]
    windows = Windows[Shot](length, frames)
    by_cell: dict[int, float] = {}
    for at in shots:
        by_cell.setdefault(math.floor((at + 0.002) / interval), at)
    done = [window for at in by_cell.values() for window in windows.add(Shot(at))]
    sizes = {round(window.start / length): len(window.pictures) for window in done}
    if interval >= 0.05:
        assert sizes[number] == frames
    assert all(size < frames for before, size in sizes.items() if before < number)
    assert number * length <= first + length + 0.01


@given(
    LENGTHS,
    st.integers(0, 40),
    st.integers(0, 40),
    st.sets(st.integers(0, 90)),
    st.lists(st.tuples(st.floats(0, 300), st.floats(0.5, 40)), max_size=6),
)
def test_missing_windows_are_those_that_a_slow_look_at_each_one_finds(
    length: float, first: int, count: int, known: set[int], pieces: list[tuple[float, float]]
) -> None:
    base = math.ceil(BASE / length)
    start, end = (base + first) * length, (base + first + count) * length
    recorded: list[tuple[float, float]] = []
    at = BASE
    for pause, duration in pieces:
        at += pause
        recorded.append((at, at + duration))
        at += duration
    found = gaps.missing_windows(start, end, length, [(base + one) * length for one in known], recorded)
    wanted = [
        base + number
        for number in range(first, first + count)
        if number not in known
        and any(
            begin + 0.002 < (base + number + 1) * length and until - 0.002 > (base + number) * length
            for begin, until in recorded
        )
    ]
    assert found == sorted(set(found))
    # A recording may touch a window by no more than the tolerance of the grid.
    assert set(wanted) <= set(found)
    assert all(
        number - base not in known
        and start <= number * length < end
        and any(begin < (number + 1) * length and until > number * length for begin, until in recorded)
        for number in found
    )


def test_windows_that_are_only_partly_in_the_gap_do_not_belong_to_it() -> None:
    everything = [(0.0, 100.0)]
    assert gaps.missing_windows(3.0, 9.0, 2.0, [], everything) == [2, 3]
    assert gaps.missing_windows(4.0, 10.0, 2.0, [6.0], everything) == [2, 4]
    assert gaps.missing_windows(4.0, 4.0, 2.0, [], everything) == []
    assert gaps.missing_windows(4.0, 10.0, 2.0, [], []) == []


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=200))
def test_the_newest_gap_is_first_and_the_oldest_beyond_the_limit_are_given_up(ends: list[float | None]) -> None:
    stretches = [Stretch(end) for end in ends]
    ordered = gaps.newest_first(stretches)
    assert [gap.end for gap in ordered] == sorted((end for end in ends if end is not None), reverse=True)
    given_up = gaps.too_many(stretches)
    assert len(stretches) - len(given_up) <= max(gaps.MAX_GAPS, ends.count(None))
    assert given_up == ordered[len(ordered) - len(given_up) :]
    if len(stretches) <= gaps.MAX_GAPS:
        assert given_up == []


def test_footage_is_complete_up_to_the_end_of_an_open_recording_but_not_for_ever() -> None:
    now = 1000.0
    assert gaps.settled_until(now, (998.0, False), 900.0) == 998.0
    assert gaps.settled_until(now, (998.0, True), 900.0) == now - gaps.SETTLED_S
    assert gaps.settled_until(now, (100.0, False), 900.0) == now - gaps.FINAL_S
    assert gaps.settled_until(now, None, 900.0) == now - gaps.SETTLED_S


@pytest.mark.parametrize("closed", [True, False])
def test_footage_that_waits_for_the_database_is_not_complete_however_old_it_is(closed: bool) -> None:
    assert gaps.settled_until(1000.0, (100.0, closed), 900.0, behind=True) == 100.0
    assert gaps.settled_until(1000.0, (100.0, closed), 1100.0, behind=True) == 100.0
    assert gaps.settled_until(1000.0, None, 900.0, behind=True) == -math.inf


def test_footage_of_the_future_is_complete_because_the_clock_was_set_back() -> None:
    assert gaps.settled_until(1000.0, (999.0, False), 1100.0) == math.inf
    assert gaps.settled_until(1000.0, (999.0, False), 1001.0) == 999.0


def test_after_a_request_or_a_step_of_the_clock_a_gap_begins_there_whenever_the_index_was_created() -> None:
    assert gaps.gap_start(2.0, 5000.0, 1001.0, None) == 1000.0
    assert gaps.gap_start(2.0, 5000.0, 1001.0, 1010.0) == 1010.0
    assert gaps.gap_start(2.0, 5001.0, None, None) == 5000.0


@pytest.mark.parametrize(
    ("busy", "due_s", "look_s", "live", "indexes", "expected"),
    [
        (True, 10.0, 0.1, 1000, 1, False),
        (False, 1.0, 0.5, 0, 1, True),
        (False, 1.0, 1.5, 24, 1, False),
        (False, 1.0, 1.5, 25, 1, True),
        (False, 1.0, 1.5, 99, 4, False),
        (False, 1.0, 1.5, 100, 4, True),
        (False, math.inf, 1.5, 0, 0, True),
        (False, 0.0, 0.1, 25, 0, True),
    ],
)
def test_the_past_has_time_between_live_windows_and_else_delays_few_of_them(
    busy: bool, due_s: float, look_s: float, live: int, indexes: int, expected: bool
) -> None:
    assert gaps.has_time(busy, due_s, look_s, live, indexes) is expected


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1e6), st.floats(0, 1e3))
def test_whether_gaps_join_does_not_depend_on_their_order(a: float, a_s: float, b: float, b_s: float) -> None:
    one, other = (a, a + a_s), (b, b + b_s)
    assert gaps.joins(*one, other) == gaps.joins(*other, one)
    assert gaps.joins(*one, one)


def test_what_is_missing_at_the_beginning_of_a_recording_did_not_arrive() -> None:
    arrivals = gaps.Arrivals()
    assert arrivals.add(100.0, 100.1) is None
    assert arrivals.add(100.1, 100.2) is None
    arrivals.cut()
    assert arrivals.add(102.0, 102.1) == (100.2, 102.0)
    assert arrivals.add(103.0, 103.1) is None


def test_a_long_pause_within_a_recording_may_be_footage_that_did_not_arrive() -> None:
    arrivals = gaps.Arrivals()
    arrivals.add(100.0, 100.0)
    for second in range(1, 31):  # a still picture, but the recorder reports how far it has come
        arrivals.reach(100.0 + second)
    assert arrivals.add(131.0, 131.0) is None
    arrivals.reach(140.0)
    assert arrivals.add(140.5, 140.5) == (131.0, 140.5)


def test_a_clock_that_is_set_back_is_not_something_that_arrived_before() -> None:
    arrivals = gaps.Arrivals()
    arrivals.reach(50.0)
    assert arrivals.add(100.0, 101.0) is None
    assert arrivals.add(99.0, 100.0) is None
    arrivals.cut()
    arrivals.reach(105.0)
    assert arrivals.add(40.0, 41.0) == (100.0, 40.0)


def test_a_window_without_a_picture_is_unusual_only_where_each_one_before_had_one() -> None:
    windows = gaps.RegularWindows()
    for number in (5, 5, 6, 7, 8, 9, 10):
        assert windows.add(number) is None
    assert windows.add(13) == range(11, 13)
    assert windows.add(15) is None, "a slow source leaves out windows by itself"
    for number in range(16, 22):
        windows.add(number)
    windows.cut()
    assert windows.add(30) is None, "between two recordings there is nothing"
    for number in range(31, 37):
        windows.add(number)
    assert windows.add(20) is None, "the clock was set back"
    assert windows.add(22) is None


@pytest.mark.parametrize(
    ("ended", "open_ones", "given_up"), [(64, 0, 0), (65, 0, 1), (64, 1, 1), (63, 1, 0), (70, 2, 8)]
)
def test_gaps_that_have_not_ended_count_towards_the_limit(ended: int, open_ones: int, given_up: int) -> None:
    stretches = [Stretch(float(number)) for number in range(ended)] + [Stretch(None)] * open_ones
    assert [gap.end for gap in gaps.too_many(stretches)] == [float(number) for number in range(given_up)][::-1]


@pytest.mark.parametrize(
    ("spoken", "speech", "wanted"),
    [
        (None, [], []),
        (None, [(12, 13)], [(12, 13, None), (13, 18, 27)]),
        (9, [], [(9, 14, 31)]),
        (4, [], []),  # the silence was long enough before the gap
        (5, [], []),
        (5.1, [], [(5.1, 10.1, 34.9)]),
        (9, [(14, 15)], [(9, 14, 5), (14, 15, None), (15, 20, 25)]),
        (9, [(13.9, 15)], [(13.9, 15, None), (15, 20, 25)]),
        (9, [(30, 35)], [(9, 14, 21), (30, 35, None), (35, 40, 5)]),
        (9, [(11, 12), (10, 36)], [(10, 36, None), (11, 12, None)]),  # long enough only after the gap
    ],
)
def test_the_moments_of_speech_and_silence_in_a_gap(
    spoken: float | None, speech: list[tuple[float, float]], wanted: list[tuple[float, float, float | None]]
) -> None:
    found = gaps.speech_moments(spoken, speech, 10, 40, 5)
    assert [(one.start, one.end, one.silence_s) for one in found] == wanted
