"""Rows of playback links: one per target and purpose, extended, revoked and removed."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from rtstream import ids
from rtstream.models import Slice
from rtstream.rules.link_targets import LinkTarget, ranges_target, video_target, window_target
from rtstream.store import links as rows
from rtstream.store import streams as stream_rows
from rtstream.store import videos as video_rows
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio

NOW = 1_790_000_000.0
DAY = 86400.0
WINDOW = window_target("rts-1", NOW - 60, NOW)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.below(tmp_path)

    def fill(conn: Connection) -> None:
        stream_rows.ensure_default_collection(conn, NOW)
        values: dict[str, Any] = {"media_types": [], "sample_rate": 1.0, "store": True, "enable_transcript": False}
        values |= {"url": "x", "collection_id": "default", "created_at": NOW, "desired": "stopped", "health": {}}
        stream_rows.insert(conn, id="rts-1", name="Door", **values)
        for video_id in ("m-1", "m-2"):
            about = {"name": video_id, "path": video_id, "start": NOW, "duration": 9.0, "detail": {}, "created_at": NOW}
            video_rows.insert(conn, id=video_id, collection_id="default", stream_id="rts-1", **about)

    await database.write(fill)
    yield database
    await database.aclose()


async def add(db: Database, target: LinkTarget, expires_at: float | None = None) -> str:
    link_id = ids.link_id()
    await db.write(rows.insert, [rows.NewLink(link_id, target.digest("chat"), target, "chat", NOW, expires_at)])
    return link_id


@pytest.mark.parametrize(
    "target",
    [
        WINDOW,
        video_target("m-1"),
        ranges_target((("m-1", 1.0, 2.5), ("m-2", 0.0, 1.0)), "Hits"),
        ranges_target((("rts-1", NOW - 60, NOW), ("m-2", 0.0, 1.0))),
        ranges_target((("rts-1", NOW - 60, NOW), ("rts-1", NOW - 90, NOW - 80))),
        ranges_target(()),
    ],
)
async def test_a_link_is_read_as_it_was_written(db: Database, target: LinkTarget) -> None:
    link_id = await add(db, target, NOW + DAY)
    link = await db.read(rows.get, link_id)
    assert link == rows.Link(link_id, target, "chat", NOW, NOW + DAY, None)
    assert await db.read(rows.get, "x" * 22) is None


def test_targets_that_differ_in_anything_have_different_hashes() -> None:
    targets = [
        WINDOW,
        window_target("rts-2", NOW - 60, NOW),
        window_target("rts-1", NOW - 60, NOW + 1e-3),
        window_target("rts-1", NOW - 60, NOW, "Title"),
        window_target("rts-1", NOW - 60, NOW, "", "Title"),
        video_target("m-1"),
        ranges_target((("m-1", 0.0, 9.0),)),
        ranges_target((("m-1", 0.0, 4.0), ("m-1", 4.0, 9.0))),
        ranges_target((("m-1", 4.0, 9.0), ("m-1", 0.0, 4.0))),
    ]
    hashes = {target.digest(purpose) for target in targets for purpose in ("chat", "sdk")}
    assert len(hashes) == 2 * len(targets)
    assert WINDOW.digest("chat") == window_target("rts-1", NOW - 60 + 1e-8, NOW).digest("chat")
    assert math.isinf(video_target("m-1").ranges[0][2])


async def test_an_expired_link_keeps_its_end_and_its_target_gets_another_one(db: Database) -> None:
    old = await add(db, WINDOW, NOW + DAY)
    digest = WINDOW.digest("chat")
    assert await db.read(rows.current, [digest], NOW + DAY / 2) == {digest: old}
    assert await db.read(rows.current, [digest], NOW + 2 * DAY) == {}
    assert await db.write(rows.extend, [digest], NOW, NOW + 7 * DAY) == {digest: old}
    assert await db.write(rows.extend, [digest], NOW + 8 * DAY, NOW + 15 * DAY) == {}
    new = await add(db, WINDOW, NOW + 15 * DAY)
    link = await db.read(rows.get, old)
    assert link is not None
    assert link.expires_at == NOW + 7 * DAY
    assert await db.read(rows.current, [digest], NOW + 8 * DAY) == {digest: new}


async def test_all_links_that_play_a_video_are_listed_and_revoked_with_it(db: Database) -> None:
    both = ranges_target((("m-1", 1.0, 2.5), ("m-2", 0.0, 1.0)))
    whole, part, several = [
        await add(db, target) for target in (video_target("m-1"), ranges_target((("m-1", 0.0, 1.0),)), both)
    ]
    others = [
        await add(db, target)
        for target in (video_target("m-2"), WINDOW, ranges_target((("m-2", 0.0, 1.0), ("m-12", 0.0, 1.0))))
    ]

    def listed(conn: Connection, video_id: str) -> set[str]:
        found, count = rows.list_links(conn, Slice(limit=10), stream_id=None, video_id=video_id)
        assert len(found) == count
        return {link.id for link in found}

    assert await db.read(listed, "m-1") == {whole, part, several}
    for near in ("m_1", "m%", "-1", "m-", '"'):
        assert await db.read(listed, near) == set()
    assert await db.write(lambda conn: rows.revoke(conn, NOW, link_id=None, stream_id=None, video_id="m-1")) == 3
    assert [link.revoked_at for other in others if (link := await db.read(rows.get, other))] == [None] * 3


async def test_all_links_that_play_a_stream_are_listed_and_revoked_with_it(db: Database) -> None:
    mixed = ranges_target((("rts-1", NOW - 60, NOW - 50), ("m-1", 0.0, 1.0)))
    playing = [await add(db, target) for target in (WINDOW, mixed)]
    other = await add(db, ranges_target((("rts-12", NOW - 60, NOW - 50), ("m-1", 0.0, 1.0))))

    def listed(conn: Connection) -> set[str]:
        return {link.id for link in rows.list_links(conn, Slice(limit=10), stream_id="rts-1", video_id=None)[0]}

    assert await db.read(listed) == set(playing)
    assert await db.write(lambda conn: rows.revoke(conn, NOW, link_id=None, stream_id="rts-1", video_id=None)) == 2
    link = await db.read(rows.get, other)
    assert link is not None
    assert link.revoked_at is None
    assert await db.write(rows.remove_expired, NOW, NOW - 1) == 1, "its stream was deleted"


async def test_links_that_have_ended_are_removed(db: Database) -> None:
    expired, lasting = await add(db, WINDOW, NOW - 1), await add(db, video_target("m-1"))
    several = await add(db, ranges_target((("m-1", 0.0, 1.0), ("m-2", 0.0, 1.0))))
    revoked = await add(db, video_target("m-2"))

    def revoke(conn: Connection) -> int:
        return rows.revoke(conn, NOW, link_id=revoked, stream_id=None, video_id=None)

    assert [await db.write(revoke), await db.write(revoke)] == [1, 0]
    assert await db.write(rows.remove_expired, NOW, NOW) == 1
    assert await db.read(rows.get, expired) is None
    await db.write(video_rows.delete_video, "m-1")
    assert await db.read(rows.get, lasting) is None, "a link ends with its video"
    assert await db.write(rows.remove_expired, NOW, NOW + 1) == 2
    assert [await db.read(rows.get, link_id) for link_id in (several, revoked)] == [None, None]
