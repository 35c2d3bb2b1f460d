"""Live transcripts: start, stop, read and status (API reference 2.14), and partial texts for connected clients."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.api.envelope import UnixTime
from rtstream.api.feed import JournalTail, item
from rtstream.api.routing import engine_of
from rtstream.engine.transcripts import OnPartial
from rtstream.errors import InvalidRequest
from rtstream.models import Message, Page, TranscriptPage, TranscriptStatus
from rtstream.store.journal import Entry, iso

EngineName = Field(None, max_length=300)


class SetTranscriptStatus(BaseModel):
    """Body of ``POST rtstream/{id}/transcription``. Clients also send ``mode``, which has no effect."""

    action: Literal["start", "stop"]
    engine: str | None = EngineName
    ws_connection_id: str | None = None
    language: str | None = Field(None, max_length=20)
    vocabulary: list[str] | None = None
    # extensions
    start: UnixTime | None = Field(None, description="Recorded audio from there on is transcribed as well.")
    end: UnixTime | None = Field(None, description="Nothing after it is transcribed.")
    confirm: bool = Field(False, description="The user agrees to the expected cost of a paid engine.")
    from_start: bool = Field(
        False, description="Begin with the first recorded audio, for a stream that was just connected."
    )


class GetTranscript(Page):
    """Query of ``GET rtstream/{id}/transcription``."""

    engine: str | None = EngineName
    start: UnixTime | None = None
    end: UnixTime | None = None
    since: UnixTime | None = None


class OfEngine(BaseModel):
    """Query of ``GET rtstream/{id}/transcription/status``."""

    engine: str | None = EngineName


async def set_transcript_status(request: Request, body: SetTranscriptStatus) -> TranscriptStatus:
    """Start or stop a transcript. Repeated calls have no further effect. With ``start``, the past is transcribed."""
    transcripts, stream_id = engine_of(request).transcripts, request.path_params["stream_id"]
    if body.action == "stop":
        return await transcripts.stop(stream_id, body.engine)
    if body.start is not None or body.end is not None:
        if body.start is None:
            raise InvalidRequest("A range of the past needs a start. Pass start as well.")
        return await engine_of(request).backfills.transcribe(
            stream_id,
            body.engine,
            (body.start, body.end),
            language=body.language,
            vocabulary=body.vocabulary,
            ws_connection_id=body.ws_connection_id,
            confirm=body.confirm,
        )
    return await transcripts.start(
        stream_id,
        body.engine,
        language=body.language,
        vocabulary=body.vocabulary,
        ws_connection_id=body.ws_connection_id,
        from_start=body.from_start,
    )


async def get_transcript(request: Request, query: GetTranscript) -> TranscriptPage:
    """Read a page of a transcript, oldest first."""
    where = query.model_dump(exclude={"page", "page_size"})
    return await engine_of(request).transcripts.get(request.path_params["stream_id"], query, **where)


async def get_transcript_status(request: Request, query: OfEngine) -> TranscriptStatus:
    """Get the state of a transcript."""
    return await engine_of(request).transcripts.status(request.path_params["stream_id"], query.engine)


def show_partials(feed: JournalTail) -> OnPartial:
    """Pass partial texts to the WebSockets, with number 0 and without a journal entry."""

    def show(entry: Entry) -> None:
        message = Message(
            channel="transcript",
            timestamp=iso(entry.at),
            rtstream_id=entry.stream_id,
            rtstream_name=entry.stream_name,
            data=entry.data,
            seq=0,
        )
        feed.add(item(message))

    return show
