"""Windows of pictures on the Unix time line."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.sample_grid import grid_cell
from rtstream.rules.windows import Window, Windows


@dataclass(frozen=True)
class Shot:
    time: float


times = st.lists(st.integers(0, 4000), max_size=120).map(
    lambda ticks: [1_000_000 + tick / 20 for tick in sorted(ticks)]
)


@given(times, st.sampled_from([0.5, 1.0, 2.0, 5.0, 7.0]), st.integers(1, 8))
def test_every_picture_is_in_the_window_of_its_time_and_none_is_doubled(
    moments: list[float], length: float, k: int
) -> None:
    windows = Windows[Shot](length, k)
    done: list[Window[Shot]] = []
    for moment in moments:
        done += windows.add(Shot(moment))
    done += windows.flush()

    expected: dict[int, list[Shot]] = {}
    for moment in moments:
        expected.setdefault(int(moment / length + 1e-6), []).append(Shot(moment))
    assert [(w.start, w.end, list(w.pictures)) for w in done] == [
        (number * length, (number + 1) * length, shots[:k]) for number, shots in sorted(expected.items())
    ]


def test_a_window_is_done_when_the_clock_passes_its_end_without_another_picture() -> None:
    windows = Windows[Shot](2.0, 5)
    assert windows.add(Shot(100.5)) == []
    assert windows.reach(101.9) == []
    assert windows.reach(102.0) == [Window(100.0, 102.0, (Shot(100.5),))]
    assert windows.reach(104.0) == []


def test_a_picture_of_a_window_that_is_past_is_left_out() -> None:
    windows = Windows[Shot](2.0, 5)
    windows.add(Shot(100.5))
    windows.add(Shot(102.5))
    assert windows.add(Shot(101.0)) == []
    assert windows.flush() == [Window(102.0, 104.0, (Shot(102.5),))]


def test_pictures_a_hair_before_the_grid_are_in_the_window_they_were_sampled_for() -> None:
    # 15 pictures a second whose times are a millisecond short, as media clocks round; 3 wanted in each second.
    windows, taken, cell = Windows[Shot](1.0, 3), [], None
    for tick in range(31):
        shot = Shot(1_000_000 + tick / 15 - 0.001)
        if grid_cell(shot.time, 1 / 3) != cell:
            cell = grid_cell(shot.time, 1 / 3)
            taken += windows.add(shot)
    assert [[round(shot.time - window.start, 3) for shot in window.pictures] for window in taken] == [
        [-0.001, 0.332, 0.666],
        [-0.001, 0.332, 0.666],
    ]


@given(times, st.sampled_from([0.5, 1.0, 2.0, 5.0]), st.integers(0, 60))
def test_windows_that_begin_later_have_everything_from_there_on(moments: list[float], length: float, skip: int) -> None:
    first = grid_cell(1_000_000, length) + skip
    later, all_of_them = Windows[Shot](length, 3), Windows[Shot](length, 3)
    later.begin_with(first)
    found = [window for moment in moments for window in later.add(Shot(moment))] + later.flush()
    known = [window for moment in moments for window in all_of_them.add(Shot(moment))] + all_of_them.flush()
    assert found == [window for window in known if window.start >= first * length]


def test_a_clock_that_is_set_back_after_the_first_window_is_followed() -> None:
    windows = Windows[Shot](1.0, 1)
    windows.begin_with(10)
    assert windows.add(Shot(9.5)) == []
    assert windows.add(Shot(10.5)) == []
    assert [window.start for window in windows.flush()] == [10.0]
    windows.add(Shot(3.5))
    assert [window.start for window in windows.flush()] == [3.0]


def test_a_clock_that_is_set_back_within_a_window_completes_it_and_is_followed() -> None:
    windows = Windows[Shot](2.0, 5)
    windows.add(Shot(100.5))
    assert windows.add(Shot(91.0)) == [Window(100.0, 102.0, (Shot(100.5),))]
    assert windows.add(Shot(92.0)) == [Window(90.0, 92.0, (Shot(91.0),))]


def test_a_clock_that_is_set_back_before_the_first_window_is_followed() -> None:
    windows = Windows[Shot](2.0, 5)
    windows.begin_with(51)
    assert windows.add(Shot(100.5)) == []
    windows.add(Shot(40.5))
    assert windows.flush() == [Window(40.0, 42.0, (Shot(40.5),))]
