from collections.abc import Callable

import numpy as np
import pytest

from rtstream.perception.vision import features

Draw = Callable[..., bytes]
LINES = ["Invoice 4711", "Total 12.50 EUR"]


def test_a_thumbnail_is_small_and_grey(screen: Draw) -> None:
    thumb = features.thumbnail(screen(LINES))
    assert thumb.shape == (180, 320)
    assert thumb.dtype == np.uint8


def test_one_changed_digit_changes_one_place(screen: Draw) -> None:
    old, new = features.thumbnail(screen(LINES)), features.thumbnail(screen(["Invoice 4712", LINES[1]]))
    changed = features.changed_tiles(old, new)
    assert 1 <= changed.sum() <= 4
    assert not features.changed_tiles(old, old).any()
    assert not features.is_cut(old, new)


def test_pictures_of_other_sizes_are_wholly_different() -> None:
    old, new = np.zeros((90, 160), np.uint8), np.zeros((180, 320), np.uint8)
    assert features.changed_tiles(old, new).all()
    assert features.is_cut(old, new)


def test_cuts_and_motion_are_told_apart(screen: Draw) -> None:
    one, other = features.thumbnail(screen(LINES)), features.thumbnail(screen(LINES, background="navy", ink="white"))
    moving = []
    for step in range(4):
        picture = np.full((180, 320), 100, np.uint8)
        picture[40:80, 20 + 30 * step : 60 + 30 * step] = 200
        moving.append(picture)
    assert features.motion([one, one, other, other]) == features.Motion(1, 0.0)
    moved = features.motion(moving)
    assert moved.cuts == 0
    assert 0.02 < moved.share < 0.2


def test_black_and_blank_pictures_are_named(screen: Draw) -> None:
    black, grey = (features.thumbnail(screen([], background=colour)) for colour in ("#050505", "#808080"))
    written = features.thumbnail(screen(LINES))
    assert (features.is_black(black), features.is_black(grey), features.is_black(written)) == (True, False, False)
    assert (features.is_blank(grey), features.is_blank(written)) == (True, False)


@pytest.mark.parametrize("colour", ["white", "black", "red", "green", "blue", "yellow", "orange", "purple"])
def test_a_plain_colour_is_called_by_its_name(screen: Draw, colour: str) -> None:
    assert features.main_colours(screen([], background=colour))[0].endswith(colour)


@pytest.mark.parametrize("jpeg", [b"", b"nonsense", b"\xff\xd8\xff\xe0"])
def test_a_broken_picture_is_refused(jpeg: bytes) -> None:
    with pytest.raises(features.BadPicture):
        features.thumbnail(jpeg)
