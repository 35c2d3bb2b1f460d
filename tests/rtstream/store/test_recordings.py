"""Queries on recordings and their segments."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.states import PinKind
from rtstream.store import journal, recordings, streams
from rtstream.store.journal import Entry

STREAM = "rts-1"


def record(conn: Connection, name: str, start: float, count: int = 3, media_start: float | None = None) -> None:
    """Store a recording of segments of 4 s and 100 bytes, two per file."""
    recordings.insert(
        conn,
        recording_id=name,
        stream_id=STREAM,
        started_at=start,
        init=name.encode(),
        codecs="avc1",
        media_start=media_start,
    )
    for number in range(count):
        place = {"path": f"{name}/{number // 2}.m4s", "offset": number % 2 * 100, "length": 100}
        recordings.add_segment(conn, STREAM, start=start + 4 * number, duration=4.0, recording_id=name, **place)


def starts(conn: Connection, start: float, end: float) -> list[float]:
    return [row.start for row in recordings.segments_between(conn, STREAM, start, end)]


def test_segments_extend_their_recording_and_count_for_their_stream(conn: Connection) -> None:
    record(conn, "a", 100.0)
    found = recordings.find(conn, STREAM, "a")
    assert found is not None
    assert (found.started_at, found.ended_at, found.closed) == (100.0, 112.0, False)
    assert streams.get(conn, STREAM).recorded_bytes == recordings.total_bytes(conn) == 300
    assert recordings.recent_size(conn, STREAM, 2) == (200, 8.0)
    assert recordings.file_ends(conn, STREAM) == {"a/0.m4s": 200, "a/1.m4s": 100}
    assert recordings.find(conn, "rts-2", "a") is None


def test_a_window_has_the_segments_that_overlap_it(conn: Connection) -> None:
    record(conn, "a", 100.0)
    assert starts(conn, 103.9, 108.0) == [100.0, 104.0]
    assert starts(conn, 104.0, 104.1) == [104.0]
    assert starts(conn, 112.0, 200.0) == []
    across = recordings.segments_across(conn, STREAM, 102.0, 108.0)
    assert [(row.start, init) for row, init in across] == [(100.0, b"a")]  # a segment begins at 108, none is cut
    at = recordings.segment_at(conn, STREAM, "a", 109.0, 109.0)
    assert at is not None
    assert at.start == 108.0


def test_where_recordings_overlap_the_one_recorded_last_counts(conn: Connection) -> None:
    record(conn, "a", 100.0, 6, media_start=1.0)
    record(conn, "b", 108.0, 2, media_start=500.0)  # the clock was set back
    used = recordings.segments_between(conn, STREAM, 100.0, 124.0)
    assert {row.recording_id for row in used if 108.0 <= row.start < 116.0} == {"b"}
    newest = recordings.last_segment(conn, STREAM)
    assert newest is not None
    assert (newest.recording_id, newest.start) == ("b", 112.0)
    assert recordings.newest_end(conn, STREAM) == (116.0, False)


def test_without_its_first_file_a_recording_begins_later_and_without_any_it_is_gone(conn: Connection) -> None:
    record(conn, "a", 100.0)
    recordings.close(conn, "a")
    recordings.remove_segments(conn, STREAM, ["a/0.m4s"])
    assert recordings.ranges(conn, STREAM) == [(108.0, 112.0)]
    recordings.remove_segments(conn, STREAM, ["a/1.m4s"])
    assert recordings.find(conn, STREAM, "a") is None
    assert recordings.total_bytes(conn) == 0


def test_a_recording_without_segments_is_removed_when_it_is_closed(conn: Connection) -> None:
    record(conn, "empty", 100.0, 0)
    record(conn, "a", 200.0)
    for name in ("empty", "a"):
        recordings.close(conn, name)
    assert set(recordings.inits(conn, ["empty", "a"])) == {"a"}
    assert recordings.newest_end(conn, STREAM) == (212.0, True)


def test_ranges_are_the_newest_or_those_around_a_moment(conn: Connection) -> None:
    for number in range(5):
        record(conn, f"r{number}", 100.0 * number, 1)
    assert recordings.ranges(conn, STREAM, 2) == [(300.0, 304.0), (400.0, 404.0)]
    assert recordings.ranges(conn, STREAM, 1, around=150.0) == [(100.0, 104.0), (200.0, 204.0)]
    assert recordings.recorded_between(conn, STREAM, "r1", 103.0, 104.0)
    assert not recordings.recorded_between(conn, STREAM, "r1", 104.0, 105.0)


def test_a_range_is_protected_until_its_owner_releases_it(conn: Connection) -> None:
    recordings.pin(conn, STREAM, 10.0, 20.0, PinKind.ALERT, "alert-1")
    recordings.pin(conn, STREAM, 50.0, 60.0, PinKind.EXPORT, "m-1")
    assert recordings.pinned(conn, STREAM, 55.0) == [(10.0, 20.0), (50.0, 60.0)]
    assert recordings.pinned(conn, STREAM, 55.0, PinKind.EXPORT) == [(50.0, 60.0)]
    assert recordings.pinned(conn, STREAM, 50.0, PinKind.EXPORT) == []
    recordings.unpin(conn, PinKind.EXPORT, "m-2")
    recordings.unpin(conn, PinKind.ALERT)
    assert recordings.pinned(conn, STREAM, 99.0) == [(50.0, 60.0)]


def test_a_session_begins_at_the_last_stop_before_the_newest_recording(conn: Connection) -> None:
    assert recordings.latest_session(conn, STREAM) is None
    record(conn, "a", 100.0)
    assert recordings.latest_session(conn, STREAM) == 0.0
    for at in (150.0, 300.0):
        journal.append(conn, Entry("health", {"state": "stopped"}, STREAM, at=at))
    record(conn, "b", 200.0)
    assert recordings.latest_session(conn, STREAM) == 150.0
