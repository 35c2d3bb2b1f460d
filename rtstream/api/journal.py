"""The journal over HTTP with a cursor and a bounded wait, and the state and the metrics of the engine."""

from __future__ import annotations

from typing import Annotated

import anyio
from pydantic import BaseModel, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import envelope
from rtstream.api.operations import JsonBody, MediaTypes
from rtstream.api.routing import engine_of
from rtstream.models import Channel, EngineInfo, EntryLimit, JournalPage
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
    all_alerts: bool = Field(False, description="Alerts are returned whatever their text.")
    changed: bool = Field(False, description="Scenes that repeat the one before are left out.")
    wait_s: float = Field(0.0, ge=0, le=50)

    @field_validator("streams", "channels", "labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class HealthBody(BaseModel):
    """Body of ``GET health``."""

    success: bool
    starting: str = Field("", description="The step of the start, while the engine starts.")


async def read_journal(request: Request, query: ReadJournal) -> JournalPage:
    """Read entries after a cursor. Waits up to ``wait_s`` seconds for the first."""
    which = Filter(
        query.streams,
        query.channels,
        query.labels,
        query.text,
        query.min_confidence,
        query.all_alerts,
        query.changed,
    )
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

        if query.wait_s > 0:
            waiting.start_soon(stop_when_gone)
            waiting.start_soon(stop_when_closing)
        page = await journal.read(query.since, which, query.limit, wait_s=query.wait_s)
        waiting.cancel_scope.cancel()
    return page or await journal.read(query.since, which, query.limit)


async def get_metrics(request: Request) -> Annotated[Response, MediaTypes(("text/plain",))]:
    """Return the metrics of the engine in the text format of Prometheus."""
    return Response(await engine_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def get_engine_info(request: Request) -> EngineInfo:
    """Get the version, the engines in use and the number of streams."""
    return await engine_of(request).info()


async def get_health(_request: Request) -> Annotated[Response, JsonBody(HealthBody)]:
    """Report that the engine runs. Needs no key."""
    return envelope({"success": True})
