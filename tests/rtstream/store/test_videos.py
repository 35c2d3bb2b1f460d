"""Queries on exported videos."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.errors import NotFound
from rtstream.store import streams, videos
from rtstream.store.videos import VideoDetail


def add(conn: Connection, video_id: str, at: float, key: str = "k", collection_id: str = "default") -> None:
    facts = {"stream_id": "rts-1", "name": video_id, "path": "p", "start": 1.0, "duration": 2.0, "created_at": at}
    detail = VideoDetail(key, 10, [(1.0, 3.0)]).to_json()
    videos.insert(conn, id=video_id, collection_id=collection_id, detail=detail, **facts)


def test_videos_are_listed_newest_first_and_by_collection(conn: Connection) -> None:
    streams.insert_collection(conn, id="c-1", name="x", description="", is_public=False, created_at=0.0)
    add(conn, "m-1", 1.0)
    add(conn, "m-2", 2.0, collection_id="c-1")
    assert [row.id for row in videos.list_videos(conn)] == ["m-2", "m-1"]
    assert [row.id for row in videos.list_videos(conn, "default")] == ["m-1"]
    assert videos.ids(conn) == {"m-1", "m-2"}


def test_the_same_export_is_found_by_its_key_even_after_its_stream_was_deleted(conn: Connection) -> None:
    add(conn, "m-1", 1.0, key="session 5")
    streams.delete(conn, "rts-1")
    found = videos.exported(conn, "rts-1", "session 5")
    assert found is not None
    assert found.detail == VideoDetail("session 5", 10, [(1.0, 3.0)])
    assert videos.exported(conn, "rts-1", "session 6") is videos.exported(conn, "rts-2", "session 5") is None


def test_a_video_is_renamed_and_deleted(conn: Connection) -> None:
    add(conn, "m-1", 1.0)
    assert videos.update_video(conn, "m-1", name="Party").name == "Party"
    videos.delete_video(conn, "m-1")
    for call in (lambda: videos.get(conn, "m-1"), lambda: videos.update_video(conn, "m-1", name="x")):
        with pytest.raises(NotFound, match="m-1"):
            call()


def test_the_detail_of_an_older_row_has_empty_fields() -> None:
    assert VideoDetail.from_json(None) == VideoDetail("", 0, [])
