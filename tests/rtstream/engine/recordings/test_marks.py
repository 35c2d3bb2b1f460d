"""Marks on the timeline: alerts first, then scenes that differ from the one before."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.engine.recordings import marks
from rtstream.engine.recordings.marks import TimelineMarks, marks_within
from rtstream.store import indexes, journal, streams
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from tests.rtstream.store.conftest import INDEX, STREAM

pytestmark = pytest.mark.anyio


def add(conn: Connection) -> None:
    streams.insert(conn, id="rts-1", created_at=0.0, **STREAM)
    indexes.insert(conn, id="one", stream_id="rts-1", name="one", counters={}, created_at=0.0, **INDEX)
    for number, text in enumerate(("a  door", "a door", "\n", "a cat", "a door")):
        values = {"text": text, "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": 0.0}
        times = {"start": 10.0 * number, "end": 10.0 * number + 10}
        indexes.add_scene(conn, index_id="one", stream_id="rts-1", **times, **values)
    journal.append(conn, Entry("alert", {"start": 15.0, "end": 18.0, "label": "door"}, "rts-1"))


async def test_equal_and_empty_scenes_are_left_out(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await db.write(add)
    found = await TimelineMarks(db).between("rts-1", 0.0, 60.0)
    assert [(mark["kind"], mark["start"], mark["label"]) for mark in found] == [
        ("scene", 0.0, "a door"),
        ("alert", 15.0, "door"),
        ("scene", 30.0, "a cat"),
        ("scene", 40.0, "a door"),
    ]
    monkeypatch.setattr(marks, "MAX_MARKS", 2)
    assert [mark["kind"] for mark in await TimelineMarks(db).between("rts-1", 0.0, 60.0)] == ["scene", "alert"]


def test_no_mark_shows_a_time_outside_the_ranges() -> None:
    mark = {"kind": "alert", "start": 10.0, "end": 20.0, "label": "door"}
    assert marks_within([mark], [(0.0, 12.0), (15.0, 16.0), (20.0, 30.0)]) == [
        {**mark, "start": 10.0, "end": 12.0},
        {**mark, "start": 15.0, "end": 16.0},
    ]
