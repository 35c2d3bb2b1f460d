"""Queries on the ranges whose speech is in a transcript. They do not overlap."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from rtstream.rules.playlist import Range
from rtstream.rules.speech_clock import CUT_S
from rtstream.store.gap_tables import speech_ranges


def add(conn: Connection, stream_id: str, engine: str, start: float, end: float) -> None:
    """Store that the speech of [start, end) is in a transcript. Ranges that meet become one."""
    if end <= start:
        return
    of = speech_ranges.c
    near = (of.stream_id == stream_id, of.engine == engine, of.start <= end + CUT_S, of.end >= start - CUT_S)
    found = conn.execute(select(of.id, of.start, of.end).where(*near)).all()
    if found:
        start, end = min(start, *(row.start for row in found)), max(end, *(row.end for row in found))
        conn.execute(delete(speech_ranges).where(of.id.in_([row.id for row in found])))
    conn.execute(speech_ranges.insert().values(stream_id=stream_id, engine=engine, start=start, end=end))


def between(conn: Connection, stream_id: str, engine: str, start: float, end: float) -> list[Range]:
    """Return the ranges of a transcript that overlap [start, end), oldest first."""
    of = speech_ranges.c
    query = select(of.start, of.end).where(
        of.stream_id == stream_id, of.engine == engine, of.start < end, of.end > start
    )
    return [(row.start, row.end) for row in conn.execute(query.order_by(of.start))]


def begins(conn: Connection, stream_id: str) -> dict[str, float]:
    """Return the start of the first range of each transcript of a stream, by its engine."""
    of = speech_ranges.c
    query = select(of.engine, func.min(of.start).label("start")).where(of.stream_id == stream_id)
    return {row.engine: row.start for row in conn.execute(query.group_by(of.engine))}


def seconds(conn: Connection, stream_id: str, engine: str) -> float:
    """Return the seconds of audio that a speech engine has heard of a stream."""
    of = speech_ranges.c
    query = select(func.sum(of.end - of.start)).where(of.stream_id == stream_id, of.engine == engine)
    return conn.execute(query).scalar() or 0.0
