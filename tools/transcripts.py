"""Tools for speech: transcripts, and continuous summaries of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.models import CreateIndex, TranscriptSegment, TranscriptStatus
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import StreamId, name, note

MAX_RESULT_CHARS = 40_000
"""About 10,000 tokens, far below the limits of hosts."""

Engine = Annotated[
    str | None,
    Field(description="For example assemblyai; omit for the default."),
]


class TranscriptStatusResult(BaseModel):
    """State of a transcript."""

    status: str
    engine: str
    note: str | None = None


class StartedTranscript(TranscriptStatusResult):
    """A running transcript."""

    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")


class Said(BaseModel):
    """One utterance, Unix seconds."""

    start: float
    end: float
    engine: str | None = Field(None, description="Only if it differs from the engine of the result.")
    gap: bool | None = Field(None, description="This time was not transcribed.")
    doubtful: bool | None = Field(None, description="The engine has low confidence in this text.")
    untrusted_text: str | None = Field(None, description=UNTRUSTED)


class Transcript(BaseModel):
    """Utterances, oldest first."""

    engine: str
    said: list[Said]
    total: int
    has_more: bool = Field(description="More is on the next page.")
    next: str | None = None


class BatchOption(BaseModel):
    """Amount of speech per summary."""

    type: Literal["word", "sentence", "time"] = "time"
    value: Annotated[float, Field(gt=0, description="Words, sentences or seconds.")] = 30


class AudioIndex(BaseModel):
    """A continuous summary of speech."""

    index_id: str
    stream_id: str
    status: str
    model: str | None = Field(None, description="local quotes the speech and does not follow the prompt.")
    note: str | None = None
    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")


@tool("Start a transcript", read_only=False, idempotent=True, open_world=True, default=True)
async def start_transcript(
    ctx: ToolContext,
    stream_id: StreamId,
    engine: Engine = None,
    language: Annotated[str | None, Field(description="Spoken language, such as en or de.")] = None,
) -> StartedTranscript:
    """Transcribe the speech of a stream from now on.

    Use this when the stream has audio and speech matters. The default engine supports English only. Call
    wait_for_events next.
    """
    feed = live(ctx).feed
    cursor = await feed.cursor()
    status = await live(ctx).client.transcripts.start(
        stream_id, engine, language=language, ws_connection_id=await feed.connection_id()
    )
    return StartedTranscript(**_state(status).model_dump(), cursor=cursor)


@tool("Read a transcript", read_only=True, default=True)
async def get_transcript(
    ctx: ToolContext,
    stream_id: StreamId,
    start: Annotated[float | None, Field(description="Unix seconds.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    since: Annotated[float | None, Field(description="Only what ended after this, Unix seconds.")] = None,
    page: Annotated[int, Field(ge=1)] = 1,
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100,
    engine: Engine = None,
) -> Transcript:
    """Read the transcript of a stream, oldest first.

    Use this for past speech. Call wait_for_events for new speech.
    """
    found = await live(ctx).client.transcripts.get(
        stream_id, engine=engine, start=start, end=end, since=since, page=page, page_size=page_size
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
        next=hint,
    )


@tool("Stop a transcript", read_only=False, idempotent=True)
async def stop_transcript(ctx: ToolContext, stream_id: StreamId, engine: Engine = None) -> TranscriptStatusResult:
    """Stop the transcript of a stream. Its text is kept.

    Use this when the user no longer needs new text. Audio indexes continue. Call start_transcript to resume.
    """
    return _state(await live(ctx).client.transcripts.stop(stream_id, engine))


@tool("Summarise speech continuously", read_only=False, open_world=True)
async def index_audio(
    ctx: ToolContext,
    stream_id: StreamId,
    prompt: Annotated[str, Field(max_length=4000, description="Instruction for each summary.")],
    batch_config: Annotated[BatchOption | None, Field(description="Default: 30 seconds.")] = None,
    model_name: Annotated[str | None, Field(description="provider:model; omit for the configured one.")] = None,
    name: Annotated[str | None, Field(description="Short name.")] = None,
) -> AudioIndex:
    """Summarise the speech of a stream continuously, one scene per batch, until stopped.

    Use this when the user wants summaries of speech, or alerts on it. It starts the transcript that it needs. Call
    get_scenes, create_alert, or wait_for_events with channels=['audio'] next.
    """
    feed, batch = live(ctx).feed, batch_config or BatchOption()
    cursor = await feed.cursor()
    request = CreateIndex.model_validate(
        {
            "extraction_type": "transcript",
            "extraction_config": {"segmenter": batch.type, "segmentation_value": batch.value},
            "prompt": prompt,
            "model_name": model_name,
            "name": name,
            "ws_connection_id": await feed.connection_id(),
        }
    )
    index = await live(ctx).client.indexes.create(stream_id, request)
    return AudioIndex(
        index_id=index.rtstream_index_id,
        stream_id=stream_id,
        status=index.state or index.status,
        model=clean(index.model, 100) or None,
        note=note(" ".join(part for part in (index.status_reason, index.note) if part)),
        cursor=cursor,
    )


def _state(status: TranscriptStatus) -> TranscriptStatusResult:
    return TranscriptStatusResult(
        status=status.status,
        engine=name(status.engine),
        note=note(" ".join(part for part in (status.reason, status.note) if part)),
    )


def _said(record: TranscriptSegment, main: str) -> Said:
    return Said(
        start=round(record.start, 3),
        end=round(record.end, 3),
        engine=name(record.engine) if record.engine != main else None,
        gap=True if record.kind == "gap" else None,
        doubtful=True if record.low_confidence else None,
        untrusted_text=clean(record.text, MAX_TEXT) or None,
    )


def _within(records: list[TranscriptSegment]) -> list[TranscriptSegment]:
    """The first records whose text fits into ``MAX_RESULT_CHARS``, at least one."""
    used = 0
    for count, record in enumerate(records):
        used += 80 + min(len(record.text), MAX_TEXT)
        if used > MAX_RESULT_CHARS and count > 0:
            return records[:count]
    return records
