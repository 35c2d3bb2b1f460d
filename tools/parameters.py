"""Parameters and parts of results that several tools share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from rtstream.rules.untrusted import clean

StreamId = Annotated[str, Field(description="From list_streams (rts-…).")]
IndexId = Annotated[str, Field(description="From index_visuals or list_scene_indexes.")]

Range = list[float]
"""[start, end], Unix seconds."""


def name(text: str) -> str:
    """A name somebody chose, as it may stand in a trusted field."""
    return clean(text, 100)


def ranges(found: Iterable[tuple[float, float]]) -> list[Range]:
    """Ranges of time, to the millisecond."""
    return [[round(start, 3), round(end, 3)] for start, end in found]


def note(text: str) -> str | None:
    """A remark of the engine, or nothing."""
    return clean(text, 500) or None
