"""Speech in exported videos: index, read and search (API reference 2.19)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import body, ok, query
from rtstream.api.routing import engine_of
from rtstream.api.videos import job_response
from rtstream.engine.jobs import Job
from rtstream.engine.search.videos import VideoSearch
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonValue
from rtstream.models import HitLimit, VideoHits

WAIT_S = 25.0
"""Longest wait for a transcript, in seconds. Clients give up after 30 s, and then lose another 5 s or more."""
MAX_SECONDS = 7 * 86400.0

Language = Field(None, max_length=20)


class IndexVideo(BaseModel):
    """Body of ``POST video/{id}/index``. ``segmentation_type`` has no effect, because sentences are searched."""

    index_type: str = "spoken_word"
    language_code: str | None = Language
    force: bool = False
    callback_url: str | None = None


class Transcribe(BaseModel):
    """Body of ``POST video/{id}/transcription``."""

    force: bool = False
    language_code: str | None = Language


class GetVideoTranscript(BaseModel):
    """Query of ``GET video/{id}/transcription``. ``force`` has no effect, because the newest transcript is returned."""

    segmenter: Literal["word", "sentence", "time"] = "word"
    length: float = Field(1, gt=0, le=MAX_SECONDS)
    start: float | None = Field(None, ge=0, le=MAX_SECONDS)
    end: float | None = Field(None, ge=0, le=MAX_SECONDS)


class LegacySearch(BaseModel):
    """Body of ``POST video/{id}/search`` and ``POST collection/{id}/search``."""

    query: str
    search_type: Literal["semantic", "keyword"] = "semantic"
    index_type: str = "spoken_word"
    result_threshold: HitLimit = 5
    score_threshold: float | None = None
    dynamic_score_percentage: float | None = None
    filter: JsonValue = None


class NewSearch(BaseModel):
    """Body of ``POST video/{id}/search/v2`` and ``POST collection/{id}/search/v2``."""

    query: str
    top_k: HitLimit = 10
    score_threshold: float | None = None
    filter: JsonValue = None


async def index_video(request: Request) -> Response:
    """Transcribe a video and make it searchable."""
    asked = await body(request, IndexVideo)
    _check_index(asked.index_type)
    if asked.callback_url:
        raise InvalidRequest("This engine does not support callbacks for videos. Omit callback_url and wait instead.")
    transcripts = engine_of(request).video_transcripts
    started = await transcripts.start(request.path_params["video_id"], language=asked.language_code, force=asked.force)
    return await _when_done(request, started)


async def transcribe(request: Request) -> Response:
    """Transcribe a video. This is the same operation as indexing it."""
    asked = await body(request, Transcribe)
    transcripts = engine_of(request).video_transcripts
    started = await transcripts.start(request.path_params["video_id"], language=asked.language_code, force=asked.force)
    return await _when_done(request, started)


async def get_transcript(request: Request) -> Response:
    """Read the transcript of a video, once it exists."""
    asked = query(request, GetVideoTranscript)
    transcripts, video_id = engine_of(request).video_transcripts, request.path_params["video_id"]
    if (under_way := transcripts.job_of(video_id)) is not None:
        await under_way.wait(WAIT_S)
    return ok(await transcripts.get(video_id, **asked.model_dump()))


async def search_video(request: Request) -> Response:
    """Search one video, with the older form of the response."""
    asked = await body(request, LegacySearch)
    return ok({"results": await _legacy(request, asked, video_id=request.path_params["video_id"])})


async def search_collection(request: Request) -> Response:
    """Search all videos of a collection, with the older form of the response."""
    asked = await body(request, LegacySearch)
    return ok({"results": await _legacy(request, asked, collection_id=request.path_params["collection_id"])})


async def search_video_v2(request: Request) -> Response:
    """Search one video."""
    asked = await body(request, NewSearch)
    found = await engine_of(request).video_search.search_video(
        request.path_params["video_id"], asked.query, **_new(asked)
    )
    return _shots(found)


async def search_collection_v2(request: Request) -> Response:
    """Search all videos of a collection."""
    asked = await body(request, NewSearch)
    found = await engine_of(request).video_search.search_collection(
        request.path_params["collection_id"], asked.query, **_new(asked)
    )
    return _shots(found)


async def _when_done(request: Request, job: Job) -> Response:
    await job.wait(WAIT_S)
    if job.error is not None:
        raise job.error
    return await job_response(request, job)


async def _legacy(
    request: Request, asked: LegacySearch, *, video_id: str = "", collection_id: str = ""
) -> list[VideoHits]:
    _check_index(asked.index_type)
    how: VideoSearch = {
        "limit": asked.result_threshold,
        "score_threshold": asked.score_threshold,
        "dynamic_score_percentage": asked.dynamic_score_percentage,
        "filter": asked.filter,
        "by_words": asked.search_type == "keyword",
    }
    videos = engine_of(request).video_search
    if video_id:
        return await videos.search_video(video_id, asked.query, **how)
    return await videos.search_collection(collection_id, asked.query, **how)


def _new(asked: NewSearch) -> VideoSearch:
    return {
        "limit": asked.top_k,
        "score_threshold": asked.score_threshold,
        "filter": asked.filter,
    }


def _shots(found: list[VideoHits]) -> Response:
    return ok({"response_type": "shots", "results": found, "warnings": []})


def _check_index(kind: str) -> None:
    if kind not in ("spoken_word", "spoken"):
        raise InvalidRequest(
            "Videos are searched by their spoken words only (index_type 'spoken_word'). Search scenes in the "
            "stream they were recorded from: search with namespace='rtstream'."
        )
