"""Exports, exported videos, and their jobs (API reference 1.5, 2.7, 2.19)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.base_url import base_url, origin
from rtstream.api.envelope import body, entries, envelope, ok, query, refusal
from rtstream.api.routing import engine_of
from rtstream.engine.jobs import Job
from rtstream.errors import InvalidRequest
from rtstream.models import ExportRequest

AUDIO = "a-"
"""Prefix of ids of exported audio."""


class ListVideos(BaseModel):
    """Query of ``GET video`` and ``GET audio``."""

    collection_id: str | None = None


class UpdateVideo(BaseModel):
    """Body of ``PATCH video/{id}``."""

    name: str = Field(min_length=1, max_length=200)


class TimelineQuery(BaseModel):
    """Body of ``POST video/{id}/stream``: parts as [start, end] in seconds. Without parts, it plays all."""

    timeline: list[tuple[float, float]] | None = Field(None, max_length=100)


class Shots(BaseModel):
    """One entry of the body of ``POST compile``."""

    video_id: str
    shots: list[tuple[float, float]] = Field(max_length=100)


async def export_stream(request: Request) -> Response:
    """Export the latest completed recording of a stream, or a window of it."""
    wanted = await body(request, ExportRequest)
    exports = engine_of(request).exports
    started = await exports.start(request.path_params["stream_id"], wanted.name, wanted.start, wanted.end)
    await started.wait(wanted.wait_s)
    if started.error is not None:
        return refusal(started.error)
    return await job_response(request, started)


async def get_job(request: Request) -> Response:
    """Get the progress or the result of a job."""
    return await job_response(request, engine_of(request).jobs.get(request.path_params["job_id"]))


async def cancel_job(request: Request) -> Response:
    """Cancel a job and remove its partial result."""
    await engine_of(request).jobs.cancel(request.path_params["job_id"])
    return ok()


async def job_response(request: Request, found: Job) -> Response:
    """The result of a job, the reason of its failure, or the URL of its status."""
    if found.error is not None:
        failure = {"message": found.error.message, "error_code": found.error.code}
        return envelope({"success": False, "status": "failed", **failure})
    if found.state == "done":
        return envelope({"success": True, "status": "done", "data": await found.shown(origin(request))})
    address = f"{base_url(request)}/async-response/{found.id}"
    data = {"id": found.id, "output_url": address, "percentage": found.percentage}
    return envelope({"success": True, "status": "processing", "request_type": "sync", "data": data})


async def list_videos(request: Request) -> Response:
    """List the videos of a collection, newest first."""
    return await _list(request, "videos")


async def list_audio(request: Request) -> Response:
    """List the exported audio of a collection, newest first."""
    return await _list(request, "audios")


async def _list(request: Request, kind: str) -> Response:
    wanted = query(request, ListVideos)
    found = await engine_of(request).videos.list(origin(request), wanted.collection_id)
    return ok({kind: [video for video in found if video.id.startswith(AUDIO) == (kind == "audios")]})


async def get_video(request: Request) -> Response:
    """Get a video with new links."""
    return ok(await engine_of(request).videos.get(origin(request), request.path_params["video_id"]))


async def update_video(request: Request) -> Response:
    """Update the name of a video."""
    videos, change = engine_of(request).videos, await body(request, UpdateVideo)
    return ok(await videos.update(origin(request), request.path_params["video_id"], name=change.name))


async def delete_video(request: Request) -> Response:
    """Delete a video and its file."""
    await engine_of(request).videos.delete(request.path_params["video_id"])
    return ok()


async def play_ranges(request: Request) -> Response:
    """Get links that play parts of a video in sequence."""
    videos, video_id = engine_of(request).videos, request.path_params["video_id"]
    parts = (await body(request, TimelineQuery)).timeline
    if not parts:
        return ok(await videos.get(origin(request), video_id))
    return ok(await videos.clips(origin(request), [(video_id, start, end) for start, end in parts]))


async def play_shots(request: Request) -> Response:
    """Get links that play parts of several videos in sequence."""
    wanted = await entries(request, Shots)
    clips = [(entry.video_id, start, end) for entry in wanted for start, end in entry.shots]
    if not clips:
        raise InvalidRequest("The list of shots is empty. Send at least one.")
    return ok(await engine_of(request).videos.clips(origin(request), clips))


async def get_download_url(request: Request) -> Response:
    """Get the download URL of exported audio."""
    found = await engine_of(request).videos.get(origin(request), request.path_params["video_id"])
    return ok({"signed_url": found.download_url})
