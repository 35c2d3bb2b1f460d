"""Queries on recordings and their segments."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, cast

from sqlalchemy import Connection, bindparam, delete, func, select, update

from rtstream.rules.playlist import CUT_GOP_S, last_recorded, overlap, whole_gops
from rtstream.rules.playlist import SegmentRow as PlainSegment
from rtstream.states import PinKind
from rtstream.store.rows import Query, RowReader
from rtstream.store.tables import journal, pins, recordings, segments, streams

LONGEST_SEGMENT_S = 130.0
"""Length in seconds of the two longest possible segments, which limits how far before a window its first segment and
the one before that can begin."""

MOMENT_S = 1e-6


class SegmentRow(NamedTuple):
    """A stored segment. A named tuple, because a window may have tens of thousands of them."""

    start: float
    duration: float
    recording_id: str
    path: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A stored recording: continuous media with one init segment."""

    id: str
    stream_id: str
    started_at: float
    ended_at: float
    closed: bool
    init: bytes
    codecs: str


_RECORDINGS = RowReader(RecordingRow, recordings)
RECORDED = func.coalesce(recordings.c.media_start, recordings.c.started_at)
"""Grows with every recording of a stream."""


def insert(
    conn: Connection,
    *,
    recording_id: str,
    stream_id: str,
    started_at: float,
    init: bytes,
    codecs: str,
    media_start: float | None = None,
) -> None:
    """Add a new recording."""
    conn.execute(
        recordings.insert().values(
            id=recording_id,
            stream_id=stream_id,
            started_at=started_at,
            ended_at=started_at,
            closed=False,
            init=init,
            codecs=codecs,
            media_start=media_start,
        )
    )


def close(conn: Connection, recording_id: str) -> None:
    """Close a finished recording, or remove it if it has no segments."""
    conn.execute(update(recordings).where(recordings.c.id == recording_id).values(closed=True))
    empty = (recordings.c.id == recording_id) & (recordings.c.ended_at <= recordings.c.started_at)
    conn.execute(delete(recordings).where(empty))


def close_all(conn: Connection) -> None:
    """Close recordings without a log that an engine left open when it was killed.

    Recordings with a log are closed by its last line, because their recorder may still be running.
    """
    without_log = recordings.c.closed.is_(False) & recordings.c.log_position.is_(None)
    conn.execute(update(recordings).where(without_log).values(closed=True))


def add_segment(
    conn: Connection,
    stream_id: str,
    *,
    start: float,
    duration: float,
    recording_id: str,
    path: str,
    offset: int,
    length: int,
) -> None:
    """Add a segment, which is on the disk. It replaces an older one with the same start."""
    segment = SegmentRow(start, duration, recording_id, path, offset, length)
    conn.execute(_COUNT_SEGMENT, {"stream": stream_id, "at": segment.start, "by": segment.length})
    conn.execute(_ADD_SEGMENT, {"stream_id": stream_id, **segment._asdict()})
    conn.execute(_EXTEND_RECORDING, {"recording": segment.recording_id, "until": segment.start + segment.duration})


def grow(conn: Connection, stream_id: str, by: int) -> None:
    """Add to the recorded bytes of a stream."""
    conn.execute(_GROW_STREAM, {"stream": stream_id, "by": by})


_SEGMENT_COLUMNS = segments.c[SegmentRow._fields]

# Built once, because every stream runs them every few seconds and building them would cost more than running them.
_ADD_SEGMENT = segments.insert().prefix_with("OR REPLACE", dialect="sqlite")
_EXTEND_RECORDING = (
    update(recordings).where(recordings.c.id == bindparam("recording")).values(ended_at=bindparam("until"))
)
_GROW_STREAM = (
    update(streams)
    .where(streams.c.id == bindparam("stream"))
    .values(recorded_bytes=streams.c.recorded_bytes + bindparam("by"))
)
_REPLACED = select(segments.c.length).where(
    segments.c.stream_id == bindparam("stream"), segments.c.start == bindparam("at")
)
_COUNT_SEGMENT = (
    update(streams)
    .where(streams.c.id == bindparam("stream"))
    .values(recorded_bytes=streams.c.recorded_bytes + bindparam("by") - func.coalesce(_REPLACED.scalar_subquery(), 0))
)


