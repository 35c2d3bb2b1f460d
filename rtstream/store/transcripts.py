"""Queries on transcripts: their jobs and their segments."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from rtstream.json_types import JsonObject
from rtstream.models import Page
from rtstream.states import DesiredState, SegmentKind
from rtstream.store import gaps, speech_ranges
from rtstream.store.gap_tables import transcript_progress
from rtstream.store.rows import RowReader
from rtstream.store.tables import transcript_jobs, transcript_segments


@dataclass(frozen=True, slots=True)
class TranscriptJobRow:
    """A stored transcript job, which is a transcript requested by a user."""

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

    @property
    def heard(self) -> str:
        """The text as it was heard, if the vocabulary corrected it, else an empty string."""
        return self.detail.get("heard") or ""


LONGEST_S = 60.0
"""Longest sentence in seconds."""
EDGE_S = 0.05
"""Seconds by which neighbouring sentences may overlap."""

_JOBS = RowReader(TranscriptJobRow, transcript_jobs)
_SEGMENTS = RowReader(TranscriptSegmentRow, transcript_segments)


def start_job(conn: Connection, stream_id: str, engine: str, language: str | None, now: float) -> None:
    """Store that a transcript should run. Nothing changes if it already does, in the same language."""
    before = job(conn, stream_id, engine)
    if before is None:
        conn.execute(
            transcript_jobs.insert().values(
                stream_id=stream_id, engine=engine, status="running", language=language, created_at=now, updated_at=now
            )
        )
    elif (before.status, before.language) != ("running", language):
        _update(conn, stream_id, engine, status="running", language=language, created_at=now, updated_at=now)


def stop_job(conn: Connection, stream_id: str, engine: str, now: float) -> None:
    """Store that a transcript should no longer run."""
    _update(conn, stream_id, engine, status="stopped", updated_at=now)


def _update(conn: Connection, stream_id: str, engine: str, **values: object) -> None:
    which = (transcript_jobs.c.stream_id == stream_id, transcript_jobs.c.engine == engine)
    conn.execute(update(transcript_jobs).where(*which).values(**values))


def job(conn: Connection, stream_id: str, engine: str) -> TranscriptJobRow | None:
    """Return a job, or None if the engine was never started on the stream."""
    which = (transcript_jobs.c.stream_id == stream_id, transcript_jobs.c.engine == engine)
    return _JOBS.first(conn, _JOBS.select().where(*which))


def jobs(conn: Connection, stream_id: str | None = None) -> list[TranscriptJobRow]:
    """Return the jobs of a stream, or all jobs if ``stream_id`` is None, oldest first."""
    query = _JOBS.select().order_by(transcript_jobs.c.created_at)
    if stream_id is not None:
        query = query.where(transcript_jobs.c.stream_id == stream_id)
    return _JOBS.all(conn, query)


def note_heard(conn: Connection, stream_id: str, engine: str, begin: float, until: float) -> None:
    """Store that all speech from the Unix time ``begin`` to ``until`` is transcribed."""
    speech_ranges.add(conn, stream_id, engine, begin, until)
    where = (transcript_progress.c.stream_id == stream_id, transcript_progress.c.engine == engine)
    last = select(func.max(transcript_segments.c.id)).scalar_subquery()
    values = {"heard_until": until, "after_segment": last}
    if not conn.execute(update(transcript_progress).where(*where).values(values)).rowcount:
        conn.execute(transcript_progress.insert().values(stream_id=stream_id, engine=engine, **values))


def note_gap(conn: Connection, gap_id: int, stream_id: str, engine: str, start: float, end: float) -> None:
    """Store that the gap of a transcript is transcribed up to an utterance, whose gap may have been removed since."""
    gap = gaps.get(conn, gap_id)
    speech_ranges.add(conn, stream_id, engine, start if gap is None else min(start, gap.reached), end)
    gaps.reach(conn, gap_id, end)


def forget_heard(conn: Connection, stream_id: str, engine: str) -> None:
    """Store that a transcript does not run."""
    where = (transcript_progress.c.stream_id == stream_id, transcript_progress.c.engine == engine)
    conn.execute(delete(transcript_progress).where(*where))


def heard_until(conn: Connection, stream_id: str, engine: str) -> float | None:
    """Return the time up to which a transcript is complete that was running when the engine ended, else None."""
    where = (transcript_progress.c.stream_id == stream_id, transcript_progress.c.engine == engine)
    query = select(transcript_progress.c.heard_until, transcript_progress.c.after_segment)
    noted = conn.execute(query.where(*where)).first()
    if noted is None:
        return None
    since = select(transcript_segments.c.end, transcript_segments.c.detail).where(
        transcript_segments.c.stream_id == stream_id,
        transcript_segments.c.engine == engine,
        transcript_segments.c.id > (noted.after_segment or 0),
        transcript_segments.c.end > noted.heard_until,
    )
    live = [row.end for row in conn.execute(since) if not (row.detail or {}).get("late")]
    return max([noted.heard_until, *live])


def speech_of_gap(
    conn: Connection, stream_id: str, engine: str, start: float, end: float
) -> tuple[float | None, list[tuple[float, float]]]:
    """Return the end of the last speech before a gap, and the start and end of each utterance in it."""
    columns = (transcript_segments.c.start, transcript_segments.c.end)
    of = (transcript_segments.c.stream_id == stream_id, transcript_segments.c.kind == SegmentKind.SPEECH)
    before = select(columns[1]).where(*of, columns[0] < start).order_by(columns[0].desc()).limit(1)
    within = select(*columns).where(*of, transcript_segments.c.engine == engine, columns[0] >= start, columns[0] < end)
    return conn.execute(before).scalar(), [(row.start, row.end) for row in conn.execute(within)]


def add(conn: Connection, **values: object) -> int:
    """Store a final segment or a gap. Returns its id, which is larger than all earlier ones."""
    key = conn.execute(transcript_segments.insert().values(**values)).inserted_primary_key
    return int(key[0])  # pyright: ignore[reportOptionalSubscript]


_LATE = func.coalesce(transcript_segments.c.detail["late"].as_boolean(), False)


def _of_stream(stream_id: str) -> ColumnElement[bool]:
    """Return the condition in a form that uses no index, because new rows are found by their ids."""
    return func.coalesce(transcript_segments.c.stream_id, "") == stream_id


def last_segment_id(conn: Connection, stream_id: str) -> int:
    """Return the id of the newest segment of a stream's transcripts, or 0 if there is none."""
    query = select(transcript_segments.c.id).where(_of_stream(stream_id)).order_by(transcript_segments.c.id.desc())
    return conn.execute(query.limit(1)).scalar() or 0


