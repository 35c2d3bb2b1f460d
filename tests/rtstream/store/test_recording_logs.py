"""Lines of recording logs become rows, each once."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.rules.recording_log import FilesRemoved, LogLine, RecordingClosed, RecordingOpened, SegmentWritten
from rtstream.store import recording_logs, recordings, streams
from rtstream.store.recording_logs import LogPiece

STREAM = "rts-1"
OPENED = RecordingOpened("rec-1", STREAM, 100.0, "avc1", b"init", media_start=1.0)


def segment(number: int) -> SegmentWritten:
    return SegmentWritten(100.0 + 4 * number, 4.0, f"rec-1/{number}.m4s", 0, 100)


def apply(conn: Connection, position: int, *lines: LogLine) -> None:
    recording_logs.apply(conn, [LogPiece(STREAM, "rec-1", lines, position)])


def paths(conn: Connection) -> list[str]:
    return [row.path for row in recordings.oldest_segments(conn, STREAM, 99)]


def test_lines_are_applied_in_their_order_and_the_position_is_stored(conn: Connection) -> None:
    apply(conn, 500, OPENED, segment(0), segment(1))
    assert recording_logs.positions(conn, STREAM) == {"rec-1": (500, False)}
    apply(conn, 900, segment(2), FilesRemoved(("rec-1/0.m4s",)), RecordingClosed(112.0, ""))
    assert recording_logs.positions(conn, STREAM) == {"rec-1": (900, True)}
    assert paths(conn) == ["rec-1/1.m4s", "rec-1/2.m4s"]
    assert recordings.ranges(conn, STREAM) == [(104.0, 112.0)]


def test_a_log_that_is_applied_from_its_beginning_again_changes_nothing(conn: Connection) -> None:
    lines = (OPENED, segment(0), segment(1))
    apply(conn, 500, *lines)
    recording_logs.start_over(conn, STREAM, "rec-1")
    assert (paths(conn), recordings.total_bytes(conn)) == ([], 0)
    assert recording_logs.positions(conn, STREAM) == {"rec-1": (0, False)}
    apply(conn, 500, *lines)
    assert (len(paths(conn)), recordings.total_bytes(conn)) == (2, 200)


def test_segments_whose_bytes_are_missing_are_removed(conn: Connection) -> None:
    apply(conn, 500, OPENED, *(segment(number) for number in range(4)))
    half = SegmentWritten(116.0, 4.0, "rec-1/3.m4s", 100, 100)
    apply(conn, 600, half)
    sizes = {"rec-1/0.m4s": 100, "rec-1/1.m4s": 99, "rec-1/3.m4s": 150}  # 2 is gone, and 1 and 3 are cut short
    assert recording_logs.remove_missing(conn, STREAM, sizes) == 3
    assert paths(conn) == ["rec-1/0.m4s", "rec-1/3.m4s"]
    assert recordings.total_bytes(conn) == 200
    assert recording_logs.remove_missing(conn, STREAM, sizes) == 0


def test_a_stream_that_is_found_on_the_disk_is_stopped_and_says_why(conn: Connection) -> None:
    found = RecordingOpened("rec-9", "rts-9", 50.0, "avc1", b"", stream_name="Yard", url="rtsp://h/x")
    recording_logs.add_found_stream(conn, "rts-9", found)
    stream = streams.get(conn, "rts-9")
    assert (stream.name, stream.url, stream.desired) == ("Yard", "rtsp://h/x", "stopped")
    assert (stream.store, stream.media_types, stream.created_at) == (True, ["video", "audio"], 50.0)
    assert "found on the disk" in stream.health["reason"]
    assert recording_logs.known_streams(conn) == {STREAM, "rts-9"}
