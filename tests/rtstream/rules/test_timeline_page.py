"""Cursors and pages of a timeline."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.errors import InvalidRequest
from rtstream.rules.timeline_page import (
    LEAST_CHARS,
    MOST_CHARS,
    TimelineCursor,
    fitting,
    part_s,
    text_chars,
)

FIRST = TimelineCursor(1000.0, 9000.5, 1000.0, 3600.0, ("rts-1",), ("scenes", "transcript"), (5, 6, 7))
numbers = st.integers(0, 2**40)


@given(st.none() | st.tuples(st.floats(0, 1e10), st.integers(0, 4), st.text("rts-0123456789", max_size=20), numbers))
def test_a_cursor_is_read_as_it_was_written(after: tuple[float, int, str, int] | None) -> None:
    at = TimelineCursor(0.5, 1e9, 100.0, 3600.0, None, ("alerts",), (1, 2, 3), after)
    assert TimelineCursor.parse(at.text()) == at


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Unknown cursor"):
        TimelineCursor.parse(text)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        [2, 1, 2, 1, 3600, None, [], [1, 2, 3], None],
        [1, 5, 2, 1, 3600, None, [], [1, 2, 3], None],
        [1, 1, 2, 1, 3600, None, ["weather"], [1, 2, 3], None],
        [1, 1, 2, 1, 3600, None, "scenes", [1, 2, 3], None],
        [1, 1, 2, 1, 3600, None, [["scenes"]], [1, 2, 3], None],
        [1, 1, 2, 1, 0, None, [], [1, 2, 3], None],
        [1, 1, 2, 1, 3600, None, [], [1, 2], None],
        [1, 1, 2, 1, 3600, None, [], [1, 2, 2**70], None],
        [1, 1, 2, 1, 3600, None, [], [1, 2, 3], [float("nan"), 1, "a", 1]],
        [1, 1, 2, 1, float("inf"), None, [], [1, 2, 3], None],
    ],
)
def test_a_cursor_with_impossible_content_is_refused(fields: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
    with pytest.raises(InvalidRequest, match="Unknown cursor"):
        TimelineCursor.parse(text)


def test_the_parts_of_a_long_range_follow_one_another() -> None:
    parts = [FIRST]
    while (following := parts[-1].following()) is not None:
        parts.append(following)
    assert [(one.part, one.part_end) for one in parts] == [(1000.0, 4600.0), (4600.0, 8200.0), (8200.0, 9000.5)]
    assert part_s(1) == 86400.0
    assert part_s(3) == 28800.0
    assert part_s(1000) == 600.0


@given(st.lists(st.integers(1, 5000), max_size=40), st.integers(1, 20_000))
def test_pages_take_everything_in_order_and_keep_to_the_budget(sizes: list[int], budget: int) -> None:
    left, pages = sizes, []
    while left:
        count = fitting(left, budget)
        pages.append(left[:count])
        left = left[count:]
    assert [size for page in pages for size in page] == sizes
    assert all(sum(page) <= budget or len(page) == 1 for page in pages)
    assert fitting([], budget) == 0


@given(st.integers(0, 40), st.integers(1000, 100_000))
def test_texts_are_longer_with_fewer_items(items: int, max_chars: int) -> None:
    assert LEAST_CHARS <= text_chars(items + 1, max_chars, 340) <= text_chars(items, max_chars, 340) <= MOST_CHARS
