"""A window opens the fragments of a segment that it needs, and no others."""

from __future__ import annotations

import pytest

from rtstream.rules.window_cut import SegmentFragment, SegmentPart, cut


def fragments(*keyframes: bool, earlier_s: float = 0.0) -> list[SegmentFragment]:
    """Fragments of 2 s and 100 bytes from time 10 and byte 1000. An open GOP shows pictures ``earlier_s`` before it."""
    return [
        SegmentFragment(10.0 + 2 * n, 10.0 + 2 * n - earlier_s * (n > 0), 1000 + 100 * n, 100, keyframe)
        for n, keyframe in enumerate(keyframes)
    ]


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (10.0, 18.0, SegmentPart(10.0, 8.0, 1000, 400)),
        (0.0, 99.0, SegmentPart(10.0, 8.0, 1000, 400)),
        (12.5, 13.0, SegmentPart(12.0, 2.0, 1100, 100)),
        (11.9999, 14.0001, SegmentPart(12.0, 2.0, 1100, 100)),  # times come from floats
        (13.0, 15.0, SegmentPart(12.0, 4.0, 1100, 200)),
        (0.0, 10.0, None),
        (18.0, 20.0, None),
    ],
)
def test_a_window_gets_the_fragments_that_it_shows(start: float, end: float, part: SegmentPart | None) -> None:
    assert cut(fragments(True, True, True, True), 18.0, start, end) == part


def test_the_part_begins_with_a_keyframe() -> None:
    assert cut(fragments(True, False, False, True), 18.0, 15.0, 15.5) == SegmentPart(10.0, 6.0, 1000, 300)


def test_an_open_gop_is_needed_for_the_pictures_that_it_shows_early() -> None:
    assert cut(fragments(True, True), 14.0, 10.0, 11.9) == SegmentPart(10.0, 2.0, 1000, 100)
    assert cut(fragments(True, True, earlier_s=0.5), 14.0, 10.0, 11.9) == SegmentPart(10.0, 4.0, 1000, 200)


def test_a_segment_without_fragments_is_not_opened() -> None:
    assert cut([], 18.0, 10.0, 18.0) is None
