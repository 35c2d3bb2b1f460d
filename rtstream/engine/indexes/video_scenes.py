"""The scenes of exported videos: those that indexes of their stream found in the exported footage."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from rtstream.errors import InvalidRequest, NotFound, TooLarge
from rtstream.json_types import JsonObject
from rtstream.models import SceneCollection, VideoScene, VideoSceneIndex
from rtstream.rules.playlist import Range, position
from rtstream.states import ExtractionType
from rtstream.store import indexes as rows
from rtstream.store import videos as video_rows
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow, SceneRow
from rtstream.store.videos import VideoRow

MAX_SCENES = 20_000
"""Maximum number of scenes of a response, which has no pages."""


class VideoScenes:
    """Reads the scenes of exported videos, which are deleted with the stream or the index."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def indexes(self, video_id: str) -> list[VideoSceneIndex]:
        """Return the visual indexes that have scenes of a video, oldest first. Raises NotFound."""

        def query(conn: Connection) -> list[VideoSceneIndex]:
            video = video_rows.get(conn, video_id)
            return [_shown_index(index) for index in _visual(conn, video) if _scenes(conn, index, video, 1)]

        return await self._db.read(query)

    async def all(self, video_id: str) -> list[VideoScene]:
        """Return the scenes of a video by all visual indexes, oldest first. Raises NotFound, TooLarge."""

        def query(conn: Connection) -> list[VideoScene]:
            video = video_rows.get(conn, video_id)
            return [scene for index in _visual(conn, video) for scene in _all_of(conn, index, video)]

        found = await self._db.read(query)
        if len(found) > MAX_SCENES:
            raise _too_many(video_id)
        return sorted(found, key=lambda scene: (scene.start, scene.end))

    async def find(self, video_id: str, prompt: str | None = None) -> VideoSceneIndex:
        """Return the newest visual index that has scenes of a video, with this prompt if one is passed.

        Raises:
            InvalidRequest: No index has such scenes. The error names the call that describes the video.
            NotFound: There is no such video.
        """
        found = [one for one in await self.indexes(video_id) if not prompt or one.prompt == prompt]
        if found:
            return found[-1]
        stream_id = (await self._db.read(video_rows.get, video_id)).stream_id
        way_out = f"Call index_visuals() on the stream {stream_id}." if stream_id else "Its stream was deleted."
        raise InvalidRequest(
            f"The video {video_id[:80]} has no scenes{' for this prompt' if prompt else ''}. Scenes of a video are "
            f"those that the indexes of its stream found in the exported footage. {way_out}"
        )

    async def of_index(self, video_id: str, index_id: str) -> SceneCollection:
        """Return the scenes that one index found in a video, oldest first. Raises NotFound, TooLarge."""

        def query(conn: Connection) -> SceneCollection:
            video = video_rows.get(conn, video_id)
            index = next((index for index in _visual(conn, video) if index.id == index_id), None)
            if index is None:
                raise NotFound(
                    f"The video {video_id[:80]} has no scene index {index_id[:80]}. List its scene indexes to see "
                    "their ids."
                )
            return SceneCollection(
                scene_collection_id=index.id, config=index.extraction_config, scenes=_all_of(conn, index, video)
            )

        return await self._db.read(query)


def _visual(conn: Connection, video: VideoRow) -> list[IndexRow]:
    indexes = rows.of_stream(conn, video.stream_id) if video.stream_id else []
    return [index for index in indexes if index.extraction_type is ExtractionType.TIME]


def _all_of(conn: Connection, index: IndexRow, video: VideoRow) -> list[VideoScene]:
    found = _scenes(conn, index, video, MAX_SCENES + 1)
    if len(found) > MAX_SCENES:
        raise _too_many(video.id)
    covered = video.detail.covered
    return [_shown(scene, index, covered) for scene in found]


def _scenes(conn: Connection, index: IndexRow, video: VideoRow, limit: int) -> list[SceneRow]:
    found: list[SceneRow] = []
    for start, end in video.detail.covered:
        found += rows.scenes_between(conn, index.id, start, end, limit - len(found))
        if len(found) >= limit:
            break
    return list({scene.id: scene for scene in found}.values())  # a scene may be in the ranges around a short gap


def _shown_index(index: IndexRow) -> VideoSceneIndex:
    return VideoSceneIndex(
        scene_index_id=index.id,
        scene_collection_id=index.id,
        name=index.name,
        rtstream_id=index.stream_id,
        prompt=index.prompt,
    )


def _shown(scene: SceneRow, index: IndexRow, covered: Sequence[Range]) -> VideoScene:
    return VideoScene(
        scene_id=str(scene.id),
        start=round(position(covered, scene.start), 3),
        end=round(position(covered, scene.end), 3),
        description=scene.text,
        metadata=_metadata(scene),
        scene_index_id=index.id,
        scene_index_name=index.name,
    )


def _metadata(scene: SceneRow) -> JsonObject:
    changes = scene.detail.changes
    facts = {"data": scene.data, "new": changes.appeared or None, "gone": changes.disappeared or None}
    return {"model": scene.model, **{name: value for name, value in facts.items() if value is not None}}


def _too_many(video_id: str) -> TooLarge:
    return TooLarge(
        f"The video {video_id[:80]} has over {MAX_SCENES} scenes. Read them by pages from the index of its stream: "
        "get_scenes(start=..., end=..., page=...)."
    )
