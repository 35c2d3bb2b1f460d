"""Tools for transcripts: transcribe the speech of a stream, and read transcripts of streams and videos."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.errors import InvalidRequest
from rtstream.models import TranscriptSegment, TranscriptStatus, VideoWord
from rtstream.rules.text_safety import clean
from tools._framework.costs import cost_question, past
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import OBJECTS, Vocabulary, name, note
from tools._framework.targets import StreamId, stream_of
from tools._framework.times import Time, joined, moment, window
from tools.indexes import End, Start, next_step

MAX_RESULT_CHARS = 40_000
"""About 10,000 tokens, far below the limits of hosts."""
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:\.\d+)?)")

Engine = Annotated[
    str | None,
    Field(description="Such as assemblyai."),
]


class TranscriptInfo(BaseModel):
    """State of a transcript."""

    stream_id: str
    job_id: str | None = Field(default=None, description="Transcription of the past.")
    status: str
    engine: str
    language: str | None = None
    note: str | None = None
    cursor: int | None = Field(
        default=None, description="Pass as since to wait_for_events to miss nothing from here on."
    )
    next: str | None = None


class Said(BaseModel):
    """One utterance. Unix seconds, or seconds from the start of a video."""

    start: float
    end: float
    engine: str | None = Field(default=None, description="Only if it differs from the engine of the result.")
    gap: bool | None = Field(default=None, description="This time was not transcribed.")
    doubtful: bool | None = Field(default=None, description="The engine has low confidence in this text.")
    confidence: float | None = Field(default=None, description="0 to 1, if the engine reports it.")
    untrusted_speaker: str | None = Field(default=None, description="The speaker, if the engine tells them apart.")
    untrusted_text: str | None = Field(default=None, description=UNTRUSTED)
    untrusted_heard: str | None = Field(default=None, description="The text before a vocabulary corrected it.")


class Transcript(BaseModel):
    """Utterances, oldest first."""

    engine: str | None = None
    said: Annotated[list[Said], OBJECTS]
    total: int
    has_more: bool = Field(description="More is on the next page.")
    note: str | None = None
    next: str | None = None


async def _cost(
    ctx: ToolContext,
    stream_id: str | None,
    running: bool,
    engine: str | None,
    language: str | None,
    start: str | None,
    end: str | None,
) -> str:
    if not running:
        return ""
    return await cost_question(ctx, stream_id, start, end, engine=engine, language=language)


@tool("Transcribe a stream", read_only=False, idempotent=True, open_world=True, default=True, confirm=_cost)
async def transcribe(
    ctx: ToolContext,
    stream_id: StreamId = None,
    running: Annotated[bool, Field(description="false stops it.")] = True,
    engine: Engine = None,
    language: Annotated[str | None, Field(description="Spoken language, such as en or de.")] = None,
    vocabulary: Vocabulary = None,
    start: Start = None,
    end: End = None,
) -> TranscriptInfo:
    """Transcribe the speech of a stream from now on, or stop that. Its text is kept.

    Use this when the stream has audio and speech matters, or with start for the recording. The default engine
    supports English only. After a stop, audio indexes and alerts continue. Call wait_for_events with
    channels=['transcript'], or get_transcript, next.
    """
    stream = await stream_of(ctx, stream_id)
    calls, feed = live(ctx).client.transcripts, live(ctx).feed
    if not running:
        if any(value is not None for value in (language, vocabulary, start, end)):
            raise InvalidRequest(
                "language, vocabulary, start and end belong to a transcript that runs. Omit them to stop."
            )
        return _info(stream, await calls.stop(stream, engine))
    times = await past(ctx, stream, start, end)
    cursor = await feed.cursor()
    status = await calls.start(
        stream,
        engine,
        language=language,
        vocabulary=vocabulary,
        ws_connection_id=await feed.connection_id(),
        start=times.start,
        end=times.end,
        confirm=True if times.start is not None else None,  # the user has agreed if that was necessary
    )
    backfill = status.backfill
    info = _info(stream, status)
    info.job_id = backfill.job_id if backfill is not None else None
    info.note = joined(note(backfill.forecast.text) if backfill is not None else None, times.note, info.note)
    info.cursor, info.next = cursor, next_step("transcript", cursor, info.job_id)
    return info


def _info(stream_id: str, status: TranscriptStatus) -> TranscriptInfo:
    return TranscriptInfo(
        stream_id=stream_id,
        status=status.status,
        engine=name(status.engine),
        language=name(status.language or "") or None,
        note=note(" ".join(part for part in (status.reason, status.note) if part)),
    )


@tool("Read a transcript", read_only=True, default=True)
async def get_transcript(
    ctx: ToolContext,
    stream_id: StreamId = None,
    video_id: Annotated[
        str | None, Field(description="An exported video instead; times are m:ss from its start.")
    ] = None,
    start: Time = None,
    end: Time = None,
    since: Annotated[Time, Field(description="Only what ended after this.")] = None,
    page: Annotated[int, Field(ge=1)] = 1,
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100,
    engine: Engine = None,
) -> Transcript:
    """Read the transcript of a stream or of an exported video, oldest first.

    Use this for past speech. Call transcribe first, and wait_for_events for new speech.
    """
    if video_id is not None:
        if stream_id is not None or engine is not None:
            raise InvalidRequest("Pass either stream_id or video_id. A video has one transcript, so omit engine.")
        return await _of_video(ctx, video_id, (start, end, since), page, page_size)
    stream = await stream_of(ctx, stream_id)
    wanted = await window(ctx, start, end, stream=stream)
    after = await moment(ctx, since, stream=stream)
    found = await live(ctx).client.transcripts.get(
        stream,
        engine=engine,
        start=wanted.start,
        end=wanted.end,
        since=after.at if after else None,
        page=page,
        page_size=page_size,
    )
    records = _within(found.transcription_records)
    cut = len(records) < len(found.transcription_records)
    main = records[-1].engine if records else engine or ""
    hint = (
        f"The transcript is long. Call again with since={records[-1].end - 0.001:.3f} and page=1 for the rest."
        if cut
        else None
    )
    return Transcript(
        engine=name(main),
        said=[_said(record, main) for record in records],
        total=found.total_count,
        has_more=cut or found.next_page,
        note=joined(
            wanted.note, after.note if after else None, await _silence(ctx, stream, engine) if not records else None
        ),
        next=hint,
    )


async def _silence(ctx: ToolContext, stream_id: str, engine: str | None) -> str | None:
    """The reason why a transcript is empty, as far as it is known."""
    status = await live(ctx).client.transcripts.status(stream_id, engine)
    if status.status == "not_configured":
        return "This stream was never transcribed. Call transcribe first."
    return note(status.reason)


async def _of_video(
    ctx: ToolContext, video_id: str, times: tuple[str | None, str | None, str | None], page: int, page_size: int
) -> Transcript:
    start, end, since = (None if text is None else seconds_into(text) for text in times)
    begin = max((each for each in (start, since) if each is not None), default=None)
    found = await live(ctx).client.videos.transcript(video_id, "sentence", begin, end)
    sentences = [one for one in found.word_timestamps if since is None or one.end > since]
    first = (page - 1) * page_size
    shown = _sentences_within(sentences[first : first + page_size])
    done = first + len(shown)
    cut = len(shown) < len(sentences[first : first + page_size])
    return Transcript(
        said=[
            Said(start=round(one.start, 3), end=round(one.end, 3), untrusted_text=clean(one.text, MAX_TEXT))
            for one in shown
        ],
        total=len(sentences),
        has_more=done < len(sentences),
        next=f"The transcript is long. Call again with since={shown[-1].end:.2f} and page=1 for the rest."
        if cut
        else None,
    )


def seconds_into(text: str) -> float:
    """Return a moment of a video in seconds from its start, from seconds or ``m:ss``. Raises InvalidRequest."""
    text = text.strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        return 3600.0 * float(clock[1] or 0) + 60.0 * float(clock[2]) + float(clock[3])
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e8:
        raise InvalidRequest(
            f"{clean(text, 50)} is not a moment of a video. Pass seconds from its start, or minutes such as 14:05."
        )
    return seconds


def _said(record: TranscriptSegment, main: str) -> Said:
    return Said(
        start=round(record.start, 3),
        end=round(record.end, 3),
        engine=name(record.engine) if record.engine != main else None,
        gap=True if record.kind == "gap" else None,
        doubtful=True if record.low_confidence else None,
        confidence=record.confidence,
        untrusted_speaker=clean(record.speaker, 100) or None,
        untrusted_text=clean(record.text, MAX_TEXT) or None,
        untrusted_heard=clean(record.heard, MAX_TEXT) or None,
    )


def _within(records: list[TranscriptSegment]) -> list[TranscriptSegment]:
    """The first records whose text fits into ``MAX_RESULT_CHARS``, at least one."""
    return records[: _fitting([record.text for record in records])]


def _sentences_within(sentences: list[VideoWord]) -> list[VideoWord]:
    """The first sentences whose text fits into ``MAX_RESULT_CHARS``, at least one."""
    return sentences[: _fitting([one.text for one in sentences])]


def _fitting(texts: list[str]) -> int:
    used = 0
    for count, text in enumerate(texts):
        used += 80 + min(len(text), MAX_TEXT)
        if used > MAX_RESULT_CHARS and count > 0:
            return count
    return len(texts)
