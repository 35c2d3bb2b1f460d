"""Exports, exported videos with their pictures and scenes (API reference 2.7, 2.19)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.base_url import origin
from rtstream.api.envelope import refusal
from rtstream.api.jobs import JobBody, job_response
from rtstream.api.operations import JsonBody
from rtstream.api.routing import engine_of
from rtstream.errors import InvalidRequest, NotFound
from rtstream.json_types import JsonValue
from rtstream.models import (
    ClipLinks,
    ExportRequest,
    ExportResult,
    SceneCollection,
    Video,
    VideoPicture,
    VideoScene,
    VideoSceneIndex,
)
from rtstream.rules.link_targets import ClipRange, is_stream

MAX_SECONDS = 7 * 86400.0
AUDIO = "a-"
"""Prefix of ids of exported audio."""


class ListVideos(BaseModel):
    """Query of ``GET video`` and ``GET audio``."""

    collection_id: str | None = None


class VideosData(BaseModel):
    """Result of ``GET video``."""

    videos: list[Video]


class AudiosData(BaseModel):
    """Result of ``GET audio``."""

    audios: list[Video]


class UpdateVideo(BaseModel):
    """Body of ``PATCH video/{id}``."""

    name: str = Field(min_length=1, max_length=200)


class TimelineQuery(BaseModel):
    """Body of ``POST video/{id}/stream``: parts as [start, end] in seconds. Without parts, it plays all."""

    timeline: list[tuple[float, float]] | None = Field(None, max_length=100)


class Shots(BaseModel):
    """One entry of the body of ``POST compile``: ranges of a video in seconds, or of a stream in Unix seconds."""

    video_id: str | None = None
    rtstream_id: str | None = None
    shots: list[tuple[float, float]] = Field(max_length=100)

    def ranges(self) -> list[ClipRange]:
        """Return the ranges with the id of their stream or video. Raises InvalidRequest, NotFound."""
        source = self.video_id or self.rtstream_id
        if not source or (self.video_id and self.rtstream_id):
            raise InvalidRequest("Each entry needs either video_id or rtstream_id.")
        if is_stream(source) != bool(self.rtstream_id):
            raise NotFound(f"There is no {'stream' if self.rtstream_id else 'video'} {source[:80]}.")
        return [(source, start, end) for start, end in self.shots]


class DownloadData(BaseModel):
    """Result of ``POST .../generate_url``."""

    signed_url: str


class TakePicture(BaseModel):
    """Body of ``POST video/{id}/thumbnail``."""

    time: float = Field(ge=0, le=MAX_SECONDS, description="Seconds from the start of the video.")


class ThumbnailData(BaseModel):
    """Result of ``GET video/{id}/thumbnail``."""

    thumbnail_url: str


class ListVideoScenes(BaseModel):
    """Query of ``GET video/{id}/index``."""

    index_type: Literal["scene"] = Field("scene", description="Read the spoken words as the transcript of the video.")


class IndexVideoScenes(BaseModel):
    """Body of ``POST video/{id}/index/scene`` and ``POST video/{id}/scenes``. Other fields have no effect."""

    extraction_type: str | None = Field(None, description="Scenes of videos have a fixed length, whatever is passed.")
    prompt: str | None = Field(None, description="Only an index with exactly this prompt.")
    scenes: JsonValue = None
    callback_url: str | None = None
    sandbox_id: str | None = None


class VideoIndexedData(BaseModel):
    """Result of ``POST video/{id}/index/scene``."""

    scene_index_id: str


class VideoIndexesData(BaseModel):
    """Result of ``GET video/{id}/index/scene``."""

    scene_indexes: list[VideoSceneIndex]


class VideoScenesData(BaseModel):
    """Result of ``GET video/{id}/index/scene/{index_id}``, oldest first."""

    scene_index_records: list[VideoScene]


class SceneCollectionsData(BaseModel):
    """Result of ``GET video/{id}/scenes``."""

    scene_collections: list[VideoSceneIndex]


class SceneCollectionData(BaseModel):
    """Result of ``GET video/{id}/scenes/{index_id}``."""

    scene_collection: SceneCollection


async def export_stream(request: Request, body: ExportRequest) -> Annotated[Response, JsonBody(JobBody[ExportResult])]:
    """Export the latest completed recording of a stream, or a window of it."""
    engine = engine_of(request)
    started = await engine.exports.start(request.path_params["stream_id"], body.name, body.start, body.end)
    if body.searchable:
        engine.video_transcripts.follow(started)
    await started.wait(body.wait_s)
    if started.error is not None:
        return refusal(started.error)
    return await job_response(request, started)


async def list_videos(request: Request, query: ListVideos) -> VideosData:
    """List the videos of a collection, newest first."""
    return VideosData(videos=await _list(request, query, audio=False))


async def list_audio(request: Request, query: ListVideos) -> AudiosData:
    """List the exported audio of a collection, newest first."""
    return AudiosData(audios=await _list(request, query, audio=True))


async def _list(request: Request, wanted: ListVideos, *, audio: bool) -> list[Video]:
    found = await engine_of(request).videos.list(origin(request), wanted.collection_id)
    return [video for video in found if video.id.startswith(AUDIO) == audio]


async def get_video(request: Request) -> Video:
    """Get a video with new links, and with its transcript if it has one."""
    engine, video_id = engine_of(request), request.path_params["video_id"]
    found = await engine.videos.get(origin(request), video_id)
    words, text = await engine.video_transcripts.overview(video_id)
    return found.model_copy(update={"transcript": words, "transcript_text": text})


async def update_video(request: Request, body: UpdateVideo) -> Video:
    """Update the name of a video."""
    return await engine_of(request).videos.update(origin(request), request.path_params["video_id"], name=body.name)


async def delete_video(request: Request) -> None:
    """Delete a video and its file."""
    await engine_of(request).videos.delete(request.path_params["video_id"])


async def play_ranges(request: Request, body: TimelineQuery) -> Video | ClipLinks:
    """Get links that play parts of a video in sequence."""
    engine, video_id = engine_of(request), request.path_params["video_id"]
    if not body.timeline:
        return await engine.videos.get(origin(request), video_id)
    parts = Shots(video_id=video_id, shots=body.timeline)
    return await engine.clips.create(origin(request), parts.ranges())


async def play_shots(request: Request, body: list[Shots]) -> ClipLinks:
    """Get links that play parts of several videos and recorded streams in sequence."""
    clips = [one for entry in body for one in entry.ranges()]
    if not clips:
        raise InvalidRequest("The list of shots is empty. Send at least one.")
    return await engine_of(request).clips.create(origin(request), clips)


async def get_download_url(request: Request) -> DownloadData:
    """Get the download URL of exported audio."""
    found = await engine_of(request).videos.get(origin(request), request.path_params["video_id"])
    return DownloadData(signed_url=found.download_url)


async def get_thumbnail(request: Request) -> ThumbnailData:
    """Get the URL of the picture in the middle of a video."""
    picture = await engine_of(request).videos.thumbnail(origin(request), request.path_params["video_id"])
    return ThumbnailData(thumbnail_url=picture.url)


async def take_picture(request: Request, body: TakePicture) -> VideoPicture:
    """Get the URL of the picture that a video shows at a time."""
    return await engine_of(request).videos.picture(origin(request), request.path_params["video_id"], body.time)


async def list_pictures(request: Request) -> list[VideoPicture]:
    """List the pictures of a video that have a URL, in their order."""
    return list(await engine_of(request).videos.pictures(origin(request), request.path_params["video_id"]))


async def get_picture_url(request: Request) -> DownloadData:
    """Get the URL of a picture."""
    url = await engine_of(request).videos.picture_url(origin(request), request.path_params["image_id"])
    return DownloadData(signed_url=url)


async def delete_picture(request: Request) -> None:
    """Revoke the URL of a picture."""
    await engine_of(request).videos.delete_picture(request.path_params["image_id"])


async def list_scenes(request: Request, query: ListVideoScenes) -> list[VideoScene]:
    """List the scenes that the indexes of a stream found in a video of it, oldest first."""
    return await engine_of(request).video_scenes.all(request.path_params["video_id"])


async def index_scenes(request: Request, body: IndexVideoScenes) -> VideoIndexedData:
    """Get the index that has the scenes of a video. Scenes are found in the stream while it is recorded."""
    return VideoIndexedData(scene_index_id=(await _index(request, body)).scene_index_id)


async def extract_scenes(request: Request, body: IndexVideoScenes) -> SceneCollectionData:
    """Get the scenes of a video by the index that has them, as a scene collection."""
    index = await _index(request, body)
    found = await engine_of(request).video_scenes.of_index(request.path_params["video_id"], index.scene_index_id)
    return SceneCollectionData(scene_collection=found)


async def _index(request: Request, asked: IndexVideoScenes) -> VideoSceneIndex:
    if asked.extraction_type == "transcript":
        raise NotFound("This engine does not offer audio indexes of videos. Index the audio of the stream instead.")
    given = [name for name in ("scenes", "callback_url", "sandbox_id") if getattr(asked, name)]
    if given:
        raise InvalidRequest(f"{' and '.join(given)} of scenes of videos is not offered. Omit it.")
    return await engine_of(request).video_scenes.find(request.path_params["video_id"], asked.prompt)


async def list_scene_indexes(request: Request) -> VideoIndexesData:
    """List the indexes that have scenes of a video."""
    return VideoIndexesData(scene_indexes=await _indexes(request))


async def list_scene_collections(request: Request) -> SceneCollectionsData:
    """List the indexes that have scenes of a video, as scene collections."""
    return SceneCollectionsData(scene_collections=await _indexes(request))


async def get_scene_index(request: Request) -> VideoScenesData:
    """List the scenes that one index found in a video, oldest first."""
    return VideoScenesData(scene_index_records=(await _scenes(request)).scenes)


async def get_scene_collection(request: Request) -> SceneCollectionData:
    """Get the scenes that one index found in a video, as a scene collection."""
    return SceneCollectionData(scene_collection=await _scenes(request))


async def _indexes(request: Request) -> list[VideoSceneIndex]:
    return await engine_of(request).video_scenes.indexes(request.path_params["video_id"])


async def _scenes(request: Request) -> SceneCollection:
    params = request.path_params
    return await engine_of(request).video_scenes.of_index(params["video_id"], params["index_id"])
