"""The question before recorded footage is analysed by a paid model."""

from __future__ import annotations

from rtstream.errors import InvalidRequest
from rtstream.models import CreateIndex, ForecastRequest
from tools._framework.definition import ToolContext, live
from tools._framework.targets import stream_of
from tools._framework.times import TimeRange, window


async def past(ctx: ToolContext, stream_id: str, start: str | None, end: str | None) -> TimeRange:
    """Return the range of the past that a call names, which may be empty. Raises InvalidRequest."""
    if start is None and end is not None:
        raise InvalidRequest("A range of the past needs a start. Pass start as well.")
    return await window(ctx, start, end, stream=stream_id)


async def cost_question(
    ctx: ToolContext,
    stream_id: str | None,
    start: str | None,
    end: str | None,
    *,
    request: CreateIndex | None = None,
    engine: str | None = None,
    language: str | None = None,
) -> str:
    """Return the question about the cost of a range of the past, or an empty string if it is free."""
    if start is None:
        return ""
    stream = await stream_of(ctx, stream_id)
    times = await past(ctx, stream, start, end)
    if times.start is None:
        return ""
    asked = ForecastRequest(start=times.start, end=times.end, index=request, engine=engine, language=language)
    forecast = await live(ctx).client.indexes.forecast(stream, asked)
    return f"{forecast.text} Analyse it?" if forecast.paid else ""
