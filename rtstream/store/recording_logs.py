"""Queries that project the logs of recordings onto the rows of recordings and segments."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from rtstream.rules.recording_log import (
    FilesRemoved,
    LogLine,
    RecordingClosed,
    RecordingOpened,
    SegmentWritten,
)
from rtstream.store import recordings as rows
from rtstream.store.streams import DEFAULT_COLLECTION
from rtstream.store.tables import recordings, segments, streams

FOUND_ON_DISK = "Its recordings were found on the disk. Connect its source again to continue recording."


def positions(conn: Connection, stream_id: str) -> dict[str, tuple[int, bool]]:
    """Return the bytes of each recording's log that are applied, and whether the recording is closed."""
    query = select(recordings.c.id, recordings.c.log_position, recordings.c.closed)
    found = conn.execute(query.where(recordings.c.stream_id == stream_id)).all()
    return {row.id: (row.log_position or 0, row.closed) for row in found}


@dataclass(frozen=True, slots=True)
class LogPiece:
    """New lines of the log of a recording."""

    stream_id: str
    recording_id: str
    lines: Sequence[LogLine]
    position: int
    """Bytes of the log up to the end of these lines."""


def apply(conn: Connection, pieces: Iterable[LogPiece]) -> None:
    """Apply new lines of logs to the rows, and store how far each log has been applied.

    Both are written in one transaction, so that every line takes effect exactly once.
    """
    for piece in pieces:
        _apply(conn, piece)


def _apply(conn: Connection, piece: LogPiece) -> None:
    stream_id, recording_id = piece.stream_id, piece.recording_id
    for line in piece.lines:
        match line:
            case RecordingOpened():
                _open(conn, stream_id, recording_id, line)
            case SegmentWritten():
                rows.add_segment(
                    conn,
                    stream_id,
                    recording_id=recording_id,
                    start=line.start,
                    duration=line.duration,
                    path=line.path,
                    offset=line.offset,
                    length=line.length,
                )
            case FilesRemoved():
                rows.remove_segments(conn, stream_id, line.paths)
            case RecordingClosed():
                rows.close(conn, recording_id)
    conn.execute(_NOTE_POSITION, {"recording": recording_id, "position": piece.position})


# Built once, because every stream runs it every few seconds.
_NOTE_POSITION = (
    update(recordings).where(recordings.c.id == bindparam("recording")).values(log_position=bindparam("position"))
)


def start_over(conn: Connection, stream_id: str, recording_id: str) -> None:
    """Remove the segments of a recording, so that its log is applied again from the beginning."""
    where = (segments.c.stream_id == stream_id) & (segments.c.recording_id == recording_id)
    length = conn.execute(select(func.sum(segments.c.length)).where(where)).scalar()
    conn.execute(delete(segments).where(where))
    rows.grow(conn, stream_id, -(length or 0))
    again = {"log_position": 0, "closed": False, "ended_at": recordings.c.started_at}
    conn.execute(update(recordings).where(recordings.c.id == recording_id).values(**again))


def newest(conn: Connection, stream_id: str, count: int) -> list[tuple[str, str]]:
    """Return the ids and the codecs of the recordings of a stream that were begun last."""
    query = select(recordings.c.id, recordings.c.codecs).where(recordings.c.stream_id == stream_id)
    found = conn.execute(query.order_by(recordings.c.media_start.desc()).limit(count)).all()
    return [(row.id, row.codecs) for row in found]


def logged(conn: Connection, stream_id: str) -> set[str]:
    """Return the recordings that have a log, or had one. Those of early versions never had."""
    where = (recordings.c.stream_id == stream_id) & recordings.c.log_position.is_not(None)
    return set(conn.execute(select(recordings.c.id).where(where)).scalars())


def lines(conn: Connection, stream_id: str, recording_id: str) -> list[LogLine]:
    """Return the lines that would result in the rows of a recording. Empty if it has none."""
    row = conn.execute(select(recordings).where(recordings.c.id == recording_id)).one_or_none()
    if row is None:
        return []
    opened = RecordingOpened(recording_id, stream_id, row.started_at, row.codecs, row.init, media_start=row.media_start)
    where = (segments.c.stream_id == stream_id) & (segments.c.recording_id == recording_id)
    found = conn.execute(select(segments).where(where).order_by(segments.c.path, segments.c.offset))
    return [opened, *(SegmentWritten(one.start, one.duration, one.path, one.offset, one.length) for one in found)]


def forget(conn: Connection, stream_id: str, recording_id: str) -> None:
    """Remove a recording of which no file is left."""
    start_over(conn, stream_id, recording_id)
    conn.execute(delete(recordings).where(recordings.c.id == recording_id))


def _open(conn: Connection, stream_id: str, recording_id: str, line: RecordingOpened) -> None:
    known = select(func.count()).select_from(recordings).where(recordings.c.id == recording_id)
    if not conn.execute(known).scalar_one():
        rows.insert(
            conn,
            recording_id=recording_id,
            stream_id=stream_id,
            started_at=line.started_at,
            init=line.init,
            codecs=line.codecs,
            media_start=line.media_start,
        )


def known_streams(conn: Connection) -> set[str]:
    """Return the ids of all streams."""
    return set(conn.execute(select(streams.c.id)).scalars())


def add_found_stream(conn: Connection, stream_id: str, line: RecordingOpened) -> None:
    """Add a stopped stream for recordings without a row. Its URL has no credentials."""
    conn.execute(
        insert(streams).values(
            id=stream_id,
            name=line.stream_name or stream_id,
            url=line.url,
            collection_id=DEFAULT_COLLECTION,
            created_at=line.started_at,
            media_types=["video", "audio"],
            audio=True,
            sample_rate=30,
            store=True,
            enable_transcript=False,
            desired="stopped",
            health={"state": "stopped", "reason": FOUND_ON_DISK, "since": time.time()},
        )
    )


def remove_missing(conn: Connection, stream_id: str, sizes: Mapping[str, int]) -> int:
    """Remove the segments whose bytes are missing from their files. Returns their number.

    ``sizes`` has the size of each file of the stream in bytes, by its path. Files that are not listed do not exist.
    """
    short = [path for path, end in rows.file_ends(conn, stream_id).items() if sizes.get(path, 0) < end]
    missing = 0
    for path in short:
        where = (segments.c.stream_id == stream_id) & (segments.c.path == path)
        kept = where & (segments.c.offset + segments.c.length <= sizes.get(path, 0))
        if conn.execute(select(func.count()).select_from(segments).where(kept)).scalar_one() == 0:
            missing += conn.execute(select(func.count()).select_from(segments).where(where)).scalar_one()
            rows.remove_segments(conn, stream_id, [path])
            continue
        lost = where & (segments.c.offset + segments.c.length > sizes[path])
        total = select(func.sum(segments.c.length), func.count(), func.max(segments.c.recording_id)).where(lost)
        length, count, recording_id = conn.execute(total).one()
        conn.execute(delete(segments).where(lost))
        rows.grow(conn, stream_id, -length)
        missing += count
        end = select(func.max(segments.c.start + segments.c.duration)).where(segments.c.recording_id == recording_id)
        until = conn.execute(end).scalar()
        conn.execute(update(recordings).where(recordings.c.id == recording_id).values(ended_at=until))
    return missing
