"""Exported videos, as typed calls: export, look up, list, rename, delete; read and search what is said in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import anyio

from rtstream.client.transport import Transport
from rtstream.client.validation import as_model, path_id
from rtstream.errors import InvalidRequest, RTStreamError, Unavailable
from rtstream.json_types import JsonObject
from rtstream.models import ClipLinks, ExportResult, Video, VideoHits, VideoTranscript

POLL_S = 1.0
MAX_EXPORT_S = 3600.0

OnProgress = Callable[[float], Awaitable[None]]
"""Hears the percentage that is done."""


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
        """Make a video of the latest recording of a stopped stream, or of [start, end] (Unix seconds).

        Waits until it is done. Cancelled, it cancels the export.
        """
        wanted = {"name": name, "start": start, "end": end, "wait_s": 0.0}
        body = {key: value for key, value in wanted.items() if value is not None}
        answer = await self._transport.answer("POST", f"/rtstream/{path_id(stream_id)}/export", body=body, timeout_s=60)
        if answer.get("status") == "processing":
            job = path_id(str((answer.get("data") or {}).get("id") or ""))
            answer = await self._finished(job, on_progress)
        return as_model(ExportResult, answer.get("data"))

    async def index_spoken_words(
        self,
        video_id: str,
        *,
        force: bool = False,
        language: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> VideoTranscript:
        """Transcribe a video and make it searchable; with ``force`` also when it is already.

        Waits until it is done. Cancelled, it cancels the work.
        """
        path = f"/{_kind(video_id)}/{path_id(video_id)}/transcription"
        body = {"force": force, "language_code": language}
        answer = await self._transport.answer("POST", path, body=body, timeout_s=60)
        if answer.get("status") == "processing":
            job = path_id(str((answer.get("data") or {}).get("id") or ""))
            answer = await self._finished(job, on_progress)
        return as_model(VideoTranscript, answer.get("data"))

    async def transcript(
        self, video_id: str, segmenter: str = "sentence", start: float | None = None, end: float | None = None
    ) -> VideoTranscript:
        """What is said, cut into ``word`` or ``sentence``; ``start`` and ``end`` in seconds of the video."""
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
    ) -> list[VideoHits]:
        """Moments of one video, or of all videos of the collection; empty when nothing is found."""
        place = f"/video/{path_id(video_id)}" if video_id else f"/collection/{path_id(collection_id)}"
        body = {"query": query, "top_k": limit}
        if score_threshold is not None:
            body["score_threshold"] = score_threshold
        try:
            data = await self._transport.data("POST", f"{place}/search/v2", body=body)
        except InvalidRequest as exc:
            if exc.message.rstrip(".") == "No results found":
                return []
            raise
        return [as_model(VideoHits, row) for row in (data or {}).get("results") or []]

    async def compile(self, hits: Sequence[VideoHits]) -> ClipLinks:
        """Links that play just these moments, one after the other."""
        body = [
            {"video_id": one.video_id, "collection_id": one.collection_id, "shots": [[doc.start, doc.end]]}
            for one in hits
            for doc in one.docs
        ]
        return as_model(ClipLinks, await self._transport.data("POST", "/compile", body=body))

    async def _finished(self, job: str, on_progress: OnProgress | None) -> JsonObject:
        """The final answer of a piece of work. When it is not waited for any more, the work is cancelled."""
        path = f"/async-response/{job}"
        pause = 0.05
        try:
            with anyio.fail_after(MAX_EXPORT_S):
                while True:
                    answer = await self._transport.answer("GET", path)
                    if answer.get("status") not in ("processing", "in progress"):
                        return answer
                    if on_progress is not None:
                        await on_progress(float((answer.get("data") or {}).get("percentage") or 0.0))
                    await anyio.sleep(pause)
                    pause = min(2 * pause, POLL_S)
        except (anyio.get_cancelled_exc_class(), TimeoutError) as exc:
            with anyio.move_on_after(5, shield=True):
                with suppress(RTStreamError):  # it has ended, or the service cannot cancel
                    await self._transport.answer("DELETE", path)
            if isinstance(exc, TimeoutError):
                raise Unavailable("This took over an hour and was cancelled: take a shorter part.") from exc
            raise

    async def get(self, video_id: str) -> Video:
        """One video, with fresh links."""
        return as_model(Video, await self._transport.data("GET", f"/{_kind(video_id)}/{path_id(video_id)}"))

    async def listing(self, collection_id: str | None = None) -> list[Video]:
        """All videos, newest first; exported sound is not among them."""
        data = await self._transport.data("GET", "/video", params={"collection_id": collection_id})
        return [as_model(Video, row) for row in (data or {}).get("videos") or []]

    async def rename(self, video_id: str, name: str) -> Video:
        """Give a video another name."""
        await self._transport.data("PATCH", f"/video/{path_id(video_id)}", body={"name": name})
        return await self.get(video_id)

    async def delete(self, video_id: str) -> None:
        """Remove a video and its file."""
        await self._transport.data("DELETE", f"/{_kind(video_id)}/{path_id(video_id)}")


def _kind(video_id: str) -> str:
    return "audio" if video_id.startswith("a-") else "video"
