"""Queries on the transcripts of exported videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from rtstream.json_types import JsonObject
from rtstream.store.rows import RowReader
from rtstream.store.tables import (
    unfinished_transcripts,
    unfinished_utterances,
    video_segments,
    video_transcripts,
    videos,
)


@dataclass(frozen=True, slots=True)
class VideoTranscriptRow:
    """A stored transcript of a video. ``sound`` is whether the video has audio."""

    video_id: str
    engine: str
    language: str | None
    sound: bool
    created_at: float


EDGE_S = 0.05
"""Seconds by which neighbouring sentences may overlap."""

_TRANSCRIPTS = RowReader(VideoTranscriptRow, video_transcripts)


def replace(conn: Connection, video_id: str, sentences: Sequence[JsonObject], **facts: object) -> bool:
    """Replace the transcript of a video, and end its transcription.

    Args:
        conn: The connection.
        video_id: Id of the video.
        sentences: Columns of ``video_segments``, per sentence.
        facts: Columns of ``video_transcripts``.

    Returns:
        Whether the video still exists. Otherwise, nothing is stored.
    """
    if conn.execute(select(videos.c.id).where(videos.c.id == video_id)).first() is None:
        return False
    conn.execute(delete(video_segments).where(video_segments.c.video_id == video_id))
    conn.execute(delete(video_transcripts).where(video_transcripts.c.video_id == video_id))
    end_unfinished(conn, video_id)
    conn.execute(video_transcripts.insert().values(video_id=video_id, **facts))
    for sentence in sentences:
        conn.execute(video_segments.insert().values(video_id=video_id, **sentence))
    return True


def transcribed(conn: Connection, video_ids: Sequence[str] | None = None) -> dict[str, VideoTranscriptRow]:
    """Return the transcripts of these videos, or of all if ``video_ids`` is None, by video id."""
    query = _TRANSCRIPTS.select()
    if video_ids is not None:
        query = query.where(video_transcripts.c.video_id.in_(video_ids))
    return {row.video_id: row for row in _TRANSCRIPTS.all(conn, query)}


def sentences(conn: Connection, video_id: str) -> list[list[JsonObject]]:
    """Return the words of each sentence, in order."""
    query = select(video_segments.c.words).where(video_segments.c.video_id == video_id)
    return list(conn.execute(query.order_by(video_segments.c.start, video_segments.c.id)).scalars())


@dataclass(frozen=True, slots=True)
class UnfinishedRow:
    """A transcription that has not ended. ``wanted``: it continues when the engine starts."""

    video_id: str
    engine: str
    language: str | None
    job_id: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class UtteranceRow:
    """An utterance of a transcription that has not ended. Times are seconds from the start of the video."""

    id: int
    video_id: str
    start: float
    end: float
    text: str
    words: list[JsonObject]


_UNFINISHED = RowReader(UnfinishedRow, unfinished_transcripts)
_UTTERANCES = RowReader(UtteranceRow, unfinished_utterances)


def continue_or_begin(
    conn: Connection, video_id: str, *, engine: str, language: str | None, job_id: str
) -> list[UtteranceRow]:
    """Store that a job transcribes a video.

    Returns:
        The utterances of an earlier job that was interrupted, if it used the same engine and language.
    """
    known = _UNFINISHED.first(conn, _UNFINISHED.select().where(unfinished_transcripts.c.video_id == video_id))
    if known is not None and (known.engine, known.language) == (engine, language):
        own = update(unfinished_transcripts).where(unfinished_transcripts.c.video_id == video_id)
        conn.execute(own.values(job_id=job_id, wanted=True))
        query = _UTTERANCES.select().where(unfinished_utterances.c.video_id == video_id)
        return _UTTERANCES.all(conn, query.order_by(unfinished_utterances.c.id))
    end_unfinished(conn, video_id)
    conn.execute(
        unfinished_transcripts.insert().values(
            video_id=video_id, engine=engine, language=language, job_id=job_id, wanted=True
        )
    )
    return []


def add_utterances(conn: Connection, video_id: str, utterances: Sequence[JsonObject]) -> bool:
    """Add utterances to a transcription that has not ended. Returns False if its video was deleted."""
    known = select(unfinished_transcripts.c.video_id).where(unfinished_transcripts.c.video_id == video_id)
    if conn.execute(known).first() is None:
        return False
    if utterances:
        conn.execute(unfinished_utterances.insert(), [{"video_id": video_id, **one} for one in utterances])
    return True


def set_unwanted(conn: Connection, video_id: str) -> None:
    """Store that a transcription does not continue when the engine starts, but only on request."""
    own = update(unfinished_transcripts).where(unfinished_transcripts.c.video_id == video_id)
    conn.execute(own.values(wanted=False))


def end_unfinished(conn: Connection, video_id: str) -> None:
    """Delete a transcription that has not ended, with its utterances."""
    conn.execute(delete(unfinished_utterances).where(unfinished_utterances.c.video_id == video_id))
    conn.execute(delete(unfinished_transcripts).where(unfinished_transcripts.c.video_id == video_id))


def is_unfinished(conn: Connection, video_id: str) -> bool:
    """Return whether a transcription of the video was interrupted."""
    query = _UNFINISHED.select().where(unfinished_transcripts.c.video_id == video_id)
    return _UNFINISHED.first(conn, query) is not None


def wanted(conn: Connection) -> list[UnfinishedRow]:
    """Return the transcriptions that continue when the engine starts."""
    return _UNFINISHED.all(conn, _UNFINISHED.select().where(unfinished_transcripts.c.wanted.is_(True)))


def sentences_around(conn: Connection, video_id: str, start: float, end: float, reach_s: float) -> tuple[float, float]:
    """Return [start, end] with the sentences that it cuts, the one before and the one after.

    Args:
        conn: The connection.
        video_id: Id of the video.
        start: Start of the range, in seconds from the start of the video.
        end: End of the range.
        reach_s: Longest pause in seconds between the range and a sentence before or after it.
    """
    of = video_segments.c
    said = select(of.start, of.end).where(of.video_id == video_id)
    for row in conn.execute(said.where(of.end > start + EDGE_S, of.start < end - EDGE_S)).all():
        start, end = min(start, row.start), max(end, row.end)
    before = said.where(of.end <= start + EDGE_S, of.end >= start - reach_s).order_by(of.end.desc()).limit(1)
    after = said.where(of.start >= end - EDGE_S, of.start <= end + reach_s).order_by(of.start).limit(1)
    first, last = conn.execute(before).first(), conn.execute(after).first()
    return first.start if first else start, last.end if last else end
