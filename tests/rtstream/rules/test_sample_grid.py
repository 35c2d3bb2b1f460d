"""A tap takes the pictures on its grid."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.sample_grid import grid_cell, keyframes_suffice, scaled_size

START = 1_800_000_000.0


@pytest.mark.parametrize("fps", [5, 24, 25, 29.97, 30, 60])
@pytest.mark.parametrize("interval", [0.4, 0.5, 1.0, 2.0, 3.7])
def test_a_steady_source_gives_one_picture_each_interval(fps: float, interval: float) -> None:
    times = [START + 0.0123 + n / fps for n in range(int(40 * fps))]
    cells = [grid_cell(time, interval) for time in times]
    taken = [time for time, cell, before in zip(times[1:], cells[1:], cells, strict=False) if cell != before]
    assert len(taken) in (int(40 / interval), int(40 / interval) - 1, int(40 / interval) + 1)
    for before, after in pairwise(taken):
        assert after - before == pytest.approx(interval, abs=1 / fps + 0.003)


@given(st.floats(0, 4e9), st.floats(0.001, 3600))
def test_a_cell_begins_on_a_multiple_of_the_interval(time: float, interval: float) -> None:
    cell = grid_cell(time, interval)
    assert cell * interval - 0.01 <= time <= (cell + 1) * interval + 0.01


def test_an_interval_of_zero_takes_every_picture() -> None:
    cells = [grid_cell(START + n / 60, 0) for n in range(600)]
    assert len(set(cells)) == 600


def test_keyframes_suffice_only_when_they_come_often_enough_for_every_tap() -> None:
    assert keyframes_suffice([2.0, 5.0], 2.002)
    assert not keyframes_suffice([1.0, 5.0], 2.0)
    assert not keyframes_suffice([5.0], None)
    assert not keyframes_suffice([], 1.0)


@given(st.integers(2, 8000), st.integers(2, 8000), st.integers(16, 4096), st.floats(0.3, 3))
def test_a_scaled_picture_is_even_fits_and_is_never_larger(width: int, height: int, side: int, aspect: float) -> None:
    w, h = scaled_size(width, height, side, aspect)
    assert w % 2 == h % 2 == 0
    assert max(w, h) <= max(2, side + 1)
    assert w <= width * aspect + 2
    assert h <= height + 1


def test_a_scaled_picture_has_the_shape_of_what_is_shown() -> None:
    assert scaled_size(1920, 1080, 768) == (768, 432)
    assert scaled_size(720, 576, 1024, 64 / 45) == (1024, 576)  # anamorphic PAL
    assert scaled_size(320, 180, 1280) == (320, 180)