def oldest_segments(conn: Connection, stream_id: str, limit: int) -> list[SegmentRow]:
    """Return the oldest segments of a stream, oldest first."""
    query = select(*_SEGMENT_COLUMNS).where(segments.c.stream_id == stream_id).order_by(segments.c.start).limit(limit)
    return [SegmentRow._make(row) for row in conn.execute(query)]


def file_ends(conn: Connection, stream_id: str) -> dict[str, int]:
    """Return every file of a stream with its minimum size in bytes."""
    query = select(segments.c.path, func.max(segments.c.offset + segments.c.length))
    return {
        path: end
        for path, end in conn.execute(query.where(segments.c.stream_id == stream_id).group_by(segments.c.path))
    }


def pinned(conn: Connection, stream_id: str, before: float, kind: PinKind | None = None) -> list[tuple[float, float]]:
    """Return the protected ranges that begin before ``before``, of one kind or of all."""
    query = select(pins).where(pins.c.stream_id == stream_id, pins.c.start < before)
    if kind is not None:
        query = query.where(pins.c.owner_kind == kind)
    return [(row.start, row.end) for row in conn.execute(query).all()]


def total_bytes(conn: Connection) -> int:
    """Return the bytes of all recordings."""
    return int(conn.execute(select(func.coalesce(func.sum(streams.c.recorded_bytes), 0))).scalar_one())


def recent_size(conn: Connection, stream_id: str, count: int = 1000) -> tuple[int, float]:
    """Return the bytes and the seconds of the newest segments of a stream."""
    columns = select(segments.c.length, segments.c.duration).where(segments.c.stream_id == stream_id)
    newest = columns.order_by(segments.c.start.desc()).limit(count).subquery()
    total = select(func.coalesce(func.sum(newest.c.length), 0), func.coalesce(func.sum(newest.c.duration), 0.0))
    length, seconds = conn.execute(total).one()
    return int(length), float(seconds)


def pin(conn: Connection, stream_id: str, start: float, end: float, kind: PinKind, owner_id: str) -> None:
    """Protect a range from retention until it is unpinned or its stream is deleted.

    Args:
        conn: The connection.
        stream_id: Id of the stream.
        start: Start of the range in Unix seconds.
        end: End of the range in Unix seconds.
        kind: Reason for the protection.
        owner_id: Id of the alert whose evidence this is, or of the video that is being exported.
    """
    values = {"stream_id": stream_id, "start": start, "end": end, "owner_kind": kind, "owner_id": owner_id}
    conn.execute(pins.insert().values(**values))


def unpin(conn: Connection, kind: PinKind, owner_id: str | None = None) -> None:
    """Remove the protection of the ranges of an owner, or of all owners of a kind if ``owner_id`` is None."""
    where = [pins.c.owner_kind == kind]
    if owner_id is not None:
        where.append(pins.c.owner_id == owner_id)
    conn.execute(delete(pins).where(*where))


def latest_session(conn: Connection, stream_id: str) -> float | None:
    """Return when the stream was last stopped before its newest recording began, in Unix seconds.

    An export covers everything between two stops of a stream. There is no row for that, only the recordings.

    Returns:
        0 if the stream was never stopped, None if it has no recording.
    """
    newest = conn.execute(select(func.max(recordings.c.started_at)).where(recordings.c.stream_id == stream_id)).scalar()
    if newest is None:
        return None
    stops = select(func.max(journal.c.at)).where(
        journal.c.stream_id == stream_id,
        journal.c.channel == "health",
        journal.c.data["state"].as_string() == "stopped",
        journal.c.at <= newest,
    )
    return conn.execute(stops).scalar() or 0.0


def remove_segments(conn: Connection, stream_id: str, paths: Collection[str]) -> None:
    """Remove the segments in these files. Their recordings then begin at their next segment, or are removed."""
    gone = select(segments.c.recording_id, func.sum(segments.c.length).label("bytes")).where(
        segments.c.stream_id == stream_id, segments.c.path.in_(paths)
    )
    affected = conn.execute(gone.group_by(segments.c.recording_id)).all()
    conn.execute(delete(segments).where(segments.c.stream_id == stream_id, segments.c.path.in_(paths)))
    for recording in affected:
        grow(conn, stream_id, -recording.bytes)
        first = conn.execute(
            select(func.min(segments.c.start)).where(
                segments.c.stream_id == stream_id, segments.c.recording_id == recording.recording_id
            )
        ).scalar()
        if first is not None:
            conn.execute(update(recordings).where(recordings.c.id == recording.recording_id).values(started_at=first))
        else:
            conn.execute(delete(recordings).where(recordings.c.id == recording.recording_id, recordings.c.closed))


