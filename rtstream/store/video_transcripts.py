"""Queries on the transcripts of exported videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from rtstream.json_types import JsonObject
from rtstream.store.rows import RowReader
from rtstream.store.tables import video_segments, video_transcripts, videos


@dataclass(frozen=True, slots=True)
class VideoTranscriptRow:
    """A stored transcript of a video. ``sound`` is whether the video has audio."""

    video_id: str
    engine: str
    language: str | None
    sound: bool
    created_at: float


_TRANSCRIPTS = RowReader(VideoTranscriptRow, video_transcripts)


def replace(conn: Connection, video_id: str, sentences: Sequence[JsonObject], **facts: object) -> bool:
    """Replace the transcript of a video.

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
