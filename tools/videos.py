"""Tools that export recordings as videos, and that list, get and delete videos."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client.markdown import quoted
from rtstream.models import ExportResult, Video
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import Range, StreamId, left_out, name, ranges

VideoId = Annotated[str, Field(description="From export_stream or list_videos (m-…).")]
MAX_LISTED = 50


class VideoInfo(BaseModel):
    """An exported video."""

    video_id: str
    name: str
    duration_s: float | None = None
    shows: list[Range] = Field(description="Ranges that it shows in sequence, Unix seconds.")
    size_mb: float | None = None
    stream_id: str | None = None


class VideoResult(VideoInfo):
    """An exported video, with links."""

    player_url: str | None = Field(None, description="Page that plays it. Show this link to the user.")
    stream_url: str | None = Field(None, description="HLS playlist, for players.")
    download_url: str | None = Field(None, description="The MP4 file.")
    note: str | None = None


class VideoList(BaseModel):
    """Exported videos, newest first."""

    videos: list[VideoInfo]
    total: int


class DeletedVideo(BaseModel):
    """A deleted video."""

    video_id: str
    deleted: bool


@tool("Export a recording", read_only=False, idempotent=True, group="videos")
async def export_stream(
    ctx: ToolContext,
    stream_id: StreamId,
    name: Annotated[str | None, Field(description="Name of the video.")] = None,
    start: Annotated[
        float | None, Field(description="Unix seconds; omit both for the latest recording of a stopped stream.")
    ] = None,
    end: Annotated[float | None, Field(description="Unix seconds, after start.")] = None,
) -> VideoResult:
    """Export a recording as a permanent MP4 video.

    Use this when the user wants to keep or share a recording: a time range, even while the stream runs, or the
    whole latest recording of a stopped stream. The video is exact to the frame and outlives the recording and the
    stream. The same range returns the same video. The limit is 24 hours. Call index_spoken_words next to make it
    searchable.
    """
    made = await live(ctx).client.videos.export(
        stream_id, name, start, end, lambda percent: ctx.report_progress(percent, 100, "exporting")
    )
    return _exported(made, stream_id)


@tool("List exported videos", read_only=True, group="videos")
async def list_videos(ctx: ToolContext) -> VideoList:
    """List exported videos, newest first.

    Use this to find a video_id. Call get_video next for links.
    """
    found = await live(ctx).client.videos.list()
    return VideoList(videos=[_info(video) for video in found[:MAX_LISTED]], total=len(found))


@tool("Get an exported video", read_only=True, group="videos")
async def get_video(ctx: ToolContext, video_id: VideoId) -> VideoResult:
    """Get an exported video with new links.

    Use this when the user wants to watch or download a video: its links last as long as the video.
    Call get_video_transcript next to read its speech.
    """
    video = await live(ctx).client.videos.get(video_id)
    return VideoResult(
        **_info(video).model_dump(),
        player_url=video.player_url,
        stream_url=video.stream_url,
        download_url=video.download_url or None,
        note=left_out(video.gaps),
    )


async def deletion(ctx: ToolContext, video_id: str) -> str:
    """The question before a video is deleted."""
    video = await live(ctx).client.videos.get(video_id)
    return (
        f"Delete the exported video {quoted(video.name)} ({video.id}, {video.length:.0f} s) permanently, with its "
        "file, transcript and links?"
    )


@tool(
    "Delete an exported video",
    read_only=False,
    destructive=True,
    idempotent=True,
    group="videos",
    confirm=deletion,
)
async def delete_video(ctx: ToolContext, video_id: VideoId) -> DeletedVideo:
    """Delete an exported video and its file permanently.

    Use this when the user no longer needs the video. Call list_videos first to find it.
    """
    await live(ctx).client.videos.delete(video_id)
    return DeletedVideo(video_id=video_id, deleted=True)


def _exported(made: ExportResult, stream_id: str) -> VideoResult:
    return VideoResult(
        video_id=made.video_id,
        name=name(made.name),
        duration_s=made.duration,
        shows=ranges(made.covered),
        stream_id=stream_id,
        player_url=made.player_url,
        stream_url=made.stream_url,
        download_url=made.download_url,
        note=left_out(made.gaps),
    )


def _info(video: Video) -> VideoInfo:
    return VideoInfo(
        video_id=video.id,
        name=name(video.name),
        duration_s=video.length,
        shows=ranges(video.covered),
        size_mb=round(video.size / 1e6, 1) if video.size else None,
        stream_id=video.rtstream_id or None,
    )
