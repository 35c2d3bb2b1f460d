"""The tool that searches scenes, transcripts and alerts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.models import SearchHit, SearchStreams
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import name, note


class Hit(BaseModel):
    """A moment, Unix seconds."""

    stream_id: str
    stream_name: str
    index_id: str | None = None
    kind: str
    start: float
    end: float
    score: float
    untrusted_text: str = Field(description=UNTRUSTED)


class Hits(BaseModel):
    """Hits, best first."""

    by: str
    hits: list[Hit]
    note: str | None = None
    next: str


@tool("Search all streams", read_only=True, default=True)
async def search(
    ctx: ToolContext,
    query: Annotated[str, Field(description='Plain words; "an exact phrase"; pref*.')],
    streams: Annotated[list[str] | None, Field(description="Only these stream_ids.")] = None,
    indexes: Annotated[list[str] | None, Field(description="Only these index_ids.")] = None,
    start: Annotated[float | None, Field(description="Unix seconds.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    kinds: Annotated[
        list[Literal["visual", "audio", "transcript", "alert"]] | None, Field(description="Only these.")
    ] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 10,
    score_threshold: Annotated[float | None, Field(description="0 to 1.")] = None,
) -> Hits:
    """Search everything that was seen, spoken or alerted, on all streams.

    Use this when the user asks when something happened. It covers indexes, transcripts and alerts only. Call
    generate_stream or look next with a hit's stream_id and times.
    """
    request = SearchStreams(
        query=query,
        streams=streams or None,
        indexes=indexes or None,
        start=start,
        end=end,
        kinds=kinds or None,
        result_threshold=limit,
        score_threshold=score_threshold,
        all_collections=True,
    )
    found = await live(ctx).client.search(request)
    return Hits(
        by=name(found.by),
        hits=[_hit(hit) for hit in found.results],
        note=note(found.note),
        next="Call generate_stream(stream_id, start, end) to play a hit."
        if found.results
        else "No results. Try different words.",
    )


def _hit(hit: SearchHit) -> Hit:
    return Hit(
        stream_id=hit.rtstream_id,
        stream_name=name(hit.rtstream_name),
        index_id=hit.scene_index_id or None,
        kind=name(hit.kind),
        start=round(hit.start, 3),
        end=round(hit.end, 3),
        score=round(hit.score, 3),
        untrusted_text=clean(hit.text, MAX_TEXT),
    )
