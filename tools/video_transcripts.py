"""Tools for speech in exported videos: transcribe, read and search."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.rules.text_safety import clean
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import name
from tools.videos import VideoId

MAX_SENTENCES = 300


class IndexedVideo(BaseModel):
    """A transcribed video."""

    video_id: str
    sentences: int
    next: str


class Sentence(BaseModel):
    """Seconds from the start of the video."""

    start: float
    end: float
    untrusted_text: str = Field(description=UNTRUSTED)


class VideoTranscriptResult(BaseModel):
    """Sentences of a video, in order."""

    video_id: str
    said: list[Sentence]
    has_more: bool
    next: str | None = None


class VideoHit(Sentence):
    """A moment of a video, seconds from its start."""

    video_id: str
    video_name: str
    score: float


class VideoSearchResult(BaseModel):
    """Hits, best first."""

    hits: list[VideoHit]
    player_url: str | None = Field(None, description="Page that plays these moments. Show this link to the user.")
    stream_url: str | None = Field(None, description="The same as an HLS playlist.")


@tool("Transcribe a video", read_only=False, idempotent=True, open_world=True, group="videos")
async def index_spoken_words(
    ctx: ToolContext,
    video_id: VideoId,
    force: Annotated[bool, Field(description="Transcribe again if a transcript exists.")] = False,
    language: Annotated[str | None, Field(description="Spoken language, such as en or de.")] = None,
) -> IndexedVideo:
    """Transcribe an exported video, several times faster than real time.

    Use this once per video before search_videos and get_video_transcript. The default engine supports English only.
    Call search_videos next.
    """
    made = await live(ctx).client.videos.index_spoken_words(
        video_id,
        force=force,
        language=language,
        on_progress=lambda percent: ctx.report_progress(percent, 100, "transcribing"),
    )
    words = len(made.word_timestamps)
    hint = (
        "Call search_videos to find moments, or get_video_transcript to read it."
        if words
        else "There is no speech in this video."
    )
    sentences = await live(ctx).client.videos.transcript(video_id) if words else made
    return IndexedVideo(video_id=video_id, sentences=len(sentences.word_timestamps), next=hint)


@tool("Read a video's transcript", read_only=True, group="videos")
async def get_video_transcript(
    ctx: ToolContext,
    video_id: VideoId,
    start: Annotated[float | None, Field(ge=0, description="Seconds from the start of the video.")] = None,
    end: Annotated[float | None, Field(ge=0, description="Seconds from the start of the video.")] = None,
) -> VideoTranscriptResult:
    """Read the transcript of an exported video, one sentence at a time.

    Use this when the user asks about the speech in a video. Call index_spoken_words first.
    """
    found = await live(ctx).client.videos.transcript(video_id, "sentence", start, end)
    said = found.word_timestamps[:MAX_SENTENCES]
    more = len(said) < len(found.word_timestamps)
    return VideoTranscriptResult(
        video_id=video_id,
        said=[Sentence(start=one.start, end=one.end, untrusted_text=clean(one.text, MAX_TEXT)) for one in said],
        has_more=more,
        next=f"Call again with start={said[-1].end:.2f} for the rest." if more else None,
    )


@tool("Search videos", read_only=True, group="videos")
async def search_videos(
    ctx: ToolContext,
    query: Annotated[str, Field(description='Plain words; "an exact phrase"; pref*.')],
    video_id: Annotated[str | None, Field(description="Only this video; omit for all.")] = None,
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
    score_threshold: Annotated[float | None, Field(description="Minimum score, 0 to 1.")] = None,
) -> VideoSearchResult:
    """Search the speech in exported videos, and get a link that plays the matching moments in sequence.

    Use this when the user looks for words in videos. Call index_spoken_words first. To search pictures or live
    streams, call search instead.
    """
    videos = live(ctx).client.videos
    found = await videos.search(query, video_id, limit=limit, score_threshold=score_threshold)
    links = await videos.compile(found) if found else None
    return VideoSearchResult(
        hits=[
            VideoHit(
                video_id=one.video_id,
                video_name=name(one.title),
                start=doc.start,
                end=doc.end,
                score=round(doc.score, 3),
                untrusted_text=clean(doc.text, MAX_TEXT),
            )
            for one in found
            for doc in one.docs
        ],
        player_url=links.player_url if links else None,
        stream_url=links.stream_url if links else None,
    )
