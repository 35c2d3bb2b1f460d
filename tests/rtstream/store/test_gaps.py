"""Stored gaps grow, are joined and end, and count what waits in them."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.states import GapReason
from rtstream.store import gaps, indexes
from rtstream.store.gaps import DroppedWindows


def scene(conn: Connection, start: float, gap_id: int | None = None) -> None:
    values = {"text": "", "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": start}
    indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=start, end=start + 2, gap_id=gap_id, **values)


def drop(conn: Connection, start: float, count: int = 1, index_id: str = "one") -> None:
    gaps.extend(conn, DroppedWindows("rts-1", index_id, start, start + 2, count, GapReason.OVERLOADED), start)


def test_windows_nearby_join_a_gap_and_others_begin_one(conn: Connection) -> None:
    for start in (100.0, 104.0, 150.0, 96.0):
        drop(conn, start)
    drop(conn, 1000.0, 3)
    drop(conn, 104.0, index_id="two")
    found = gaps.of_index(conn, "one")
    assert [(gap.start, gap.end, gap.reached, gap.dropped) for gap in found] == [
        (96.0, 152.0, 96.0, 4),
        (1000.0, 1002.0, 1000.0, 3),
    ]
    assert len(gaps.to_analyse(conn)) == 3


def test_a_gap_that_has_not_ended_is_begun_once_and_an_empty_one_is_removed(conn: Connection) -> None:
    for start in (10.0, 20.0):
        gaps.begin(conn, "rts-1", "one", "", start, GapReason.ENGINE_ENDED, 30.0)
    gaps.finish_open(conn, "rts-1", "one", "", 40.0)
    [gap] = gaps.of_index(conn, "one")
    assert (gap.start, gap.end, gap.reached) == (10.0, 40.0, 10.0)
    gaps.begin(conn, "rts-1", "one", "", 50.0, GapReason.ENGINE_ENDED, 50.0)
    assert gaps.open_gap(conn, "rts-1", "one") is not None
    gaps.finish_open(conn, "rts-1", "one", "", 50.0)
    assert gaps.of_index(conn, "one") == [gap]


def test_progress_only_grows_and_waiting_windows_are_those_without_a_scene(conn: Connection) -> None:
    drop(conn, 100.0, 5)
    [gap] = gaps.of_index(conn, "one")
    assert gaps.count_waiting(conn, "one", 2.0, 200.0) == 5
    scene(conn, 100.0, gap.id)
    gaps.reach(conn, gap.id, 102.0)
    gaps.reach(conn, gap.id, 101.0)
    gaps.skip(conn, gap.id, 2, 102.0)
    assert gaps.count_waiting(conn, "one", 2.0, 200.0) == 2
    [gap] = gaps.of_index(conn, "one")
    assert (gap.reached, gap.dropped) == (102.0, 3)
    gaps.begin(conn, "rts-1", "two", "", 100.0, GapReason.ENGINE_ENDED, 100.0)
    assert gaps.count_waiting(conn, "two", 2.0, 120.0) == 10
    gaps.finish(conn, gap.id)
    finished = gaps.get(conn, gap.id)
    assert finished is not None
    assert finished.analysed
    gaps.remove(conn, [gap.id])  # once alerts have evaluated its scenes
    assert gaps.get(conn, gap.id) is None


def test_the_newest_live_window_is_neither_late_nor_in_the_future(conn: Connection) -> None:
    assert gaps.looked_until(conn, "one", 500.0) is None
    for start in (100.0, 102.0, 900.0):
        scene(conn, start)
    scene(conn, 104.0, 7)
    assert gaps.looked_until(conn, "one", 500.0) == 104.0
    assert gaps.looked_at(conn, "one", 102.0, 900.0) == [102.0, 104.0]
    assert [row.start for row in indexes.scenes_after(conn, "one", 0, 10)] == [100.0, 102.0, 900.0]
