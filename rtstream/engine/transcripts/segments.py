"""The stored form of a transcript segment, and its journal entry."""

from __future__ import annotations

import time

from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.json_types import JsonObject
from rtstream.store.journal import Entry

SHOWN = ("confidence", "low_confidence", "words", "reason")
"""Parts of the detail that the journal entry contains."""


def segment(
    transcript: RunningTranscript, kind: str, start: float, end: float, text: str, detail: JsonObject
) -> tuple[JsonObject, Entry]:
    """Return the columns of a segment and its journal entry. Both of a segment of the past are marked ``late``.

    Args:
        transcript: The transcript, live or of a gap.
        kind: ``speech`` or ``gap``.
        start: Start in Unix seconds.
        end: End in Unix seconds.
        text: The text, empty for a gap.
        detail: Further facts, such as the words with their times.
    """
    late = {"late": True} if transcript.gap_id else {}
    shown = {key: detail[key] for key in SHOWN if detail.get(key)}
    values = {
        "stream_id": transcript.stream_id,
        "engine": transcript.engine,
        "start": start,
        "end": end,
        "text": text,
        "kind": kind,
        "detail": detail | late,
        "created_at": time.time(),
    }
    data = {
        "text": text,
        "is_final": True,
        "start": start,
        "end": end,
        "engine": transcript.engine,
        "kind": kind,
        **shown,
        **late,
    }
    return values, Entry("transcript", data, stream_id=transcript.stream_id, stream_name=transcript.stream_name)
