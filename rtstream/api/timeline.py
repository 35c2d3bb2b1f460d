"""The merged timeline of streams over HTTP, in pages."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator
from starlette.requests import Request

from rtstream.api.base_url import origin
from rtstream.api.envelope import UnixTime
from rtstream.api.routing import engine_of
from rtstream.models import TimelineChannel, TimelinePage


class ReadTimeline(BaseModel):
    """Query of ``GET rtstream/timeline``. Lists are comma-separated."""

    streams: list[str] = Field(default_factory=list, max_length=100, description="Ids; all streams if it is empty.")
    start: UnixTime | None = Field(None, description="Unix seconds; by default, an hour before end.")
    end: UnixTime | None = Field(None, description="Unix seconds; by default now.")
    channels: list[TimelineChannel] = Field(
        default_factory=list,  # pyright: ignore[reportUnknownVariableType]
        description="All if it is empty.",
    )
    cursor: str = Field("", max_length=4096, description="Continues an earlier page with its range and streams.")
    max_chars: int = Field(6000, ge=1000, le=100_000, description="Length of the page as JSON, about.")

    @field_validator("streams", "channels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


async def read_timeline(request: Request, query: ReadTimeline) -> TimelinePage:
    """Read the screens, speech and alerts of streams as one timeline, oldest first.

    Each screen, turn of speech, summary, alert and interruption is an entry, in which repeats are merged. A range has
    about 40 entries at most; neighbours that say least are folded.
    """
    return await engine_of(request).timeline.page(
        origin(request),
        streams=query.streams or None,
        start=query.start,
        end=query.end,
        channels=query.channels,
        cursor=query.cursor or None,
        max_chars=query.max_chars,
    )
