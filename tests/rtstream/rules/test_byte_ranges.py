"""Valid Range headers are followed exactly, invalid ones are ignored, and ranges beyond the end are refused."""

from __future__ import annotations

import pytest

from rtstream.rules.byte_ranges import Unsatisfiable, requested


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=0-1000", (0, 100)),
        ("Bytes = 5 - 6", (5, 7)),
    ],
)
def test_a_range_is_exact(header: str, expected: tuple[int, int]) -> None:
    assert requested(header, 100) == expected


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=²-3"),
        *("bytes=--1", "bytes=" + "9" * 5000 + "-"),
    ],
)
def test_what_is_not_one_valid_range_is_ignored(header: str) -> None:
    assert requested(header, 100) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
)
def test_a_range_without_a_byte_is_refused(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        requested(header, size)
