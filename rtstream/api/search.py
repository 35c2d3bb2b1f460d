"""Search in streams (API reference 2.16)."""

from __future__ import annotations

from typing import TypedDict, Unpack

from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import body, ok
from rtstream.api.routing import engine_of
from rtstream.models import SearchHit, SearchResults, SearchStreams


class _Where(TypedDict, total=False):
    streams: list[str] | None
    collection: str | None


async def search_stream(request: Request) -> Response:
    """Search one stream."""
    asked = await body(request, SearchStreams)
    return await _answer(request, asked, streams=[request.path_params["stream_id"]])


async def search_streams(request: Request) -> Response:
    """Search all streams of a collection."""
    asked = await body(request, SearchStreams)
    collection = None if asked.all_collections else request.path_params["collection_id"]
    return await _answer(request, asked, streams=asked.streams, collection=collection)


async def _answer(request: Request, asked: SearchStreams, **where: Unpack[_Where]) -> Response:
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
            ref=hit.ref,
        )
        for hit in found.hits
    ]
    return ok(SearchResults(results=hits, by=found.by, note=found.note))
