"""Streams: connect, list, start, stop, playback of a time range, and single frames (API reference 2.2 to 2.6)."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.base_url import base_url, origin
from rtstream.api.envelope import UnixTime
from rtstream.api.operations import Created, Jpeg
from rtstream.api.routing import engine_of
from rtstream.engine.streams import ModelCosts
from rtstream.errors import InvalidRequest
from rtstream.models import (
    AskLook,
    ConnectStream,
    Limit,
    LookAnswer,
    PaidPart,
    Playback,
    RetentionLimits,
    Slice,
    Stream,
    StreamDetail,
    StreamStatus,
)

MAX_ALERTS = 50


class ListStreams(Slice):
    """Query of ``GET rtstream``."""

    limit: Limit = 10
    status: StreamStatus | None = None
    name: str | None = None
    ordering: str = Field("-created_at", max_length=50)
    collection_id: str | None = None


class UpdateStream(BaseModel):
    """Body of ``PATCH rtstream/{id}``. ``retention`` replaces all limits of the stream."""

    name: str | None = Field(None, min_length=1, max_length=200)
    retention: RetentionLimits | None = None
    tracks: str | None = Field(None, max_length=100)
    audio: bool | None = None
    sample_rate: float | None = Field(None, gt=0, le=240)
    detect_url: str | None = Field(None, max_length=4096)
    vocabulary: list[str] | None = Field(None, description="Names and terms that correct its transcripts.")


class Action(BaseModel):
    """Body of the status calls of streams and indexes."""

    action: Literal["start", "stop"]


class StopAction(BaseModel):
    """Body of ``PATCH rtstream/{id}/paid``."""

    action: Literal["stop"]


class PaidData(BaseModel):
    """Result of the calls of ``rtstream/{id}/paid``."""

    parts: list[PaidPart]


class WindowQuery(BaseModel):
    """Query of ``GET rtstream/{id}/stream``."""

    start: UnixTime | None = None
    end: UnixTime | None = None
    player_title: str = Field("", max_length=500)
    player_description: str = Field("", max_length=4000)


class FrameQuery(BaseModel):
    """Query of ``GET rtstream/{id}/frame``."""

    at: UnixTime | None = None
    max_side: int | None = Field(None, ge=16, le=8192)


class Range(BaseModel):
    """Query of ``GET rtstream/{id}/sheet``."""

    start: UnixTime
    end: UnixTime
    count: int = Field(9, ge=1, le=64)
    max_side: int | None = Field(None, ge=64, le=4096)


class StreamsData(BaseModel):
    """Result of ``GET rtstream``. ``next`` and ``previous`` are URLs of the neighbouring pages."""

    results: list[Stream]
    count: int
    next: str | None
    previous: str | None


async def connect_stream(request: Request, body: ConnectStream) -> Created[Stream]:
    """Connect a live source."""
    return await engine_of(request).connect_stream(body)


async def get_stream(request: Request) -> Stream:
    """Get a stream."""
    return await engine_of(request).streams.get(request.path_params["stream_id"])


async def get_stream_detail(request: Request) -> StreamDetail:
    """Get a stream with its transcript, alerts, paid parts and the number of its links."""
    engine, stream_id = engine_of(request), request.path_params["stream_id"]
    alerts, _ = await engine.alert_groups.list(Slice(limit=MAX_ALERTS), [stream_id])
    return StreamDetail(
        stream=await engine.streams.get(stream_id),
        transcript=await engine.transcripts.status(stream_id, None),
        alerts=alerts,
        paid=await _costs(request).list(stream_id),
        links=await engine.links.count(stream_id),
    )


async def update_stream(request: Request, body: UpdateStream) -> Stream:
    """Update the fields of a stream that are sent: its name, limits of recordings, tracks, vocabulary and so on."""
    if not body.model_dump(exclude_none=True):
        raise InvalidRequest(
            "Nothing to update. Send a name, sample_rate, retention, tracks, detect_url, vocabulary or audio."
        )
    engine, stream_id = engine_of(request), request.path_params["stream_id"]
    updated = await engine.streams.update(
        stream_id,
        name=body.name,
        retention=body.retention,
        tracks=body.tracks,
        audio=body.audio,
        sample_rate=body.sample_rate,
        detect_url=body.detect_url,
        vocabulary=body.vocabulary,
    )
    if body.sample_rate is not None:
        await engine.indexes.sample_again(stream_id)
    return updated


async def delete_stream(request: Request) -> None:
    """Delete a stream with its recordings and results. Exported videos are kept."""
    await engine_of(request).delete_stream(request.path_params["stream_id"])


async def list_streams(request: Request, query: ListStreams) -> StreamsData:
    """List a page of streams."""
    streams, count = await engine_of(request).streams.list(query, **query.model_dump(exclude={"limit", "offset"}))

    def page(offset: int) -> str:
        values = query.model_copy(update={"offset": offset}).model_dump(exclude_none=True)
        return f"{base_url(request)}/rtstream?{urlencode(values)}"

    return StreamsData(
        results=list(streams),
        count=count,
        next=page(query.offset + query.limit) if query.offset + query.limit < count else None,
        previous=page(max(0, query.offset - query.limit)) if query.offset > 0 else None,
    )


async def set_stream_status(request: Request, body: Action) -> Stream:
    """Start or stop a stream. Repeated calls have no further effect."""
    engine, stream_id = engine_of(request), request.path_params["stream_id"]
    match body.action:
        case "start":
            return await engine.streams.start(stream_id)
        case "stop":
            return await engine.streams.stop(stream_id)


async def list_paid(request: Request) -> PaidData:
    """List the running parts of a stream that call models which may cost money."""
    return PaidData(parts=await _costs(request).list(request.path_params["stream_id"]))


async def stop_paid(request: Request, body: StopAction) -> PaidData:
    """Stop the parts of a stream that call models which may cost money. Recording continues."""
    match body.action:
        case "stop":
            return PaidData(parts=await _costs(request).stop(request.path_params["stream_id"]))


def _costs(request: Request) -> ModelCosts:
    engine = engine_of(request)
    return ModelCosts(
        engine.indexes, engine.transcripts, engine.alerts, engine.backfills, engine.model_calls.language.name
    )


async def get_playback(request: Request, query: WindowQuery) -> Playback:
    """Get the URLs that play a time range."""
    return await engine_of(request).generate_stream(
        request.path_params["stream_id"],
        query.start,
        query.end,
        title=query.player_title,
        description=query.player_description,
        origin=origin(request),
    )


async def get_frame(request: Request, query: FrameQuery) -> Jpeg:
    """Get one frame as JPEG, now or at a Unix time."""
    picture = await engine_of(request).pictures.frame(request.path_params["stream_id"], query.at, query.max_side)
    headers = {
        "x-frame-time": repr(picture.time),
        "x-frame-width": str(picture.width),
        "x-frame-height": str(picture.height),
        "cache-control": "no-store",
    }
    return Response(picture.jpeg, headers=headers, media_type="image/jpeg")


async def get_sheet(request: Request, query: Range) -> Jpeg:
    """Get a contact sheet of a range as JPEG."""
    found = await engine_of(request).pictures.sheet(request.path_params["stream_id"], **query.model_dump())
    headers = {
        "x-frame-times": ",".join(map(repr, found.times)),
        "x-frame-width": str(found.width),
        "x-frame-height": str(found.height),
        "cache-control": "no-store",
    }
    return Response(found.jpeg, headers=headers, media_type="image/jpeg")


async def look(request: Request, body: AskLook) -> LookAnswer:
    """Ask the vision model about a moment or a range."""
    return await engine_of(request).questions.answer(request.path_params["stream_id"], body)
