"""Speech in exported videos: index, read and search (API reference 2.19)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.base_url import origin
from rtstream.api.jobs import JobBody, job_response
from rtstream.api.operations import JsonBody
from rtstream.api.routing import engine_of
from rtstream.api.videos import MAX_SECONDS
from rtstream.engine.search.videos import CollectionHits, VideoSearch, not_transcribed
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonValue
from rtstream.models import HitLimit, VideoHits, VideoTranscript

WAIT_S = 25.0
"""Longest wait for a transcript, in seconds. Clients give up after 30 s, and then lose another 5 s or more."""

Language = Field(None, max_length=20)


class Transcribe(BaseModel):
    """Body of ``POST video/{id}/transcription``."""

    force: bool = False
    language_code: str | None = Language
    wait_s: float = Field(WAIT_S, ge=0, le=WAIT_S, description="Seconds after which the response is 'processing'.")


class IndexVideo(Transcribe):
    """Body of ``POST video/{id}/index``. ``segmentation_type`` has no effect, because sentences are searched."""

    index_type: str = "spoken_word"
    callback_url: str | None = None


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
    clips: bool = Field(False, description="Whether hits have the times of a clip with the sentences around them.")
    include_clip: bool = Field(False, description="Whether each hit has the links that play it.")
    mode: str | None = Field(None, description="Only 'default' is offered.")
    session_id: str | None = Field(None, description="Not offered, because there is no conversation to continue.")
    config: JsonValue = Field(None, description="No effect.")
    return_fields: JsonValue = Field(None, description="No effect: hits have all fields.")


class SearchWarning(BaseModel):
    """A remark on a search. The SDK issues each ``code`` once as a warning."""

    code: str
    message: str
    docs: list[str] = Field(default_factory=list)


class LegacyHitsData(BaseModel):
    """Result of the older form of a search in videos."""

    results: list[VideoHits]
    warnings: list[SearchWarning]


class HitsData(BaseModel):
    """Result of the newer form of a search in videos."""

    response_type: Literal["shots"] = "shots"
    results: list[VideoHits]
    warnings: list[SearchWarning]


Transcribing = Annotated[Response, JsonBody(JobBody[VideoTranscript])]
"""The transcript of a video, or the job that creates it."""


async def index_video(request: Request, body: IndexVideo) -> Transcribing:
    """Transcribe a video and make it searchable."""
    _check_index(body.index_type)
    if body.callback_url:
        raise InvalidRequest("This engine does not support callbacks for videos. Omit callback_url and wait instead.")
    return await _transcribe(request, body)


async def transcribe(request: Request, body: Transcribe) -> Transcribing:
    """Transcribe a video. This is the same operation as indexing it."""
    return await _transcribe(request, body)


async def _transcribe(request: Request, wanted: Transcribe) -> Response:
    transcripts, video_id = engine_of(request).video_transcripts, request.path_params["video_id"]
    started = await transcripts.start(video_id, language=wanted.language_code, force=wanted.force)
    await started.wait(min(wanted.wait_s, WAIT_S))
    if started.error is not None:
        raise started.error
    return await job_response(request, started)


async def get_transcript(request: Request, query: GetVideoTranscript) -> VideoTranscript:
    """Read the transcript of a video, once it exists."""
    transcripts, video_id = engine_of(request).video_transcripts, request.path_params["video_id"]
    if (under_way := transcripts.job_of(video_id)) is not None:
        await under_way.wait(WAIT_S)
    return await transcripts.get(video_id, **query.model_dump())


async def search_video(request: Request, body: LegacySearch) -> LegacyHitsData:
    """Search one video, with the older form of the response."""
    found = await engine_of(request).video_search.search_video(
        request.path_params["video_id"], body.query, **_legacy(body)
    )
    return LegacyHitsData(results=found, warnings=[])


async def search_collection(request: Request, body: LegacySearch) -> LegacyHitsData:
    """Search all videos of a collection, with the older form of the response."""
    found = await engine_of(request).video_search.search_collection(
        request.path_params["collection_id"], body.query, **_legacy(body)
    )
    return LegacyHitsData(results=found.hits, warnings=_warnings(found))


async def search_video_v2(request: Request, body: NewSearch) -> HitsData:
    """Search one video."""
    found = await engine_of(request).video_search.search_video(
        request.path_params["video_id"], body.query, **_new(body)
    )
    return HitsData(results=await _with_clips(request, body, found), warnings=[])


async def search_collection_v2(request: Request, body: NewSearch) -> HitsData:
    """Search all videos of a collection."""
    found = await engine_of(request).video_search.search_collection(
        request.path_params["collection_id"], body.query, **_new(body)
    )
    return HitsData(results=await _with_clips(request, body, found.hits), warnings=_warnings(found))


def _legacy(asked: LegacySearch) -> VideoSearch:
    _check_index(asked.index_type)
    return {
        "limit": asked.result_threshold,
        "score_threshold": asked.score_threshold,
        "dynamic_score_percentage": asked.dynamic_score_percentage,
        "filter": asked.filter,
        "by_words": asked.search_type == "keyword",
    }


def _new(asked: NewSearch) -> VideoSearch:
    if asked.mode not in (None, "", "default", "semantic"):
        raise InvalidRequest(f"The search mode {asked.mode[:100]!r} is not offered. Omit mode, or use 'default'.")
    if asked.session_id:
        raise InvalidRequest("Search sessions are not offered. Omit session_id.")
    return {
        "limit": asked.top_k,
        "score_threshold": asked.score_threshold,
        "filter": asked.filter,
        "clips": asked.clips,
    }


async def _with_clips(request: Request, asked: NewSearch, found: list[VideoHits]) -> list[VideoHits]:
    """Return the hits, each with links that play it if the request asks for them."""
    if asked.include_clip:
        shots = [(hits.video_id, doc) for hits in found for doc in hits.docs]
        ranges = [(video_id, doc.start, doc.end) for video_id, doc in shots]
        for (_, doc), links in zip(shots, await engine_of(request).clips.each(origin(request), ranges), strict=True):
            doc.stream_url, doc.player_url = links.stream_url, links.player_url
    return found


def _warnings(found: CollectionHits) -> list[SearchWarning]:
    if not found.not_transcribed:
        return []
    return [SearchWarning(code="videos_not_transcribed", message=not_transcribed(found.not_transcribed))]


def _check_index(kind: str) -> None:
    if kind not in ("spoken_word", "spoken"):
        raise InvalidRequest(
            "Videos are searched by their spoken words only (index_type 'spoken_word'). Search scenes in the "
            "stream they were recorded from: search with namespace='rtstream'."
        )