def speech_after(
    conn: Connection, stream_id: str, engine: str, segment_id: int, limit: int
) -> list[TranscriptSegmentRow]:
    """Return the live speech of a transcript stored after ``segment_id``, in the order in which it was stored."""
    return _speech(conn, stream_id, engine, segment_id, limit, _LATE.is_(False))


def late_speech(
    conn: Connection, stream_id: str, engine: str, start: float, end: float, segment_id: int, limit: int
) -> list[TranscriptSegmentRow]:
    """Return the speech in [start, end) that was transcribed later and stored after ``segment_id``, in that order."""
    within = transcript_segments.c.start >= start - EDGE_S, transcript_segments.c.start < end
    return _speech(conn, stream_id, engine, segment_id, limit, _LATE.is_(True), *within)


def _speech(
    conn: Connection, stream_id: str, engine: str, segment_id: int, limit: int, *where: ColumnElement[bool]
) -> list[TranscriptSegmentRow]:
    query = _SEGMENTS.select().where(
        _of_stream(stream_id),
        transcript_segments.c.id > segment_id,
        transcript_segments.c.engine == engine,
        transcript_segments.c.kind == SegmentKind.SPEECH,
        *where,
    )
    return _SEGMENTS.all(conn, query.order_by(transcript_segments.c.id).limit(limit))


