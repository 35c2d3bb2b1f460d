"""Parameters for moments and ranges of time, in the forms that users and models write them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from rtstream.rules.time_expressions import Moment, Reading, read_end, read_moment
from tools._framework.definition import ToolContext, live


def _as_text(value: object) -> object:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Time = Annotated[
    str | None,
    BeforeValidator(_as_text),
    Field(description="14:05, -10m, now, start or ISO 8601."),
]
"""A parameter for a moment; see ``rtstream.rules.time_expressions``. Numbers are accepted as well."""


@dataclass(frozen=True)
class TimeRange:
    """A range of time in Unix seconds. ``note`` has the reading of words that have several."""

    start: float | None = None
    end: float | None = None
    note: str | None = None


async def window(ctx: ToolContext, start: str | None, end: str | None, *, stream: str | None = None) -> TimeRange:
    """Read the range of a call.

    Args:
        ctx: Context of the call.
        start: Words of the parameter ``start``.
        end: Words of the parameter ``end``.
        stream: Id of the stream whose newest recording the word ``start`` refers to.

    Raises:
        InvalidRequest: A time cannot be read, or is in the future.
    """
    if start is None and end is None:
        return TimeRange()
    reading = await _reading(ctx, stream, start, end)
    first = None if start is None else read_moment(start, reading)
    last = None if end is None else read_end(end, reading, first.at if first else None)
    notes = " ".join(each.note for each in (first, last) if each is not None and each.note)
    return TimeRange(first.at if first else None, last.at if last else None, notes or None)


async def moment(ctx: ToolContext, at: str | None, *, stream: str | None = None) -> Moment | None:
    """Read the moment of a call, or return None if it names none. Arguments and errors are those of ``window``."""
    return None if at is None else read_moment(at, await _reading(ctx, stream, at))


def joined(*notes: str | None) -> str | None:
    """Return notes as one text, or None if all are empty."""
    return " ".join(note for note in notes if note) or None


async def _reading(ctx: ToolContext, stream: str | None, *words: str | None) -> Reading:
    state = live(ctx)
    newest = None
    if stream is not None and any(each is not None and each.strip().lower() == "start" for each in words):
        recorded = (await state.client.get_stream(stream)).recorded
        newest = recorded[-1][0] if recorded else None
    return Reading(time.time(), await state.clock.zone(), newest)
