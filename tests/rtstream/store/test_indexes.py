"""Queries on scene indexes and scenes."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.errors import NotFound
from rtstream.models import Page
from rtstream.store import indexes


def scene(conn: Connection, start: float, gap_id: int | None = None) -> int:
    values = {"text": "", "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": start}
    times = {"start": start, "end": start + 2, "gap_id": gap_id}
    return indexes.add_scene(conn, index_id="one", stream_id="rts-1", **times, **values)


def test_an_index_belongs_to_its_stream_only(conn: Connection) -> None:
    assert indexes.get(conn, "one", "rts-1").name == "one"
    for index_id, stream_id in (("three", None), ("one", "rts-2")):
        with pytest.raises(NotFound):
            indexes.get(conn, index_id, stream_id)
    assert [row.id for row in indexes.of_stream(conn, "rts-1")] == ["one", "two"]


def test_counters_grow_from_nothing(conn: Connection) -> None:
    indexes.count(conn, "one", described=2)
    indexes.count(conn, "one", described=1, failed=1)
    assert indexes.get(conn, "one").counters == {"described": 3, "failed": 1}
    assert indexes.get(conn, "two").counters == {}


def test_scenes_are_read_by_page_newest_first(conn: Connection) -> None:
    for start in (10.0, 30.0, 20.0):
        scene(conn, start)
    first, more = indexes.scene_page(conn, "one", None, None, Page(page_size=2))
    assert ([row.start for row in first], more) == ([30.0, 20.0], True)
    second, more = indexes.scene_page(conn, "one", None, None, Page(page=2, page_size=2))
    assert ([row.start for row in second], more) == ([10.0], False)
    overlapping, _ = indexes.scene_page(conn, "one", 21.0, 30.0, Page())
    assert [row.start for row in overlapping] == [20.0]


def test_live_scenes_are_followed_in_the_order_in_which_they_were_stored(conn: Connection) -> None:
    first, late, last = scene(conn, 50.0), scene(conn, 10.0, gap_id=3), scene(conn, 40.0)
    assert [row.id for row in indexes.scenes_after(conn, "one", 0, 9)] == [first, last]
    assert [row.id for row in indexes.scenes_after(conn, "one", first, 9)] == [last]
    assert indexes.more_scenes_than(conn, "one", 0, 1)
    assert not indexes.more_scenes_than(conn, "one", 0, 2)
    assert (indexes.last_scene_id(conn, "one"), indexes.last_scene_id(conn, "two")) == (last, 0)
    assert late < last
