"""Readings of screens, compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.screen_text import compare, kept_share, same_description, screen_lines

SLIDE = ["Quarterly review", "Revenue grew to 1,284 kEUR", "Two new customers in Lyon", "Next: the hiring plan"]
texts = st.lists(st.text("abcdefgh 0123456789:.", max_size=30), max_size=12)


def compared(old: list[str], new: list[str], elapsed_s: float = 5.0) -> tuple[bool, list[str]]:
    found = compare(screen_lines(old), screen_lines(new), elapsed_s)
    return found.same, [line.text for line in found.added]


@pytest.mark.parametrize(
    "again",
    [
        SLIDE,
        ["Quarterly revicw", *SLIDE[1:]],
        ["quarterly review", "Revenue grew to l,284 kEUR", *SLIDE[2:]],
        SLIDE[:3],
        [SLIDE[1], SLIDE[0], *SLIDE[2:]],
    ],
)
def test_a_screen_that_is_read_slightly_differently_is_the_same(again: list[str]) -> None:
    assert compared(SLIDE, again) == (True, [])


@pytest.mark.parametrize(
    "other",
    [
        [],
        ["Something else entirely"],
        [SLIDE[0], "Costs fell to 733 kEUR", "One customer left in Oslo", "Next: questions"],
        [*SLIDE, "A fifth line that says quite a lot more", "and a sixth line that also does"],
    ],
)
def test_another_screen_is_another_one(other: list[str]) -> None:
    assert compared(SLIDE, other) == (False, [])


def test_one_changed_number_on_a_full_page_is_a_new_line_on_the_same_page() -> None:
    page = [f"Row {number} of the table of open tickets" for number in range(20)]
    assert compared([*page, "Waiting: 12"], [*page, "Waiting: 13"]) == (True, ["Waiting: 13"])
    assert compared(["Waiting: 12"], ["Waiting: 13"]) == (False, [])


@pytest.mark.parametrize(
    ("before", "after", "elapsed_s", "same"),
    [
        ("14:05:07", "14:05:12", 5.0, True),
        ("14:05", "14:06", 5.0, True),
        ("00:55.3", "01:00.1", 5.0, True),
        ("10:00", "09:55", 5.0, True),
        ("14:05:07", "15:05:07", 5.0, False),
        ("14:05", "14:35", 5.0, False),
    ],
)
def test_a_running_clock_is_not_a_change_but_another_time_is(
    before: str, after: str, elapsed_s: float, same: bool
) -> None:
    assert compared([f"Departure {before}"], [f"Departure {after}"], elapsed_s) == (same, [])


@given(texts, st.floats(0, 100))
def test_every_screen_is_the_same_as_itself(lines: list[str], elapsed_s: float) -> None:
    assert compared(lines, lines, elapsed_s) == (True, [])


@given(texts, texts)
def test_what_was_added_is_on_the_later_screen(old: list[str], new: list[str]) -> None:
    assert set(compared(old, new)[1]) <= set(new)


def test_the_share_that_is_left_of_a_screen_is_measured() -> None:
    first = screen_lines(["aaaa", "bbbb", "cccc", "dddd"])
    assert kept_share(first, screen_lines(["cccc", "dddd", "eeee", "ffff"]), 5.0) == pytest.approx(0.5)
    assert kept_share(first, [], 5.0) == 1.0


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("A man sits at a desk.", "A man is sitting at a desk.", True),
        ("At 14:05:07, a man sits at a desk.", "At 14:05:12, a man sits at a desk.", True),
        ('{"people": 2, "confidence": 0.91}', '{"people": 2, "confidence": 0.87}', True),
        ('{"people": 2}', '{"people": 3}', False),
        ("Two people stand at the door.", "Three people stand at the door.", False),
        ("The total is 12.50 EUR.", "The total is 12.60 EUR.", False),
        ("A man sits at a desk.", "The room is empty and dark.", False),
    ],
)
def test_descriptions_of_a_model_are_compared_by_their_numbers_and_words(old: str, new: str, same: bool) -> None:
    assert same_description(old, new) is same
