"""Typed calls for exported videos: export, list, rename, delete, transcribe and search."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from pydantic import BaseModel

from rtstream.client.transport import Transport
from rtstream.client.validation import as_changed, as_model, path_id
from rtstream.errors import InvalidRequest, RTStreamError, Unavailable
from rtstream.json_types import JsonObject
from rtstream.models import ExportResult, Video, VideoHits, VideoTranscript

POLL_S = 1.0
MAX_EXPORT_S = 3600.0

OnProgress = Callable[[float], Awaitable[None]]
"""Called with the percentage done."""


Result = TypeVar("Result", bound=BaseModel)


@dataclass(frozen=True)
class JobOutcome(Generic[Result]):
    """The result of a job, or the id of the job that still runs and the percentage done."""

    result: Result | None = None
    job_id: str | None = None
    percentage: float = 0.0


class VideoCalls:
    """The videos of one service. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def export(
        self,
        stream_id: str,
        name: str | None = None,
        start: float | None = None,
        end: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ExportResult:
        """Export the latest recording of a stopped stream, or the window [start, end] (Unix seconds), as a video.

        Waits for the result. Cancelling the call cancels the export.
        """
        response = await self._begin(stream_id, name, start, end)
        if _runs(response):
            response = await self._wait_for(_job_of(response), on_progress, MAX_EXPORT_S)
        return as_model(ExportResult, response.get("data"))

    async def begin_export(
        self,
        stream_id: str,
        name: str | None = None,
        start: float | None = None,
        end: float | None = None,
        *,
        searchable: bool = False,
        wait_s: float = 0.0,
        on_progress: OnProgress | None = None,
    ) -> JobOutcome[ExportResult]:
        """Export as ``export`` does, but return after ``wait_s`` seconds. The export then continues.

        Cancelling the call cancels the export. If ``searchable``, the video is transcribed afterwards.
        """
        response = await self._begin(stream_id, name, start, end, searchable=searchable)
        return await self._outcome(ExportResult, response, on_progress, wait_s)

    async def _begin(
        self, stream_id: str, name: str | None, start: float | None, end: float | None, *, searchable: bool = False
    ) -> JsonObject:
        fields = {"name": name, "start": start, "end": end, "wait_s": 0.0, "searchable": searchable or None}
        body = {key: value for key, value in fields.items() if value is not None}
        return await self._transport.envelope("POST", f"/rtstream/{path_id(stream_id)}/export", body=body, timeout_s=60)

    async def begin_transcription(
        self,
        video_id: str,
        *,
        force: bool = False,
        language: str | None = None,
        wait_s: float = 0.0,
        on_progress: OnProgress | None = None,
    ) -> JobOutcome[VideoTranscript]:
        """Transcribe a video and make it searchable, but return after ``wait_s`` seconds. The work then continues.

        Cancelling the call cancels the work; the next call continues it.

        Args:
            video_id: The video.
            force: Whether to transcribe the video again if it already has a transcript.
            language: Code such as ``en``, or None for the engine's own choice.
            wait_s: Longest wait for the result, in seconds.
            on_progress: Called with the percentage done.
        """
        path = f"/{_kind(video_id)}/{path_id(video_id)}/transcription"
        body = {"force": force, "language_code": language, "wait_s": 0.0}
        response = await self._transport.envelope("POST", path, body=body, timeout_s=60)
        return await self._outcome(VideoTranscript, response, on_progress, wait_s)

    async def transcript(
        self, video_id: str, segmenter: str = "sentence", start: float | None = None, end: float | None = None
    ) -> VideoTranscript:
        """Return the transcript of a video.

        Args:
            video_id: The video.
            segmenter: ``word`` or ``sentence``.
            start: Seconds into the video.
            end: Seconds into the video.
        """
        params = {"segmenter": segmenter, "start": start, "end": end}
        path = f"/{_kind(video_id)}/{path_id(video_id)}/transcription"
        return as_model(VideoTranscript, await self._transport.data("GET", path, params=params, timeout_s=60))

    async def search(
        self,
        query: str,
        video_id: str | None = None,
        *,
        collection_id: str = "default",
        limit: int = 10,
        score_threshold: float | None = None,
        clips: bool = False,
    ) -> list[VideoHits]:
        """Return matching moments of one video, or of all videos of the collection. Empty if nothing matches.

        With ``clips``, each has the times of a clip with the sentences around it.
        """
        place = f"/video/{path_id(video_id)}" if video_id else f"/collection/{path_id(collection_id)}"
        body: JsonObject = {"query": query, "top_k": limit} | ({"clips": True} if clips else {})
        if score_threshold is not None:
            body["score_threshold"] = score_threshold
        try:
            data = await self._transport.data("POST", f"{place}/search/v2", body=body)
        except InvalidRequest as exc:
            if exc.message.rstrip(".") == "No results found":
                return []
            raise
        return [as_model(VideoHits, row) for row in (data or {}).get("results") or []]

    async def _outcome(
        self, model: type[Result], response: JsonObject, on_progress: OnProgress | None, wait_s: float
    ) -> JobOutcome[Result]:
        """Return the result of the job that began with ``response``, or the job if it outlasts ``wait_s`` seconds."""
        if _runs(response):
            job = _job_of(response)
            response = await self._poll(job, on_progress, wait_s)
            if _runs(response):
                return JobOutcome(None, job, _percentage(response))
        return JobOutcome(as_model(model, response.get("data")))

    async def _wait_for(self, job: str, on_progress: OnProgress | None, limit_s: float) -> JsonObject:
        """Return the final response of a job. If the wait is cancelled or exceeds ``limit_s``, the job is cancelled."""
        response = await self._poll(job, on_progress, limit_s)
        if _runs(response):
            await self._cancel(job)
            raise Unavailable("This took over an hour and was cancelled. Choose a shorter window.")
        return response

    async def _poll(self, job: str, on_progress: OnProgress | None, limit_s: float) -> JsonObject:
        """Return the final response of a job, or the last one after ``limit_s`` seconds."""
        pause, deadline = 0.05, anyio.current_time() + limit_s
        try:
            while True:
                response = await self._transport.envelope("GET", f"/async-response/{job}")
                left = deadline - anyio.current_time()
                if not _runs(response) or left <= 0:
                    return response
                if on_progress is not None:
                    await on_progress(_percentage(response))
                await anyio.sleep(min(pause, left))
                pause = min(2 * pause, POLL_S)
        except anyio.get_cancelled_exc_class():
            await self._cancel(job)
            raise

    async def _cancel(self, job: str) -> None:
        with anyio.move_on_after(5, shield=True):
            with suppress(RTStreamError):  # it has ended, or the service cannot cancel
                await self._transport.envelope("DELETE", f"/async-response/{job}")

    async def get(self, video_id: str) -> Video:
        """Return a video with fresh links."""
        return as_model(Video, await self._transport.data("GET", f"/{_kind(video_id)}/{path_id(video_id)}"))

    async def list(self, collection_id: str | None = None) -> list[Video]:
        """Return all videos, newest first, without audio-only exports."""
        data = await self._transport.data("GET", "/video", params={"collection_id": collection_id})
        return [as_model(Video, row) for row in (data or {}).get("videos") or []]

    async def update(self, video_id: str, *, name: str) -> Video:
        """Update the name of a video."""
        data = await self._transport.data("PATCH", f"/video/{path_id(video_id)}", body={"name": name})
        return as_changed(Video, data, "download_url") or await self.get(video_id)

    async def delete(self, video_id: str) -> None:
        """Delete a video and its file."""
        await self._transport.data("DELETE", f"/{_kind(video_id)}/{path_id(video_id)}")


def _kind(video_id: str) -> str:
    return "audio" if video_id.startswith("a-") else "video"


def _runs(response: JsonObject) -> bool:
    return response.get("status") in ("processing", "in progress")


def _job_of(response: JsonObject) -> str:
    return path_id(str((response.get("data") or {}).get("id") or ""))


def _percentage(response: JsonObject) -> float:
    return float((response.get("data") or {}).get("percentage") or 0.0)
