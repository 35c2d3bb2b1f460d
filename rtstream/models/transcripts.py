"""Transcripts of streams."""

from __future__ import annotations

from pydantic import Field

from rtstream.json_types import JsonObject
from rtstream.models.backfill import Backfill
from rtstream.models.base import ApiModel
from rtstream.states import SegmentKind, TranscriptJobStatus, TranscriptState


class TranscriptSegment(ApiModel):
    """One utterance (API reference 2.14)."""

    start: float
    end: float
    text: str
    is_final: bool = True
    engine: str = ""
    kind: SegmentKind = Field(
        default=SegmentKind.SPEECH, description="A gap is audio that was skipped to keep up with live. It has no text."
    )
    confidence: float | None = None
    low_confidence: bool = Field(
        default=False, description="The engine considers this text unreliable (for example, another language)."
    )
    late: bool = Field(default=False, description="It was transcribed later, from the recording.")
    heard: str = Field(default="", description="The text before the vocabulary or words on the screen corrected it.")
    speaker: str = Field(default="", description="The speaker, if the engine tells them apart.")
    word_timestamps: list[JsonObject] = Field(default_factory=list)


class TranscriptPage(ApiModel):
    """One page of a transcript, oldest first (API reference 2.14)."""

    transcription_records: list[TranscriptSegment]
    next_page: bool
    total_count: int
    page: int
    page_size: int


class TranscriptStatus(ApiModel):
    """The state of a transcript (API reference 2.14)."""

    status: TranscriptJobStatus
    engine: str
    language: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    created_at: str | None = None
    updated_at: str | None = None
    # extensions
    state: TranscriptState = TranscriptState.STOPPED
    reason: str = Field(default="", description="Why the engine cannot transcribe now.")
    note: str = Field(default="", description="Set when another engine than the requested one is used.")
    skipped_s: float = Field(
        default=0.0, description="Seconds of audio that are not transcribed, neither live nor later."
    )
    waiting: dict[str, float] = Field(
        default_factory=dict, description="Seconds of recorded audio that are transcribed later, by reason."
    )
    backfill: Backfill | None = Field(default=None, description="After a request with a range only.")
