"""The journal over HTTP with a cursor and a bounded wait, and the state and the metrics of the engine."""

from __future__ import annotations

import anyio
from pydantic import BaseModel, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import envelope, ok, query
from rtstream.api.routing import engine_of
from rtstream.models import Channel, EntryLimit, JournalPage
from rtstream.store.journal import Filter


class ReadJournal(BaseModel):
    """Query of ``GET rtstream/journal``. Lists are comma-separated."""

    since: int | None = Field(None, ge=0, lt=2**63)
    limit: EntryLimit = 100
    streams: list[str] = Field(default_factory=list, max_length=200)
    channels: list[Channel] = Field(default_factory=list)  # pyright: ignore[reportUnknownVariableType]
    labels: list[str] = Field(default_factory=list, max_length=200)
    text: str = Field("", max_length=1000)
    min_confidence: float | None = Field(None, ge=0, le=1)
    wait_s: float = Field(0.0, ge=0, le=50)

    @field_validator("streams", "channels", "labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


async def read_journal(request: Request) -> Response:
    """Read entries after a cursor. Waits up to ``wait_s`` seconds for the first."""
    wanted = query(request, ReadJournal)
    which = Filter(wanted.streams, wanted.channels, wanted.labels, wanted.text, wanted.min_confidence)
    journal = engine_of(request).journal
    page: JournalPage | None = None
    # A wait ends early when the client disconnects or the server closes, instead of lasting up to 50 s.
    async with anyio.create_task_group() as waiting:

        async def stop_when_gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            waiting.cancel_scope.cancel()

        async def stop_when_closing() -> None:
            await request.app.state.closing.wait()
            waiting.cancel_scope.cancel()

        if wanted.wait_s > 0:
            waiting.start_soon(stop_when_gone)
            waiting.start_soon(stop_when_closing)
        page = await journal.read(wanted.since, which, wanted.limit, wait_s=wanted.wait_s)
        waiting.cancel_scope.cancel()
    return ok(page or await journal.read(wanted.since, which, wanted.limit))


async def get_metrics(request: Request) -> Response:
    """Return the metrics of the engine in the text format of Prometheus."""
    return Response(await engine_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def get_engine_info(request: Request) -> Response:
    """Get the version, the engines in use and the number of streams."""
    return ok(await engine_of(request).info())


async def get_health(_request: Request) -> Response:
    """Report that the engine runs. Needs no key."""
    return envelope({"success": True})
