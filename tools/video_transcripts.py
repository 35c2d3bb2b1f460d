"""The tool that transcribes exported videos."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from tools._framework.definition import ToolContext, live, tool
from tools._framework.job_wait import follow, job_deadline, seconds_until
from tools.videos import VideoId


class IndexedVideo(BaseModel):
    """A transcribed video, or the job that still transcribes it."""

    video_id: str
    sentences: int | None = None
    job_id: str | None = Field(default=None, description="The transcription still runs. jobs returns its result.")
    percent: float | None = None
    next: str


@tool("Transcribe a video", read_only=False, idempotent=True, open_world=True, group="videos")
async def index_spoken_words(
    ctx: ToolContext,
    video_id: VideoId,
    force: Annotated[bool, Field(description="Transcribe again if a transcript exists.")] = False,
    language: Annotated[str | None, Field(description="Spoken language, such as en or de.")] = None,
) -> IndexedVideo:
    """Transcribe an exported video, several times faster than real time.

    Use this once per video before search and get_transcript. The default engine supports English only. After 12 s,
    returns a job_id for jobs. Call get_transcript with the video_id next.
    """
    deadline = job_deadline(ctx)
    begun = await live(ctx).client.videos.begin_transcription(
        video_id,
        force=force,
        language=language,
        wait_s=seconds_until(deadline),
        on_progress=lambda percent: ctx.report_progress(percent, 100, "transcribing"),
    )
    if begun.result is not None:
        return await indexed_video(live(ctx).client, video_id)
    return IndexedVideo(
        video_id=video_id,
        job_id=begun.job_id,
        percent=begun.percentage,
        next=follow(begun.job_id or "", "transcription"),
    )


async def indexed_video(client: RTStreamClient, video_id: str) -> IndexedVideo:
    """Return a transcribed video as ``index_spoken_words`` does. Raises NotFound."""
    sentences = len((await client.videos.transcript(video_id)).word_timestamps)
    hint = (
        "Call search with videos to find moments, or get_transcript with video_id to read it."
        if sentences
        else "There is no speech in this video."
    )
    return IndexedVideo(video_id=video_id, sentences=sentences, next=hint)
