"""Parts of streams and jobs that call models which may cost money, in words, and stopping them."""

from __future__ import annotations

from collections.abc import Iterable

from rtstream.client import RTStreamClient
from rtstream.models import EngineInfo, JobKind, JobState, PaidPart
from rtstream.rules.model_cost import is_paid
from tools._framework.definition import ToolContext, live
from tools._framework.parameters import name
from tools._framework.times import joined


async def list_paid(ctx: ToolContext, stream_id: str) -> list[str]:
    """Return the running parts of a stream that call a paid model."""
    return in_words(await live(ctx).client.list_paid(stream_id))


async def stop_paid(ctx: ToolContext, stream_id: str) -> list[str]:
    """Stop the parts of a stream that call a paid model, and return them."""
    return in_words(await live(ctx).client.stop_paid(stream_id))


async def note_paid(ctx: ToolContext, *, stop_jobs: bool) -> str | None:
    """Return a note about paid work that belongs to no stream, or None if there is none.

    Args:
        ctx: Context of the call.
        stop_jobs: Whether to cancel the transcriptions of videos that call a paid speech engine.
    """
    client = live(ctx).client
    info = await client.info()
    if info is None:  # a service without our extensions
        return None
    cancelled = await _cancel_transcriptions(client, info) if stop_jobs else None
    model = info.search.model
    embedding = f"New text is still embedded for search by {name(model)}. The user can turn that off."
    return joined(cancelled, embedding if is_paid(model) else None)


async def _cancel_transcriptions(client: RTStreamClient, info: EngineInfo) -> str | None:
    if not is_paid(info.speech):
        return None
    cancelled = [
        name(job.name)
        for job in await client.jobs.list()
        if job.kind is JobKind.SPOKEN_WORDS
        and job.state in (JobState.QUEUED, JobState.RUNNING)
        and await client.jobs.cancel(job.job_id)
    ]
    if not cancelled:
        return None
    return f"Cancelled the transcription of {', '.join(cancelled)}. index_spoken_words continues it."


def in_words(parts: Iterable[PaidPart]) -> list[str]:
    """Return parts of streams as texts with their models."""
    return [name(f"{part.kind} {'' if part.kind == 'transcript' else part.id + ' '}({part.model})") for part in parts]
