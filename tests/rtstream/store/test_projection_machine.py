"""Logs of recordings and their rows against a plain reading of the logs, with crashes and old databases in between."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from rtstream.rules.recording_log import (
    FilesRemoved,
    LogLine,
    RecordingClosed,
    RecordingOpened,
    SegmentWritten,
    decode,
    encode,
)
from rtstream.store import recording_logs, recordings
from rtstream.store.recording_logs import LogPiece
from rtstream.store.tables import segments, streams
from tests.machines import LONG, add_stream, close, content, memory, opened, run

STREAM = "rts-1"
FILE_S = 3


@dataclass
class Log:
    """The log of a recording, as a recorder writes it. ``lines`` are those that are whole."""

    id: str
    begin: int
    raw: bytes = b""
    lines: list[LogLine] = field(default_factory=list)
    closed: bool = False
    written: int = 0

    def write(self, line: LogLine, keep: float = 1.0) -> None:
        """Write a line, of which only a share reaches the disk if the recorder or the disk fails."""
        data = encode(line)
        if keep < 1.0:
            self.raw += data[: int(keep * (len(data) - 1))]
        else:
            if self.raw and not self.raw.endswith(b"\n"):
                self.raw += b"\n"
            self.raw += data
            self.lines.append(line)


class ProjectionMachine(RuleBasedStateMachine):
    """A recorder that writes and crashes, retention, and an engine that reads, crashes and gets older databases."""

    def __init__(self) -> None:
        super().__init__()
        self.conn = memory()
        add_stream(self.conn, STREAM)
        self.conn.commit()
        self.logs: list[Log] = []
        self.backup = content(self.conn)
        self.at = 1000

    def teardown(self) -> None:
        self.all_lines_once_are_the_model()
        close(self.conn)

    @rule()
    def open(self) -> None:
        if self.logs and not self.logs[-1].closed:
            return
        log = Log(f"rec-{len(self.logs)}", self.at)
        log.write(RecordingOpened(log.id, STREAM, float(self.at), "avc1", b"init", media_start=float(self.at)))
        self.logs.append(log)

    @precondition(lambda self: self.logs and not self.logs[-1].closed)
    @rule(torn=st.one_of(st.just(1.0), st.floats(0.0, 0.99)), length=st.integers(1, 1000))
    def record(self, torn: float, length: int) -> None:
        log = self.logs[-1]
        path = f"{log.id}/{log.written // FILE_S:06}.m4s"
        start = self.at + len(self.logs) / 1000  # as two recordings never begin at the same microsecond
        log.write(SegmentWritten(start, 1.0, path, 100 * (log.written % FILE_S), length), torn)
        log.written += torn == 1.0
        self.at += 1

    @precondition(lambda self: self.logs and not self.logs[-1].closed)
    @rule(pause_s=st.sampled_from([0, 5, -20, -3]))
    def end(self, pause_s: int) -> None:
        """The recording ends, and the clock may be set before the next one."""
        self.logs[-1].write(RecordingClosed(float(self.at)))
        self.logs[-1].closed = True
        self.at += pause_s

    @precondition(lambda self: self.logs)
    @rule(which=st.integers(0, 3), number=st.integers(0, 3))
    def remove(self, which: int, number: int) -> None:
        """Retention removes a file, which it logs first."""
        log = self.logs[which % len(self.logs)]
        log.write(FilesRemoved((f"{log.id}/{number:06}.m4s",)))

    def read(self, log: Log, most: int) -> None:
        position = recording_logs.positions(self.conn, STREAM).get(log.id, (0, False))[0]
        lines, size = decode(log.raw[position : position + most])
        if size:
            recording_logs.apply(self.conn, [LogPiece(STREAM, log.id, lines, position + size)])

    @precondition(lambda self: self.logs)
    @rule(which=st.integers(0, 9), most=st.sampled_from([400, 1000, 1 << 20]), crash=st.booleans())
    def follow(self, which: int, most: int, crash: bool) -> None:
        """The engine applies a piece of a log, or crashes before the commit."""
        self.read(self.logs[which % len(self.logs)], most)
        if crash:
            self.conn.rollback()
        else:
            self.conn.commit()

    @rule()
    def back_up(self) -> None:
        self.backup = content(self.conn)

    @rule(empty=st.booleans())
    def lose_the_database(self, empty: bool) -> None:
        """An old or an empty database takes the place of the current one."""
        close(self.conn)
        self.conn = memory() if empty else opened(self.backup)
        if empty:
            add_stream(self.conn, STREAM)
            self.conn.commit()

    @rule()
    def power_cut_behind_the_last_line(self) -> None:
        """The database has lines that the disk has not: the rows are entered from the beginning."""
        for log in self.logs:
            if log.id in recording_logs.positions(self.conn, STREAM):
                recording_logs.start_over(self.conn, STREAM, log.id)
        self.conn.commit()

    @rule()
    def all_lines_once_are_the_model(self) -> None:
        """After everything is read, the rows are those of a plain reading; the database stays as it was."""
        for log in self.logs:
            while True:
                before = recording_logs.positions(self.conn, STREAM).get(log.id)
                self.read(log, 1 << 20)
                if recording_logs.positions(self.conn, STREAM).get(log.id) == before:
                    break
        query = segments.select().order_by(segments.c.recording_id, segments.c.path, segments.c.offset)
        found = [(row.start, row.recording_id, row.path, row.offset, row.length) for row in self.conn.execute(query)]
        wanted = sorted(self.plain().values(), key=lambda one: (one[1], one[2], one[3]))
        assert found == wanted
        size = self.conn.execute(streams.select()).one().recorded_bytes
        self.conn.rollback()
        assert size == sum(row[-1] for row in wanted)

    def plain(self) -> dict[float, tuple[float, str, str, int, int]]:
        """The segments of all whole lines, of which the later one of a moment and no removed one counts."""
        rows: dict[float, tuple[float, str, str, int, int]] = {}
        for log in self.logs:
            for line in log.lines:
                if isinstance(line, SegmentWritten):
                    rows[line.start] = (line.start, log.id, line.path, line.offset, line.length)
                elif isinstance(line, FilesRemoved):
                    rows = {start: row for start, row in rows.items() if row[2] not in line.paths}
        return rows


def test_rows_are_those_of_a_plain_reading_of_the_logs() -> None:
    run(ProjectionMachine)


@pytest.mark.long
def test_rows_are_those_of_a_plain_reading_of_the_logs_for_long() -> None:
    run(ProjectionMachine, LONG)


def test_the_rows_of_a_recording_are_removed_and_entered_again() -> None:
    conn = memory()
    add_stream(conn, STREAM)
    recordings.insert(conn, recording_id="rec", stream_id=STREAM, started_at=0.0, init=b"", codecs="", media_start=0.0)
    place = {"recording_id": "rec", "path": "rec/0.m4s", "offset": 0}
    recordings.add_segment(conn, STREAM, start=0.0, duration=1.0, length=7, **place)
    recordings.add_segment(conn, STREAM, start=0.0, duration=1.0, length=5, **place)
    assert conn.execute(streams.select()).one().recorded_bytes == 5
    recording_logs.start_over(conn, STREAM, "rec")
    assert conn.execute(streams.select()).one().recorded_bytes == 0
    close(conn)
