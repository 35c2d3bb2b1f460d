"""Tools for what is said in exported videos: transcribe, read, search."""

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
    """A video whose words are known."""

    video_id: str
    sentences: int
    next: str


class Sentence(BaseModel):
    """Seconds from the start of the video."""

    start: float
    end: float
    untrusted_text: str = Field(description=UNTRUSTED)


class VideoTranscriptResult(BaseModel):
    """What is said in a video, in order."""

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
    """What was found, best first."""

    hits: list[VideoHit]
    player_url: str | None = Field(None, description="Page that plays just these moments; give this to people.")
    stream_url: str | None = Field(None, description="The same as an HLS playlist.")


@tool("Transcribe a video", read_only=False, idempotent=True, open_world=True, group="videos")
async def index_spoken_words(
    ctx: ToolContext,
    video_id: VideoId,
    force: Annotated[bool, Field(description="Also when it is transcribed already.")] = False,
    language: Annotated[str | None, Field(description="Spoken language, such as en or de.")] = None,
) -> IndexedVideo:
    """Write down what is said in an exported video, several times faster than it plays. Needed once before
    search_videos and get_video_transcript. The default engine knows English only."""
    made = await live(ctx).client.videos.index_spoken_words(
        video_id,
        force=force,
        language=language,
        on_progress=lambda percent: ctx.report_progress(percent, 100, "transcribing"),
    )
    words = len(made.word_timestamps)
    hint = "search_videos finds moments; get_video_transcript reads it." if words else "Nothing is said in this video."
    sentences = await live(ctx).client.videos.transcript(video_id) if words else made
    return IndexedVideo(video_id=video_id, sentences=len(sentences.word_timestamps), next=hint)


@tool("Read a video's transcript", read_only=True, group="videos")
async def get_video_transcript(
    ctx: ToolContext,
    video_id: VideoId,
    start: Annotated[float | None, Field(ge=0, description="Seconds from the start of the video.")] = None,
    end: Annotated[float | None, Field(ge=0, description="Seconds from the start of the video.")] = None,
) -> VideoTranscriptResult:
    """Read what is said in an exported video, sentence by sentence."""
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
    video_id: Annotated[str | None, Field(description="Only in this video; omit for all of them.")] = None,
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
    score_threshold: Annotated[float | None, Field(description="Leave out hits below this (0 to 1).")] = None,
) -> VideoSearchResult:
    """Find moments in exported videos by what is said in them (index_spoken_words first), and get a link that plays
    just these moments one after the other. What was seen is found with search, in the streams."""
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