def speech_before(conn: Connection, segment: TranscriptSegmentRow, within_s: float) -> TranscriptSegmentRow | None:
    """Return the sentence that ends at most ``within_s`` seconds before a segment of the same transcript begins."""
    query = _SEGMENTS.select().where(
        transcript_segments.c.stream_id == segment.stream_id,
        transcript_segments.c.engine == segment.engine,
        transcript_segments.c.kind == SegmentKind.SPEECH,
        transcript_segments.c.start < segment.start,
        transcript_segments.c.start >= segment.start - LONGEST_S,
        transcript_segments.c.end >= segment.start - within_s,
    )
    return _SEGMENTS.first(conn, query.order_by(transcript_segments.c.start.desc()).limit(1))


def newest_speech(
    conn: Connection, stream_id: str, start: float | None, end: float | None, limit: int
) -> list[TranscriptSegmentRow]:
    """Return the newest speech of a stream that overlaps [start, end), newest first. None does not restrict."""
    query = _SEGMENTS.select().where(
        transcript_segments.c.stream_id == stream_id, transcript_segments.c.kind == SegmentKind.SPEECH
    )
    if start is not None:
        query = query.where(transcript_segments.c.end > start)
    if end is not None:
        query = query.where(transcript_segments.c.start < end)
    return _SEGMENTS.all(conn, query.order_by(transcript_segments.c.start.desc()).limit(limit))


def speech_between(
    conn: Connection, stream_id: str, engine: str, start: float, end: float
) -> list[TranscriptSegmentRow]:
    """Return the speech of a transcript that overlaps [start, end), oldest first."""
    query = _SEGMENTS.select().where(
        transcript_segments.c.stream_id == stream_id,
        transcript_segments.c.engine == engine,
        transcript_segments.c.kind == "speech",
        transcript_segments.c.start < end,
        transcript_segments.c.end > start,
    )
    return _SEGMENTS.all(conn, query.order_by(transcript_segments.c.start, transcript_segments.c.id))


def amount(conn: Connection, stream_id: str, engine: str) -> tuple[float, int]:
    """Return the seconds of speech in a transcript, and about how many words it has."""
    of = transcript_segments.c
    words = func.sum(func.length(of.text) - func.length(func.replace(of.text, " ", "")) + 1)
    query = select(func.sum(of.end - of.start).label("spoken"), words.label("words")).where(
        of.stream_id == stream_id, of.engine == engine, of.kind == SegmentKind.SPEECH
    )
    row = conn.execute(query).one()
    return row.spoken or 0.0, row.words or 0


def list_segments(
    conn: Connection,
    stream_id: str,
    engine: str | None,
    *,
    start: float | None,
    end: float | None,
    since: float | None,
    page: Page,
) -> tuple[list[TranscriptSegmentRow], int]:
    """Return a page of segments, oldest first, and the total number of segments that match.

    Segments match if they overlap [start, end) and end after ``since``. Arguments that are None do not restrict.
    """
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
    return _SEGMENTS.all(conn, query.offset(page.offset).limit(page.page_size)), total


def sentences_around(conn: Connection, stream_id: str, start: float, end: float, reach_s: float) -> tuple[float, float]:
    """Return [start, end] with the sentences that it cuts, the one before and the one after.

    Args:
        conn: The connection.
        stream_id: Id of the stream.
        start: Start of the range, in Unix seconds.
        end: End of the range.
        reach_s: Longest pause in seconds between the range and a sentence before or after it.
    """
    of = transcript_segments.c
    said = select(of.start, of.end).where(of.stream_id == stream_id, of.kind == SegmentKind.SPEECH)
    for row in conn.execute(said.where(of.end > start + EDGE_S, of.start < end - EDGE_S)).all():
        start, end = min(start, row.start), max(end, row.end)
    before = said.where(of.end <= start + EDGE_S, of.end >= start - reach_s).order_by(of.end.desc()).limit(1)
    after = said.where(of.start >= end - EDGE_S, of.start <= end + reach_s).order_by(of.start).limit(1)
    first, last = conn.execute(before).first(), conn.execute(after).first()
    return first.start if first else start, last.end if last else end
