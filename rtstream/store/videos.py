"""Queries on exported videos."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.store.rows import RowReader
from rtstream.store.tables import videos


@dataclass(frozen=True, slots=True)
class VideoDetail:
    """More facts about an exported video.

    Attributes:
        key: Identifies the recording or the window that was exported.
        size: Bytes of the file.
        covered: The times that the video shows, as ranges in Unix seconds.
        audio: Whether it has audio. True for videos of earlier versions, which did not store it.
    """

    key: str
    size: int
    covered: list[tuple[float, float]]
    audio: bool = True

    def to_json(self) -> JsonObject:
        """Return the detail as a JSON object."""
        covered = [list(part) for part in self.covered]
        return {"key": self.key, "size": self.size, "covered": covered, "audio": self.audio}

    @classmethod
    def from_json(cls, stored: JsonObject | None) -> VideoDetail:
        """Restore a detail from ``to_json``. Missing fields are empty."""
        stored = stored or {}
        covered = [(float(start), float(end)) for start, end in stored.get("covered", ())]
        return cls(stored.get("key", ""), stored.get("size", 0), covered, stored.get("audio", True))


@dataclass(frozen=True, slots=True)
class VideoRow:
    """A stored video."""

    id: str
    collection_id: str
    stream_id: str | None
    name: str
    path: str
    start: float
    duration: float
    detail: VideoDetail
    created_at: float


_VIDEOS = RowReader(VideoRow, videos)


def insert(conn: Connection, **values: object) -> None:
    """Add a video."""
    conn.execute(videos.insert().values(**values))


def get(conn: Connection, video_id: str) -> VideoRow:
    """Return a video. Raises NotFound."""
    row = _VIDEOS.first(conn, _VIDEOS.select().where(videos.c.id == video_id))
    if row is None:
        raise NotFound(f"There is no exported video {video_id[:80]}. List the videos to see the ids that exist.")
    return row


def list_videos(conn: Connection, collection_id: str | None = None) -> list[VideoRow]:
    """Return the videos of a collection, or all if ``collection_id`` is None, newest first."""
    query = _VIDEOS.select().order_by(videos.c.created_at.desc(), videos.c.id)
    if collection_id is not None:
        query = query.where(videos.c.collection_id == collection_id)
    return _VIDEOS.all(conn, query)


def exported(conn: Connection, stream_id: str, key: str) -> VideoRow | None:
    """Return the video of an earlier export of the same recording or window, or None."""
    same = (videos.c.stream_id == stream_id) & (videos.c.detail["key"].as_string() == key)
    return _VIDEOS.first(conn, _VIDEOS.select().where(same))


def update_video(conn: Connection, video_id: str, *, name: str) -> VideoRow:
    """Update a video and return it. Raises NotFound."""
    get(conn, video_id)
    conn.execute(update(videos).where(videos.c.id == video_id).values(name=name))
    return get(conn, video_id)


def delete_video(conn: Connection, video_id: str) -> None:
    """Delete the row of a video."""
    conn.execute(delete(videos).where(videos.c.id == video_id))


def ids(conn: Connection) -> set[str]:
    """Return the ids of all videos."""
    return set(conn.execute(select(videos.c.id)).scalars())
