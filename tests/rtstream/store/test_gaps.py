"""Stored gaps grow, are joined and end, and count what waits in them."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.states import GapReason
from rtstream.store import gaps, indexes, recording_clock, recordings
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


def test_the_newest_live_window_is_not_a_late_one(conn: Connection) -> None:
    assert gaps.looked_until(conn, "one") is None
    for start in (100.0, 102.0, 104.0):
        scene(conn, start)
    scene(conn, 120.0, 7)
    assert gaps.looked_until(conn, "one") == 106.0
    assert gaps.looked_at(conn, "one", 102.0, 900.0, None) == [102.0, 104.0, 120.0]
    assert [row.start for row in indexes.scenes_after(conn, "one", 0, 10)] == [100.0, 102.0, 104.0]


def recorded(conn: Connection, name: str, start: float, end: float, media_start: float) -> None:
    values = {"stream_id": "rts-1", "init": b"", "codecs": "avc1", "media_start": media_start}
    recordings.insert(conn, recording_id=name, started_at=start, **values)
    place = {"path": f"{name}/a.m4s", "offset": 0, "length": 1, "recording_id": name}
    recordings.add_segment(conn, "rts-1", start=start, duration=end - start, **place)


def spans(conn: Connection) -> list[tuple[float, float | None]]:
    return sorted((gap.start, gap.end) for gap in gaps.of_index(conn, "one"))


def begin(conn: Connection, now: float) -> None:
    start = gaps.looked_until(conn, "one") or 0.0
    gaps.begin(conn, "rts-1", "one", "", start, GapReason.ENGINE_ENDED, now)


def footage(conn: Connection) -> list[list[str]]:
    """The recordings in which each gap is looked for, by the start of the gap."""
    found = []
    for gap in sorted(gaps.of_index(conn, "one"), key=lambda gap: gap.start):
        everything = recordings.segments_between(conn, "rts-1", 0.0, 9000.0)
        found.append(
            [one.recording_id for one in recording_clock.without_others(conn, "rts-1", gap.after_media, everything)]
        )
    return found


def test_scenes_from_before_the_clock_was_set_back_are_not_those_of_a_later_gap(conn: Connection) -> None:
    for start in (100.0, 102.0, 104.0):
        scene(conn, start)
    gaps.note_set_back(conn, "one", 101.0)
    scene(conn, 102.0)
    assert gaps.looked_until(conn, "one") == 104.0
    begin(conn, 110.0)
    [gap] = gaps.of_index(conn, "one")
    assert (gap.start, gaps.looked_at(conn, "one", 100.0, 110.0, gap.after_scene)) == (104.0, [102.0])
    assert indexes.get(conn, "one").looked_from == 101.0


def test_a_clock_that_is_set_back_while_no_engine_runs_makes_two_gaps(conn: Connection) -> None:
    scene(conn, 1000.0)
    recorded(conn, "rec-1", 990.0, 1010.0, 990.0)
    recorded(conn, "rec-2", 1011.0, 1020.0, 1011.0)
    recorded(conn, "rec-3", 400.0, 410.0, 1020.0)
    recorded(conn, "rec-4", 412.0, 415.0, 1030.0)
    begin(conn, 420.0)
    gaps.finish_open(conn, "rts-1", "one", "", 422.0)
    assert spans(conn) == [(400.0, 422.0), (1002.0, 1020.0)]
    assert footage(conn) == [["rec-3", "rec-4"], ["rec-1", "rec-2"]]
    assert gaps.looked_until(conn, "one") is None


def test_a_clock_that_is_set_back_before_the_first_live_window_makes_two_gaps(conn: Connection) -> None:
    scene(conn, 1000.0)
    recorded(conn, "rec-1", 990.0, 1010.0, 990.0)
    begin(conn, 1012.0)
    recorded(conn, "rec-2", 400.0, 410.0, 1010.0)
    gaps.finish_open(conn, "rts-1", "one", "", 404.0)
    assert spans(conn) == [(400.0, 404.0), (1002.0, 1010.0)]


def test_a_gap_without_footage_before_the_clock_was_set_back_is_removed(conn: Connection) -> None:
    scene(conn, 1000.0)
    recorded(conn, "rec-1", 990.0, 1002.0, 990.0)
    begin(conn, 1012.0)
    recorded(conn, "rec-2", 402.0, 410.0, 1002.0)
    gaps.finish_open(conn, "rts-1", "one", "", 404.0)
    assert spans(conn) == [(402.0, 404.0)]


def test_a_recording_that_is_entered_after_its_first_picture_is_in_the_gap(conn: Connection) -> None:
    scene(conn, 1000.0)
    recorded(conn, "rec-1", 990.0, 1010.0, 990.0)
    begin(conn, 1012.0)
    gaps.finish_open(conn, "rts-1", "one", "", 404.0)
    recorded(conn, "rec-2", 401.0, 410.0, 1010.0)
    assert spans(conn) == [(404.0 - recording_clock.ENTERED_S, 404.0), (1002.0, 1010.0)]
    assert footage(conn) == [["rec-2"], ["rec-1"]]


def test_windows_dropped_after_the_clock_was_set_back_do_not_join_a_gap_from_before(conn: Connection) -> None:
    drop(conn, 100.0)
    scene(conn, 102.0)
    gaps.note_set_back(conn, "one", 90.0)
    drop(conn, 92.0)
    assert spans(conn) == [(92.0, 94.0), (100.0, 102.0)]


def test_footage_that_did_not_arrive_becomes_a_gap_unless_one_has_not_ended(conn: Connection) -> None:
    gaps.add_hole(conn, "rts-1", "one", "", 100.0, 104.0)
    assert spans(conn) == [(100.0, 104.0)]
    gaps.begin(conn, "rts-1", "one", "", 200.0, GapReason.ENGINE_ENDED, 210.0)
    gaps.add_hole(conn, "rts-1", "one", "", 220.0, 230.0)
    gaps.finish_open(conn, "rts-1", "one", "", 240.0)
    assert spans(conn) == [(100.0, 104.0), (200.0, 240.0)]


def test_speech_that_is_missed_in_several_parts_is_one_gap_until_that_is_analysed(conn: Connection) -> None:
    for start, end in ((100.0, 160.0), (160.0, 190.0), (300.0, 310.0), (310.2, 320.0)):
        gaps.add_missed_speech(conn, "rts-1", "one", start, end)
    assert spans(conn) == [(100.0, 190.0), (300.0, 320.0)]
    [_, newest] = gaps.of_index(conn, "one")
    gaps.finish(conn, newest.id, until=310.0)  # it has grown since
    assert len(gaps.to_analyse(conn)) == 2
    gaps.finish(conn, newest.id, until=320.0)
    assert len(gaps.to_analyse(conn)) == 1
    gaps.add_missed_speech(conn, "rts-1", "one", 320.0, 330.0)
    assert spans(conn) == [(100.0, 190.0), (300.0, 320.0), (320.0, 330.0)]


def test_footage_that_did_not_arrive_around_a_step_of_the_clock_becomes_two_gaps(conn: Connection) -> None:
    recorded(conn, "rec-1", 990.0, 1010.0, 990.0)
    recorded(conn, "rec-2", 400.0, 410.0, 1010.0)
    gaps.add_hole(conn, "rts-1", "one", "", 1002.0, 404.0)
    assert spans(conn) == [(400.0, 404.0), (1002.0, 1010.0)]
    assert footage(conn) == [["rec-2"], ["rec-1"]]
    gaps.add_hole(conn, "rts-1", "one", "", 404.0, 408.0)
    assert footage(conn) == [["rec-2"], ["rec-2"], ["rec-1"]]
