"""The clip around a hit, and whether the hit was seen or heard."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection

from rtstream.states import ExtractionType
from rtstream.store import indexes as index_rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store import video_transcripts
from rtstream.store.search import VIDEO, Detail

HitMedium = Literal["visual", "audio", ""]
REACH_S = 15.0
"""Longest pause in seconds between a hit and a neighbouring sentence that still belongs to its clip."""


def medium_of_hit(conn: Connection, detail: Detail) -> HitMedium:
    """Return whether a hit was seen or heard. It is empty for an alert that is on neither."""
    if detail.kind in ("transcript", "audio", VIDEO) or detail.of_sentence:
        return "audio"
    if detail.kind == "visual":
        return "visual"
    kind = index_rows.extraction_type(conn, detail.index_id)
    return "" if kind is None else "audio" if kind is ExtractionType.TRANSCRIPT else "visual"


def clip_of(conn: Connection, detail: Detail, medium: HitMedium, start: float, end: float) -> tuple[float, float]:
    """Return the times of a clip that shows a hit. If the hit was heard, the sentences around it are in the clip."""
    if medium != "audio":
        return start, end
    if detail.kind == VIDEO:
        return video_transcripts.sentences_around(conn, detail.stream_id, start, end, REACH_S)
    return transcript_rows.sentences_around(conn, detail.stream_id, start, end, REACH_S)
