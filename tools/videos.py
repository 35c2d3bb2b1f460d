"""Tools that export recordings as videos, and that list, get and rename videos."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.errors import InvalidRequest, RTStreamError
from rtstream.models import ExportResult, Video
from rtstream.rules.model_cost import is_paid
from tools._framework.definition import ToolContext, live, tool
from tools._framework.job_wait import follow, job_deadline, seconds_until
from tools._framework.page import Cursor, Limit, next_cursor, offset_of
from tools._framework.parameters import Range, left_out, name, note, ranges
from tools._framework.targets import CollectionId, StreamId, collection_of, stream_of
from tools._framework.times import Time, joined, window

MAX_FREE_S = 3600.0
"""Longest video in seconds that is transcribed unasked. The built-in engine takes about eight minutes for it."""
VideoId = Annotated[str, Field(description="From export_stream or list_videos (m-…).")]


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

    player_url: str | None = Field(default=None, description="Page that plays it. Show this link to the user.")
    stream_url: str | None = Field(default=None, description="HLS playlist, for players.")
    download_url: str | None = Field(default=None, description="The MP4 file.")
    file: str | None = Field(default=None, description="Path of the MP4 file on this machine.")
    note: str | None = None


class ExportedVideo(BaseModel):
    """An exported video with links, or the job that still exports it."""

    video_id: str | None = None
    name: str | None = None
    duration_s: float | None = None
    shows: list[Range] | None = Field(default=None, description="Ranges that it shows in sequence, Unix seconds.")
    stream_id: str
    player_url: str | None = Field(default=None, description="Page that plays it. Show this link to the user.")
    stream_url: str | None = Field(default=None, description="HLS playlist, for players.")
    download_url: str | None = Field(default=None, description="The MP4 file.")
    file: str | None = Field(default=None, description="Path of the MP4 file on this machine.")
    job_id: str | None = Field(default=None, description="The export still runs. jobs returns its result.")
    percent: float | None = None
    note: str | None = None
    next: str | None = None


class VideoList(BaseModel):
    """Exported videos, newest first."""

    videos: list[VideoInfo]
    total: int
    next_cursor: str | None = Field(default=None, description="Pass as cursor for the rest.")


@tool("Export a recording", read_only=False, idempotent=True, default=True, group="videos")
async def export_stream(
    ctx: ToolContext,
    stream_id: StreamId = None,
    name: Annotated[str | None, Field(description="Name of the video.")] = None,
    start: Annotated[Time, Field(description="Omit both for the latest recording of a stopped stream.")] = None,
    end: Time = None,
    searchable: Annotated[
        bool | None, Field(description="Transcribe it for search. Default: up to an hour, if that is free.")
    ] = None,
) -> ExportedVideo:
    """Export a recording as a permanent MP4 video.

    Use this when the user wants to keep or share a recording: a time range, even while the stream runs, or the
    whole latest recording of a stopped stream. The video is exact to the frame and outlives the recording and the
    stream. The same range returns the same video. The limit is 24 hours. After 12 s, returns a job_id for jobs.
    """
    deadline = job_deadline(ctx)
    stream_id = await stream_of(ctx, stream_id)
    asked = await window(ctx, start, end or ("now" if start is not None else None), stream=stream_id)
    if asked.start is None and asked.end is not None:
        raise InvalidRequest("The start is missing. Pass start and end, or neither.")
    exporting = await live(ctx).client.videos.begin_export(
        stream_id,
        name,
        asked.start,
        asked.end,
        searchable=bool(searchable),
        wait_s=seconds_until(deadline),
        on_progress=lambda percent: ctx.report_progress(percent, 100, "exporting"),
    )
    if exporting.result is not None:
        made = _exported(exporting.result, stream_id, asked.note)
        made.note = joined(made.note, await _transcribed(ctx, exporting.result, searchable))
        return made
    return ExportedVideo(
        stream_id=stream_id,
        job_id=exporting.job_id,
        percent=exporting.percentage,
        note=asked.note,
        next=follow(exporting.job_id or "", "export"),
    )


async def _transcribed(ctx: ToolContext, video: ExportResult, searchable: bool | None) -> str | None:
    """Start the transcription of an exported video, and return a note about it."""
    client = live(ctx).client
    if not video.audio:
        return None
    if searchable is None:
        info = await client.info()
        searchable = info is not None and not is_paid(info.speech) and (video.duration or 0.0) <= MAX_FREE_S
        if not searchable:
            return "Its speech cannot be searched. Pass searchable=true to transcribe it." if info is not None else None
    if not searchable:
        return None
    try:
        begun = await client.videos.begin_transcription(video.video_id)
    except RTStreamError as exc:
        return note(f"Its speech cannot be searched: {exc.message}")
    return f"Its speech is being transcribed for search, as {begun.job_id} of jobs." if begun.job_id else None


@tool("List exported videos", read_only=True, default=True, group="videos")
async def list_videos(
    ctx: ToolContext,
    name: Annotated[str | None, Field(description="Part of the name.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    collection: CollectionId = None,
) -> VideoList:
    """List exported videos, newest first.

    Use this to find a video_id. Call generate_stream next for links.
    """
    offset = offset_of(cursor)
    found = await live(ctx).client.videos.list(await collection_of(ctx, collection))
    if name is not None:
        found = [video for video in found if name.strip().casefold() in video.name.casefold()]
    shown = found[offset : offset + limit]
    return VideoList(
        videos=[_info(video) for video in shown],
        total=len(found),
        next_cursor=next_cursor(offset, len(shown), len(found)),
    )


@tool("Get an exported video", read_only=True, group="videos")
async def get_video(ctx: ToolContext, video_id: VideoId) -> VideoResult:
    """Get an exported video with new links.

    Use this when the user wants to watch or download a video: its links last as long as the video.
    Call get_transcript next to read its speech.
    """
    video = await live(ctx).client.videos.get(video_id)
    return VideoResult(
        **_info(video).model_dump(),
        player_url=video.player_url,
        stream_url=video.stream_url,
        download_url=video.download_url or None,
        file=video.file or None,
        note=left_out(video.gaps),
    )


@tool("Rename an exported video", read_only=False, idempotent=True, group="videos")
async def update_video(
    ctx: ToolContext, video_id: VideoId, name: Annotated[str, Field(description="New name.")]
) -> VideoInfo:
    """Rename an exported video.

    Use this when the user wants another name for a video. Call list_videos first to find it.
    """
    return _info(await live(ctx).client.videos.update(video_id, name=name))


def _exported(made: ExportResult, stream_id: str, understood: str | None) -> ExportedVideo:
    return ExportedVideo(
        video_id=made.video_id,
        name=name(made.name),
        duration_s=made.duration,
        shows=ranges(made.covered),
        stream_id=stream_id,
        player_url=made.player_url,
        stream_url=made.stream_url,
        download_url=made.download_url,
        file=made.file or None,
        note=joined(understood, left_out(made.gaps)),
    )


def exported_video(video: Video) -> ExportedVideo:
    """Return a video as ``export_stream`` does."""
    return ExportedVideo(
        video_id=video.id,
        name=name(video.name),
        duration_s=video.length,
        shows=ranges(video.covered),
        stream_id=video.rtstream_id,
        player_url=video.player_url,
        stream_url=video.stream_url,
        download_url=video.download_url or None,
        file=video.file or None,
        note=left_out(video.gaps),
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
