"""Queries for timelines. Results are read row by row, so that a long range needs little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, cast

from sqlalchemy import ColumnElement, Connection, func, select

from rtstream.json_types import JsonObject
from rtstream.rules.playlist import Range
from rtstream.rules.timeline import Firing, SceneWindow, StateChange, TimedText
from rtstream.states import SceneStatus, SegmentKind
from rtstream.store.recordings import LONGEST_SEGMENT_S
from rtstream.store.rows import Query, ResultRow
from rtstream.store.tables import journal, scenes, segments, transcript_segments

Column: TypeAlias = ColumnElement[object] | ColumnElement[bool]
"""A column of any type."""
AT_ONCE = 500
"""Rows that are read from the database at once."""
LONGEST_WINDOW_S = 3600.0
"""Longest scene in seconds, which limits how far before a range its first scene can begin."""
MAX_ENTRIES = 5000
"""Journal entries read per stream and channel, the newest ones."""
MAX_TEXT = 4000
"""Characters read of a description. A timeline shows fewer."""


def newest(conn: Connection) -> tuple[int, int, int]:
    """Return the numbers of the newest scene, transcript segment and journal entry, 0 if there is none."""
    ids = (scenes.c.id, transcript_segments.c.id, journal.c.seq)
    scene, segment, entry = (conn.execute(select(func.max(column))).scalar() or 0 for column in ids)
    return scene, segment, entry


def _rows(conn: Connection, query: Query) -> Iterator[ResultRow]:
    result = conn.execute(query, execution_options={"yield_per": AT_ONCE})
    try:
        yield from result
    finally:
        result.close()


_DESCRIBED = scenes.c.status == SceneStatus.OK
_FAILURE = scenes.c.detail["failure"].as_string()
_SCREEN = (
    scenes.c.detail["lines"].as_string(),
    scenes.c.detail[("changes", "text_read")].as_boolean(),
    scenes.c.detail[("changes", "black")].as_boolean(),
    scenes.c.detail[("changes", "blank")].as_boolean(),
    scenes.c.detail["unchanged"].as_boolean(),
    scenes.c.detail["frame_times"].as_string(),
    scenes.c.detail[("changes", "repeated")].as_boolean(),
)
"""The parts of the detail of a scene that a timeline needs. Lists are JSON texts, which are parsed only if they differ
from those of the scene before."""


def _windows(index_id: str, start: float, end: float, until: int, *columns: Column) -> Query:
    text = func.substr(scenes.c.text, 1, MAX_TEXT)
    wanted: list[Column] = [scenes.c.id, scenes.c.start, scenes.c.end, text, _DESCRIBED, _FAILURE, *columns]
    query = cast("Query", select(*wanted)).where(
        scenes.c.index_id == index_id,
        scenes.c.start < end,
        scenes.c.start > start - LONGEST_WINDOW_S,
        scenes.c.end > start,
        scenes.c.id <= until,
    )
    return query.order_by(scenes.c.start, scenes.c.id)


def scene_windows(conn: Connection, index_id: str, start: float, end: float, until: int) -> Iterator[SceneWindow]:
    """Yield the scenes of a visual index that overlap [start, end), oldest first, up to the number ``until``."""
    for row in _rows(conn, _windows(index_id, start, end, until, *_SCREEN)):
        number, begin, stop, text, described, failure, lines, read, black, blank, unchanged, times, repeated = list(row)
        last = times.rstrip("]").rpartition(",")[2].lstrip("[") if times else ""
        yield SceneWindow(
            id=number,
            start=begin,
            end=stop,
            text=text if described else failure or text,
            lines=lines if lines != "[]" else None,
            read=read,
            plain="black" if black else "blank" if blank else "",
            unchanged=bool(unchanged),
            failed=not described,
            last_frame=float(last) if last else None,
            laid_out=repeated is not None,
        )


def summaries(
    conn: Connection, index_id: str, start: float, end: float, until: int
) -> Iterator[tuple[int, TimedText, bool]]:
    """Yield number, text and success of the scenes of an audio index that overlap [start, end), oldest first."""
    for row in _rows(conn, _windows(index_id, start, end, until)):
        number, begin, stop, text, described, failure = list(row)
        yield number, TimedText(begin, stop, text if described else failure or text), bool(described)


def speech(
    conn: Connection, stream_id: str, start: float, end: float, until: int
) -> Iterator[tuple[int, TimedText, str, bool, str]]:
    """Yield the transcript segments of a stream that overlap [start, end), oldest first, up to the number ``until``.

    Each is a tuple of its number, its text, its engine, whether it is speech rather than skipped audio, and its
    speaker.
    """
    of = transcript_segments.c
    text, speaker = func.substr(of.text, 1, MAX_TEXT), of.detail["speaker"].as_string()
    wanted: list[Column] = [of.id, of.start, of.end, text, of.engine, of.kind, speaker]
    query = cast("Query", select(*wanted)).where(
        of.stream_id == stream_id, of.start < end, of.end > start, of.id <= until
    )
    for row in _rows(conn, query.order_by(of.start, of.id)):
        number, begin, stop, said, engine, kind, who = list(row)
        yield number, TimedText(begin, stop, said), engine, kind == SegmentKind.SPEECH, who or ""


def _entries(
    conn: Connection, stream_id: str, channel: str, until: int, *where: ColumnElement[bool]
) -> list[ResultRow]:
    columns = [journal.c.seq, journal.c.at, journal.c.alert_id, journal.c.data]
    query = select(*columns).where(
        journal.c.stream_id == stream_id, journal.c.channel == channel, journal.c.seq <= until, *where
    )
    return list(conn.execute(query.order_by(journal.c.seq.desc()).limit(MAX_ENTRIES)).all())


def fired(conn: Connection, stream_id: str, start: float, end: float, until: int) -> list[Firing]:
    """Return the firings on moments that overlap [start, end), oldest first, up to the journal number ``until``."""
    data = journal.c.data
    rows = _entries(conn, stream_id, "alert", until, data["end"].as_float() > start, data["start"].as_float() < end)
    found = [_firing(stream_id, row.seq, row.alert_id, row.data) for row in rows]
    return sorted(found, key=lambda firing: (firing.said.start, firing.number))


def _firing(stream_id: str, number: int, alert_id: str, data: JsonObject) -> Firing:
    said = TimedText(data["start"], data["end"], str(data.get("explanation") or ""))
    label, scene_id = str(data.get("label") or ""), data.get("scene_id") or 0
    return Firing(number, stream_id, alert_id, label, said, data.get("confidence"), scene_id)


def state_changes(conn: Connection, stream_id: str, start: float, end: float, until: int) -> list[StateChange]:
    """Return the states of a stream's connection in [start, end), oldest first, beginning with the one at ``start``."""
    inside = _entries(conn, stream_id, "health", until, journal.c.at >= start, journal.c.at < end)
    query = select(journal.c.seq, journal.c.at, journal.c.data).where(
        journal.c.stream_id == stream_id, journal.c.channel == "health", journal.c.seq <= until, journal.c.at < start
    )
    before = conn.execute(query.order_by(journal.c.seq.desc()).limit(1)).all()
    rows = sorted([*inside, *before], key=lambda row: row.seq)
    return [
        StateChange(row.seq, row.at, str(row.data.get("state") or ""), str(row.data.get("reason") or ""))
        for row in rows
    ]


def _segments(stream_id: str, start: float, end: float) -> Query:
    of = segments.c
    overlap = (of.start < end, of.start > start - LONGEST_SEGMENT_S, of.start + of.duration > start)
    return select(*[of.start, of.duration]).where(of.stream_id == stream_id, *overlap).order_by(of.start)


def is_recorded(conn: Connection, stream_id: str, start: float, end: float) -> bool:
    """Return whether a segment of a stream overlaps [start, end)."""
    return conn.execute(_segments(stream_id, start, end).limit(1)).first() is not None


def recorded_ranges(conn: Connection, stream_id: str, start: float, end: float, join_s: float) -> list[Range]:
    """Return the recorded ranges of a stream in [start, end). Holes shorter than ``join_s`` seconds are ignored."""
    found: list[Range] = []
    for row in _rows(conn, _segments(stream_id, start, end)):
        begin, duration = list(row)
        if found and begin - found[-1][1] < join_s:
            found[-1] = (found[-1][0], max(found[-1][1], begin + duration))
        else:
            found.append((max(begin, start), begin + duration))
    return [(begin, min(stop, end)) for begin, stop in found]
