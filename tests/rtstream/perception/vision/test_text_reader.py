"""Only changed parts are read again, and lines are read row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtstream.perception.protocols import TextLine
from rtstream.perception.vision.text_reader import in_reading_order, regions_to_read

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
