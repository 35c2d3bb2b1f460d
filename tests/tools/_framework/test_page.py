"""Cursors of long lists."""

from __future__ import annotations

import pytest

from rtstream.errors import InvalidRequest
from tools._framework.page import next_cursor, offset_of


def test_pages_follow_each_other_and_end() -> None:
    seen, cursor = [], None
    while True:
        offset = offset_of(cursor)
        shown = list(range(7))[offset : offset + 3]
        seen += shown
        cursor = next_cursor(offset, len(shown), 7)
        if cursor is None:
            break
    assert seen == list(range(7))
    assert next_cursor(0, 0, 7) is None


@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", "9" * 30, "٣"])
def test_another_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="Unknown cursor"):
        offset_of(cursor)
