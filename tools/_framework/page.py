"""Pages of long lists in tools: a limit, and a cursor for the rest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rtstream.errors import InvalidRequest
from rtstream.models.page import MAX_OFFSET

Limit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str | None, Field(description="next_cursor of an earlier result.")]


def offset_of(cursor: str | None) -> int:
    """Return the number of items before a page. Raises InvalidRequest for an unknown cursor."""
    if cursor is None or not cursor.strip():
        return 0
    text = cursor.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MAX_OFFSET:
        raise InvalidRequest("Unknown cursor. Pass next_cursor of an earlier result, or omit it for the first page.")
    return int(text)


def next_cursor(offset: int, shown: int, total: int) -> str | None:
    """Return the cursor of the next page, or None after the last one."""
    return str(offset + shown) if shown and offset + shown < total else None
