"""Parameters and parts of results that several tools share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, WithJsonSchema

from rtstream.rules.text_safety import clean

StreamId = Annotated[str, Field(description="rts-…")]
Vocabulary = Annotated[list[str] | None, Field(description="Terms that correct its transcript.")]
IndexId = Annotated[str, Field(description="From index_visuals or get_stream.")]

OBJECTS = WithJsonSchema({"type": "array", "items": {"type": "object"}})
"""Short schema for a list of objects in a result. Models read results rather than their schemas."""

Range = list[float]
"""[start, end], Unix seconds."""


def name(text: str) -> str:
    """A name chosen by a user or client, cleaned for a trusted field."""
    return clean(text, 100)


def ranges(found: Iterable[tuple[float, float]]) -> list[Range]:
    """Ranges of time, to the millisecond."""
    return [[round(start, 3), round(end, 3)] for start, end in found]


def left_out(gaps: Sequence[tuple[float, float]]) -> str | None:
    """Note about ranges that were not recorded."""
    if not gaps:
        return None
    seconds = sum(end - start for start, end in gaps)
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in gaps[0])
    more = f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
    return f"Not recorded, and skipped when played: {seconds:.1f} s, from {first} to {last} UTC{more}."


def note(text: str) -> str | None:
    """A remark of the engine, or None."""
    return clean(text, 500) or None
