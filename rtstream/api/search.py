"""Search in streams (API reference 2.16)."""

from __future__ import annotations

from typing import Literal, TypedDict, Unpack

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.api.envelope import UnixTime
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest
from rtstream.models import SearchHit, SearchResults, SearchStreams, ShownMoment


class FindText(BaseModel):
    """Query of ``GET rtstream/{id}/moment``."""

    text: str = Field(min_length=1, max_length=500)
    moment: Literal["first", "last"] = "first"
    start: UnixTime | None = Field(None, description="Unix seconds; by default, a day before end.")
    end: UnixTime | None = Field(None, description="Unix seconds; by default now.")


class _Where(TypedDict, total=False):
    streams: list[str] | None
    collection: str | None


async def search_stream(request: Request, body: SearchStreams) -> SearchResults:
    """Search one stream."""
    return await _answer(request, body, streams=[request.path_params["stream_id"]])


async def search_streams(request: Request, body: SearchStreams) -> SearchResults:
    """Search all streams of a collection."""
    collection = None if body.all_collections else request.path_params["collection_id"]
    return await _answer(request, body, streams=body.streams, collection=collection)


async def find_text(request: Request, query: FindText) -> ShownMoment:
    """Find the first or last moment of a range at which a text was on the screen, exact to the picture if possible."""
    return await engine_of(request).text_edges.find(
        request.path_params["stream_id"], query.text, last=query.moment == "last", start=query.start, end=query.end
    )


def _without_effect(asked: SearchStreams) -> str:
    """Return a note on the options that have no effect here. Raises InvalidRequest for those that are not offered."""
    if asked.mode not in (None, "", "default", "semantic"):
        raise InvalidRequest(f"The search mode {asked.mode[:100]!r} is not offered. Omit mode, or use 'default'.")
    if asked.sandbox_id:
        raise InvalidRequest("Sandboxes are not offered. Omit sandbox_id.")
    given = [name for name in ("stitch", "rerank", "rerank_params") if getattr(asked, name)]
    return f"{' and '.join(given)} had no effect: hits are ranked once and not joined." if given else ""


async def _answer(request: Request, asked: SearchStreams, **where: Unpack[_Where]) -> SearchResults:
    ignored = _without_effect(asked)
    found = await engine_of(request).search.search(
        asked.query,
        indexes=[asked.scene_index_id] if asked.scene_index_id else asked.indexes,
        start=asked.start,
        end=asked.end,
        kinds=asked.kinds,
        limit=asked.result_threshold,
        score_threshold=asked.score_threshold,
        dynamic_score_percentage=asked.dynamic_score_percentage,
        filter=asked.filter,
        clips=asked.clips,
        **where,
    )
    hits = [
        SearchHit(
            rtstream_id=hit.stream_id,
            rtstream_name=hit.stream_name,
            start=hit.start,
            end=hit.end,
            text=hit.text,
            score=hit.score,
            scene_index_id=hit.index_id or None,
            scene_index_name=hit.index_name or None,
            metadata=hit.metadata,
            kind=hit.kind,
            medium=hit.medium,
            clip_start=hit.clip[0] if hit.clip else None,
            clip_end=hit.clip[1] if hit.clip else None,
            ref=hit.ref,
        )
        for hit in found.hits
    ]
    note = " ".join(note for note in (found.note, ignored) if note)
    return SearchResults(results=hits, by=found.by, note=note)
