"""The tool that transcribes exported videos."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from tools._framework.definition import ToolContext, live, tool
from tools.videos import VideoId


class IndexedVideo(BaseModel):
    """A transcribed video."""

    video_id: str
    sentences: int
    next: str


@tool("Transcribe a video", read_only=False, idempotent=True, open_world=True, group="videos")
async def index_spoken_words(
    ctx: ToolContext,
    video_id: VideoId,
    force: Annotated[bool, Field(description="Transcribe again if a transcript exists.")] = False,
    language: Annotated[str | None, Field(description="Spoken language, such as en or de.")] = None,
) -> IndexedVideo:
    """Transcribe an exported video, several times faster than real time.

    Use this once per video before search and get_transcript. The default engine supports English only. Call
    get_transcript with the video_id next.
    """
    made = await live(ctx).client.videos.index_spoken_words(
        video_id,
        force=force,
        language=language,
        on_progress=lambda percent: ctx.report_progress(percent, 100, "transcribing"),
    )
    words = len(made.word_timestamps)
    hint = (
        "Call search with videos to find moments, or get_transcript with video_id to read it."
        if words
        else "There is no speech in this video."
    )
    sentences = await live(ctx).client.videos.transcript(video_id) if words else made
    return IndexedVideo(video_id=video_id, sentences=len(sentences.word_timestamps), next=hint)
