"""Alerts and scenes on the timeline of the player."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.store import indexes, journal, marks
from rtstream.store.journal import Entry


def test_firings_that_overlap_a_window_are_found_newest_first(conn: Connection) -> None:
    for start, label in ((10.0, "first"), (20.0, "second"), (90.0, "elsewhere")):
        journal.append(conn, Entry("alert", {"start": start, "end": start + 5, "label": label}, "rts-1"))
    journal.append(conn, Entry("alert", {"start": 20.0, "end": 25.0, "label": "another stream"}, "rts-2"))
    journal.append(conn, Entry("health", {"start": 20.0, "end": 25.0, "label": "no alert"}, "rts-1"))
    assert [mark["label"] for mark in marks.alerts(conn, "rts-1", 12.0, 30.0, 9)] == ["second", "first"]
    assert [mark["label"] for mark in marks.alerts(conn, "rts-1", 12.0, 30.0, 1)] == ["second"]
    assert marks.alerts(conn, "rts-1", 15.0, 20.0, 9) == []


def test_scenes_that_overlap_a_window_are_found_without_failed_ones(conn: Connection) -> None:
    for start, status in ((10.0, "ok"), (12.0, "failed"), (8.0, "ok"), (14.0, "ok")):
        values = {"text": f"at {start}", "model": "m", "data": None, "detail": {}, "created_at": start}
        indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=start, end=start + 2, status=status, **values)
    assert marks.scenes(conn, "rts-1", 9.0, 14.0) == [(8.0, 10.0, "at 8.0"), (10.0, 12.0, "at 10.0")]
