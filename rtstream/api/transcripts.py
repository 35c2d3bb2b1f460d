"""Live transcripts: start, stop, read and status (API reference 2.14), and partial texts for connected clients."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import UnixTime, body, ok, query
from rtstream.api.feed import JournalTail, item
from rtstream.api.routing import engine_of
from rtstream.engine.transcripts import OnPartial
from rtstream.models import Message, Page
from rtstream.store.journal import Entry, iso

EngineName = Field(None, max_length=300)


class SetTranscriptStatus(BaseModel):
    """Body of ``POST rtstream/{id}/transcription``. Clients also send ``mode``, which has no effect."""

    action: Literal["start", "stop"]
    engine: str | None = EngineName
    ws_connection_id: str | None = None
    language: str | None = Field(None, max_length=20)


class GetTranscript(Page):
    """Query of ``GET rtstream/{id}/transcription``."""

    engine: str | None = EngineName
    start: UnixTime | None = None
    end: UnixTime | None = None
    since: UnixTime | None = None


class OfEngine(BaseModel):
    """Query of ``GET rtstream/{id}/transcription/status``."""

    engine: str | None = EngineName


async def set_transcript_status(request: Request) -> Response:
    """Start or stop a transcript. Repeated calls have no further effect."""
    wanted = await body(request, SetTranscriptStatus)
    transcripts, stream_id = engine_of(request).transcripts, request.path_params["stream_id"]
    if wanted.action == "stop":
        return ok(await transcripts.stop(stream_id, wanted.engine))
    return ok(
        await transcripts.start(
            stream_id, wanted.engine, language=wanted.language, ws_connection_id=wanted.ws_connection_id
        )
    )


async def get_transcript(request: Request) -> Response:
    """Read a page of a transcript, oldest first."""
    wanted = query(request, GetTranscript)
    where = wanted.model_dump(exclude={"page", "page_size"})
    return ok(await engine_of(request).transcripts.get(request.path_params["stream_id"], wanted, **where))


async def get_transcript_status(request: Request) -> Response:
    """Get the state of a transcript."""
    wanted = query(request, OfEngine)
    return ok(await engine_of(request).transcripts.status(request.path_params["stream_id"], wanted.engine))


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
