from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.perception.protocols import TextLine
from rtstream.perception.vision import features
from rtstream.perception.vision.text_reader import in_reading_order, regions_to_read

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


BOXES = st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.01, 0.3), st.floats(0.01, 0.1)).map(
    lambda b: (b[0], b[1], min(1.0, b[0] + b[2]), min(1.0, b[1] + b[3]))
)


@given(st.sets(st.tuples(st.integers(0, 22), st.integers(0, 39)), max_size=20), st.lists(BOXES, max_size=15))
def test_what_is_read_again_covers_every_change_and_whole_lines(
    where: set[tuple[int, int]], lines: list[tuple[float, float, float, float]]
) -> None:
    changed = np.zeros((23, 40), dtype=bool)
    for row, column in where:
        changed[row, column] = True
    regions = regions_to_read(changed, lines)
    assert len(regions) <= 4
    assert bool(regions) == bool(where)
    for row, column in where:
        x, y = (column + 0.5) / 40, (row + 0.5) / 23
        assert any(r[0] <= x <= r[2] and r[1] <= y <= r[3] for r in regions)
    for one in regions:
        for box in lines:
            apart = one[0] >= box[2] or box[0] >= one[2] or one[1] >= box[3] or box[1] >= one[3]
            assert apart or (one[0] <= box[0] and one[1] <= box[1] and one[2] >= box[2] and one[3] >= box[3])


def test_lines_are_read_row_by_row() -> None:
    def line(text: str, left: float, top: float) -> TextLine:
        return TextLine(text, 1.0, (left, top, left + 0.2, top + 0.05))

    shuffled = [line("d", 0.5, 0.3), line("b", 0.5, 0.105), line("c", 0.1, 0.31), line("a", 0.1, 0.1)]
    assert [found.text for found in in_reading_order(shuffled)] == ["a", "b", "c", "d"]