def segments_between(conn: Connection, stream_id: str, start: float, end: float) -> list[SegmentRow]:
    """Return the segments that overlap [start, end), oldest first. Columns as in ``each_segment``."""
    return [SegmentRow._make(row) for row in each_segment(conn, stream_id, start, end)]


def each_segment(conn: Connection, stream_id: str, start: float, end: float) -> Iterator[PlainSegment]:
    """Yield the segments that overlap [start, end), oldest first. A day has 21,600 of them.

    Segments that continue a GOP are joined with its beginning, so that each one can be decoded alone. Where recordings
    overlap because the clock was set back, only the segments of the one recorded last are returned.

    Columns: start, duration, recording_id, path, offset, length. They are plain tuples of the driver, because building
        rows would take a third longer.
    """
    found = _each(conn, stream_id, start, end)
    made = _in_order(conn, stream_id, start - LONGEST_SEGMENT_S, end + LONGEST_SEGMENT_S)
    return last_recorded(found, made) if overlap(made) else found


def _in_order(conn: Connection, stream_id: str, start: float, end: float) -> list[tuple[str, float, float]]:
    """Return the id, start and end of the recordings in [start, end], in the order of their creation."""
    query = select(recordings.c.id, recordings.c.started_at, recordings.c.ended_at).where(
        recordings.c.stream_id == stream_id, recordings.c.started_at < end, recordings.c.ended_at > start
    )
    rows = conn.execute(query.order_by(RECORDED, recordings.c.started_at))
    return [(row.id, row.started_at, row.ended_at) for row in rows]


def _each(conn: Connection, stream_id: str, start: float, end: float) -> Iterator[PlainSegment]:
    result = conn.execute(_near(stream_id, start, end))
    try:
        found = cast("Iterator[PlainSegment]", result.cursor)  # the cursor of the driver
        before: list[PlainSegment] = []
        inside: list[PlainSegment] = []
        for row in found:
            if row[0] >= start:
                inside.append(row)
                break
            before.append(row)
        cut = next((row for row in before if row[1] >= CUT_GOP_S), None)
        if cut is None:
            # Only segments that begin before the window can end before it.
            before = [row for row in before if row[0] + row[1] > start]
            yield from whole_gops(chain(before, inside, found))
        else:
            joined = whole_gops(chain(_file_before(conn, stream_id, cut), before, inside, found))
            yield from (row for row in joined if row[0] + row[1] > start)
    finally:
        result.close()


def _file_before(conn: Connection, stream_id: str, segment: PlainSegment) -> list[PlainSegment]:
    """Return the segments that precede one in its file, which may be the beginning of its GOP."""
    query = select(*_SEGMENT_COLUMNS).where(
        segments.c.stream_id == stream_id,
        segments.c.recording_id == segment[2],
        segments.c.path == segment[3],
        segments.c.start < segment[0],
    )
    return [SegmentRow._make(row) for row in conn.execute(query.order_by(segments.c.start))]


def segment_at(conn: Connection, stream_id: str, recording_id: str, at: float, end: float) -> SegmentRow | None:
    """Return the segment of a recording that contains Unix time ``at``, joined as in ``each_segment`` up to ``end``."""
    for row in _each(conn, stream_id, at, max(end, at + MOMENT_S)):
        if row[0] > at:
            return None
        if row[2] == recording_id:
            return SegmentRow._make(row)
    return None


def segments_across(conn: Connection, stream_id: str, start: float, end: float) -> list[tuple[SegmentRow, bytes]]:
    """Return the segments that begin before a window or end after it, as in ``each_segment``, with their init segments.

    Only segments that overlap the window are among them.
    """
    found: dict[float, PlainSegment] = {}
    for at in (start, end):
        found |= {row[0]: row for row in _each(conn, stream_id, at, at + MOMENT_S) if row[0] < at}
    if any(row[1] >= CUT_GOP_S for row in found.values()):  # joined segments, which have to end with the window
        found = {row[0]: row for row in _each(conn, stream_id, start, end)}
        found = {at: row for at, row in found.items() if at < start or at + row[1] > end}
    own = inits(conn, {row[2] for row in found.values()})
    return [(SegmentRow._make(row), own[row[2]]) for row in found.values()]


