"""Windows that need no description: screens that stay, in spite of a speaker's picture or a clock that moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rtstream.perception.vision import features
from rtstream.perception.vision.screen_watch import LEARNT, REFRESH_S, ScreenWatch, is_screen

Draw = Callable[..., bytes]
Picture = NDArray[np.uint8]
WINDOW_S = 5.0
LINES = ["Quarterly review", "Revenue grew by 12 %", "Next: hiring"]


@pytest.fixture(scope="module")
def slide(screen: Draw) -> Picture:
    return features.thumbnail(screen(LINES))


def speaker(picture: Picture, seed: int, *, height: int = 40, width: int = 56) -> Picture:
    """The picture with something that moves in its lower right corner."""
    shown = picture.copy()
    noise = np.random.default_rng(seed).integers(0, 255, (height, width), dtype=np.uint8)
    shown[-height:, -width:] = noise
    return shown


class Calls:
    """A model that is called unless a window is unchanged, and the windows for which it was called."""

    def __init__(self) -> None:
        self.watch = ScreenWatch()
        self.number = 0
        self.called: list[int] = []

    def window(self, *pictures: Picture) -> None:
        time = 1000.0 + WINDOW_S * self.number
        if not self.watch.is_unchanged(pictures, time):
            self.called.append(self.number)
            self.watch.describe(pictures[-1], time)
        self.number += 1


def test_a_still_screen_is_described_once_and_again_when_a_digit_changes(slide: Picture, screen: Draw) -> None:
    model = Calls()
    for _ in range(20):
        model.window(slide, slide)
    other = features.thumbnail(screen([LINES[0], "Revenue grew by 13 %", LINES[2]]))
    model.window(slide, other)
    model.window(other, other)
    assert model.called == [0, 20]


def test_a_screen_with_a_speaker_is_described_when_its_page_changes_and_now_and_then(
    slide: Picture, screen: Draw
) -> None:
    model = Calls()
    for number in range(24):
        model.window(speaker(slide, 2 * number), speaker(slide, 2 * number + 1))
    before = range(LEARNT - 1)  # until it is known that it moves all the time
    refreshed = range(LEARNT - 2, 24, int(REFRESH_S / WINDOW_S))
    assert model.called == sorted({*before, *refreshed})
    other = features.thumbnail(screen([LINES[0], "Revenue grew by 13 %", LINES[2]]))
    model.window(speaker(other, 100), speaker(other, 101))
    assert model.called[-1] == 24
    for number in range(3):
        model.window(speaker(other, 200 + number), speaker(other, 300 + number))
    assert model.called[-1] == 24


def test_a_part_that_moved_only_once_or_is_too_large_counts(slide: Picture) -> None:
    model = Calls()
    for _ in range(6):
        model.window(slide, slide)
    model.window(slide, speaker(slide, 1))
    model.window(speaker(slide, 1), speaker(slide, 1))
    assert model.called == [0, 6]
    large = Calls()
    for number in range(6):
        large.window(speaker(slide, number, height=110, width=320), speaker(slide, 50 + number, height=110, width=320))
    assert large.called == list(range(6))


def test_in_the_picture_of_a_camera_every_change_counts() -> None:
    y, x = np.mgrid[:180, :320]
    noise = np.random.default_rng(1).normal(0, 2.5, (180, 320))
    yard = (90 + 60 * np.sin(x / 17) * np.cos(y / 23) + noise).astype(np.uint8)
    assert not is_screen(yard)
    model = Calls()
    for number in range(8):
        model.window(speaker(yard, number), speaker(yard, 50 + number))
    assert model.called == list(range(8))


def test_a_picture_of_another_size_is_described(slide: Picture) -> None:
    model = Calls()
    for picture in (slide, slide, slide[:90, :160], slide[:90, :160], slide):
        model.window(picture, picture)
    assert model.called == [0, 2, 4]


def test_a_screen_is_told_from_a_camera_by_its_plain_areas(slide: Picture, screen: Draw) -> None:
    assert is_screen(slide)
    assert is_screen(features.thumbnail(screen(LINES, background="#101418", ink="white")))
    assert not is_screen(np.random.default_rng(1).integers(0, 255, (180, 320), dtype=np.uint8))
    assert not is_screen(np.zeros((4, 4), np.uint8))
