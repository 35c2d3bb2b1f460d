"""Queries on exported videos."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from rtstream.errors import NotFound
from rtstream.store.tables import videos


def insert(conn: Connection, **values: Any) -> None:
    """Add a video."""
    conn.execute(videos.insert().values(**values))


def get(conn: Connection, video_id: str) -> Row[Any]:
    """One video. Raises NotFound."""
    row = conn.execute(select(videos).where(videos.c.id == video_id)).first()
    if row is None:
        raise NotFound(f"There is no exported video {video_id[:80]}. List the videos to see the ids that exist.")
    return row


def listing(conn: Connection, collection_id: str | None = None) -> list[Row[Any]]:
    """All videos (of a collection), newest first."""
    query = select(videos).order_by(videos.c.created_at.desc(), videos.c.id)
    if collection_id is not None:
        query = query.where(videos.c.collection_id == collection_id)
    return list(conn.execute(query).all())


def exported(conn: Connection, stream_id: str, key: str) -> Row[Any] | None:
    """The video that an export of the same recording has made already."""
    same = (videos.c.stream_id == stream_id) & (videos.c.detail["key"].as_string() == key)
    return conn.execute(select(videos).where(same)).first()


def rename(conn: Connection, video_id: str, name: str) -> None:
    """Give a video another name. Raises NotFound."""
    get(conn, video_id)
    conn.execute(update(videos).where(videos.c.id == video_id).values(name=name))


def remove(conn: Connection, video_id: str) -> None:
    """Forget a video."""
    conn.execute(delete(videos).where(videos.c.id == video_id))


def ids(conn: Connection) -> set[str]:
    """Ids of all videos."""
    return set(conn.execute(select(videos.c.id)).scalars())