def shown_at(conn: Connection, stream_id: str, at: float) -> SegmentRow | None:
    """Return the segment with the picture of Unix time ``at``. Of several, the one that was recorded last."""
    found = segments_between(conn, stream_id, at, at + 1e-3)
    if len({row.recording_id for row in found}) > 1:
        made = [recording[0] for recording in _in_order(conn, stream_id, at - LONGEST_SEGMENT_S, at + 1e-3)]
        found.sort(key=lambda row: (made.index(row.recording_id), row.start))
    return found[-1] if found else None


def recorded_between(conn: Connection, stream_id: str, recording_id: str, start: float, end: float) -> bool:
    """Return whether a recording may overlap [start, end)."""
    query = select(recordings.c.id).where(
        recordings.c.id == recording_id,
        recordings.c.stream_id == stream_id,
        recordings.c.started_at < end,
        recordings.c.ended_at > start,
    )
    return conn.execute(query).first() is not None


def _near(stream_id: str, start: float, end: float) -> Query:
    """The condition that a segment may overlap [start, end)."""
    begin = segments.c.start >= start - LONGEST_SEGMENT_S
    return (
        select(*_SEGMENT_COLUMNS)
        .where(segments.c.stream_id == stream_id, begin, segments.c.start < end)
        .order_by(segments.c.start)
    )


def last_segment(conn: Connection, stream_id: str) -> SegmentRow | None:
    """Return the last segment of the newest recording."""
    last = select(recordings.c.id).where(
        recordings.c.stream_id == stream_id, recordings.c.ended_at > recordings.c.started_at
    )
    last = last.order_by(RECORDED.desc(), recordings.c.started_at.desc()).limit(1)
    recording_id = conn.execute(last).scalar()
    query = select(*_SEGMENT_COLUMNS).where(segments.c.stream_id == stream_id, segments.c.recording_id == recording_id)
    row = conn.execute(query.order_by(segments.c.start.desc()).limit(1)).first()
    return None if row is None else SegmentRow._make(row)


def newest_end(conn: Connection, stream_id: str) -> tuple[float, bool] | None:
    """Return the end of the newest recording, and whether it is closed. None if there is no recording."""
    query = select(recordings.c.ended_at, recordings.c.closed).where(recordings.c.stream_id == stream_id)
    row = conn.execute(query.order_by(RECORDED.desc(), recordings.c.started_at.desc()).limit(1)).first()
    return None if row is None else (row.ended_at, row.closed)


def inits(conn: Connection, recording_ids: Collection[str]) -> dict[str, bytes]:
    """Return the init segments of recordings, by id."""
    query = select(recordings.c.id, recordings.c.init).where(recordings.c.id.in_(recording_ids))
    return {row.id: row.init for row in conn.execute(query)}


def find(conn: Connection, stream_id: str, recording_id: str) -> RecordingRow | None:
    """Return a recording of a stream, or None if there is no such recording."""
    wanted = (recordings.c.id == recording_id, recordings.c.stream_id == stream_id)
    return _RECORDINGS.first(conn, _RECORDINGS.select().where(*wanted))


def ranges(conn: Connection, stream_id: str, limit: int = 20, around: float | None = None) -> list[tuple[float, float]]:
    """Return [start, end] of the newest recordings (or of those nearest to ``around``), oldest first."""
    base = select(recordings.c.started_at, recordings.c.ended_at).where(
        recordings.c.stream_id == stream_id, recordings.c.ended_at > recordings.c.started_at
    )
    if around is None:
        rows = conn.execute(base.order_by(recordings.c.started_at.desc()).limit(limit)).all()
    else:
        before = base.where(recordings.c.started_at <= around).order_by(recordings.c.started_at.desc()).limit(limit)
        after = base.where(recordings.c.started_at > around).order_by(recordings.c.started_at).limit(limit)
        rows = [*conn.execute(before).all(), *conn.execute(after).all()]
    return sorted((row.started_at, row.ended_at) for row in rows)
