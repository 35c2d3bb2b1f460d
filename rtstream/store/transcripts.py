"""Queries on transcripts: the jobs that run, and what was said."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from rtstream.store.tables import transcript_jobs, transcript_segments


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


def _change(conn: Connection, stream_id: str, engine: str, **values: Any) -> None:
    which = (transcript_jobs.c.stream_id == stream_id, transcript_jobs.c.engine == engine)
    conn.execute(update(transcript_jobs).where(*which).values(**values))


def job(conn: Connection, stream_id: str, engine: str) -> Row[Any] | None:
    """One job, or None when this engine was never started on the stream."""
    which = (transcript_jobs.c.stream_id == stream_id, transcript_jobs.c.engine == engine)
    return conn.execute(select(transcript_jobs).where(*which)).first()


def jobs(conn: Connection, stream_id: str | None = None) -> list[Row[Any]]:
    """Jobs (of a stream), oldest first."""
    query = select(transcript_jobs).order_by(transcript_jobs.c.created_at)
    if stream_id is not None:
        query = query.where(transcript_jobs.c.stream_id == stream_id)
    return list(conn.execute(query).all())


def add(conn: Connection, **values: Any) -> int:
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
) -> tuple[list[Row[Any]], int]:
    """Segments that share time with [start, end) and end after ``since``, oldest first; and the number of all."""
    where: list[Any] = [transcript_segments.c.stream_id == stream_id]
    if engine is not None:
        where.append(transcript_segments.c.engine == engine)
    if start is not None:
        where.append(transcript_segments.c.end > start)
    if end is not None:
        where.append(transcript_segments.c.start < end)
    if since is not None:
        where.append(transcript_segments.c.end > since)
    total = conn.execute(select(func.count()).select_from(transcript_segments).where(*where)).scalar_one()
    query = select(transcript_segments).where(*where).order_by(transcript_segments.c.start, transcript_segments.c.id)
    return list(conn.execute(query.offset((page - 1) * page_size).limit(page_size)).all()), total
