"""Queries on transcripts: the jobs that run, and what was said."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, update

from rtstream.json_types import JsonObject
from rtstream.states import DesiredState, SegmentKind
from rtstream.store.rows import RowReader
from rtstream.store.tables import transcript_jobs, transcript_segments


@dataclass(frozen=True, slots=True)
class TranscriptJobRow:
    """A stored transcript job: a transcript that was asked for."""

    stream_id: str
    engine: str
    status: DesiredState
    language: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class TranscriptSegmentRow:
    """A stored segment of a transcript."""

    id: int
    stream_id: str
    engine: str
    start: float
    end: float
    text: str
    kind: SegmentKind
    detail: JsonObject
    created_at: float


_JOBS = RowReader(TranscriptJobRow, transcript_jobs)
_SEGMENTS = RowReader(TranscriptSegmentRow, transcript_segments)


def start_job(conn: Connection, stream_id: str, engine: str, language: str | None, now: float) -> None:
    """A transcript is wanted from now on; nothing changes when it is already."""
    before = job(conn, stream_id, engine)
    if before is None:
        conn.execute(
            transcript_jobs.insert().values(
                stream_id=stream_id, engine=engine, status="running", language=language, created_at=now, updated_at=now
            )
        )
    elif (before.status, before.language) != ("running", language):
        _change(conn, stream_id, engine, status="running", language=language, created_at=now, updated_at=now)


def stop_job(conn: Connection, stream_id: str, engine: str, now: float) -> None:
    """A transcript is not wanted any longer."""
    _change(conn, stream_id, engine, status="stopped", updated_at=now)


def _change(conn: Connection, stream_id: str, engine: str, **values: object) -> None:
    which = (transcript_jobs.c.stream_id == stream_id, transcript_jobs.c.engine == engine)
    conn.execute(update(transcript_jobs).where(*which).values(**values))


def job(conn: Connection, stream_id: str, engine: str) -> TranscriptJobRow | None:
    """One job, or None when this engine was never started on the stream."""
    which = (transcript_jobs.c.stream_id == stream_id, transcript_jobs.c.engine == engine)
    return _JOBS.first(conn, _JOBS.select().where(*which))


def jobs(conn: Connection, stream_id: str | None = None) -> list[TranscriptJobRow]:
    """Jobs (of a stream), oldest first."""
    query = _JOBS.select().order_by(transcript_jobs.c.created_at)
    if stream_id is not None:
        query = query.where(transcript_jobs.c.stream_id == stream_id)
    return _JOBS.all(conn, query)


def add(conn: Connection, **values: object) -> int:
    """Store a final segment or a gap; returns its id, which only grows."""
    key = conn.execute(transcript_segments.insert().values(**values)).inserted_primary_key
    return int(key[0])  # pyright: ignore[reportOptionalSubscript]


def page(
    conn: Connection,
    stream_id: str,
    engine: str | None,
    *,
    start: float | None,
    end: float | None,
    since: float | None,
    page: int,
    page_size: int,
) -> tuple[list[TranscriptSegmentRow], int]:
    """Segments that share time with [start, end) and end after ``since``, oldest first; and the number of all."""
    where: list[ColumnElement[bool]] = [transcript_segments.c.stream_id == stream_id]
    if engine is not None:
        where.append(transcript_segments.c.engine == engine)
    if start is not None:
        where.append(transcript_segments.c.end > start)
    if end is not None:
        where.append(transcript_segments.c.start < end)
    if since is not None:
        where.append(transcript_segments.c.end > since)
    total = conn.execute(select(func.count()).select_from(transcript_segments).where(*where)).scalar_one()
    query = _SEGMENTS.select().where(*where).order_by(transcript_segments.c.start, transcript_segments.c.id)
    return _SEGMENTS.all(conn, query.offset((page - 1) * page_size).limit(page_size)), total
