"""Retention against a plain simulation: the oldest footage goes, evidence and exports stay, and no more than needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from rtstream.config import EngineConfig
from rtstream.engine.recordings import retention
from rtstream.engine.recordings.retention import Retention
from rtstream.states import PinKind
from rtstream.store import recordings, streams
from rtstream.store.tables import segments
from rtstream.store.tables import streams as stream_table
from tests.machines import LONG, add_stream, close, memory, run

STREAMS = ["rts-1", "rts-2"]
FILE_S = 60.0
MB = 1_000_000


@dataclass
class Minute:
    """A recorded file as the model knows it."""

    stream_id: str
    path: str
    start: float
    size: int

    def holds(self, pin: tuple[str, float, float]) -> bool:
        return pin[0] == self.stream_id and pin[1] < self.start + FILE_S and pin[2] > self.start


class RetentionMachine(RuleBasedStateMachine):
    """Streams that record, with limits of age and size, evidence of alerts and running exports."""

    def __init__(self) -> None:
        super().__init__()
        self.conn = memory()
        self.began = float(int(time.time())) - 7200
        self.files: list[Minute] = []
        self.next_at = dict.fromkeys(STREAMS, self.began)
        self.numbers = dict.fromkeys(STREAMS, 0)
        self.pins: list[tuple[str, float, float]] = []
        self.limits: dict[str, dict[str, float]] = {stream_id: {} for stream_id in STREAMS}
        self.total_gb: float | None = None
        for stream_id in STREAMS:
            add_stream(self.conn, stream_id)
            values = {"stream_id": stream_id, "started_at": self.began, "init": b"", "codecs": "", "media_start": 0.0}
            recordings.insert(self.conn, recording_id=f"rec-{stream_id}", **values)
        self.conn.commit()

    def teardown(self) -> None:
        close(self.conn)

    @rule(stream_id=st.sampled_from(STREAMS), size=st.integers(1, 50), pause_s=st.sampled_from([0.0, 0.0, 300.0]))
    def record(self, stream_id: str, size: int, pause_s: float) -> None:
        at = self.next_at[stream_id] + pause_s
        path = f"rec/{stream_id}-{self.numbers[stream_id]:06}.m4s"
        for part in range(2):
            place = {"path": path, "offset": part * size * MB, "length": size * MB, "recording_id": f"rec-{stream_id}"}
            recordings.add_segment(self.conn, stream_id, start=at + part * FILE_S / 2, duration=FILE_S / 2, **place)
        self.conn.commit()
        self.files.append(Minute(stream_id, path, at, 2 * size * MB))
        self.next_at[stream_id] = at + FILE_S
        self.numbers[stream_id] += 1

    @rule(stream_id=st.sampled_from(STREAMS), minute=st.integers(0, 20), export=st.booleans())
    def pin(self, stream_id: str, minute: int, export: bool) -> None:
        start = self.began + minute * FILE_S + 10
        kind = PinKind.EXPORT if export else PinKind.ALERT
        recordings.pin(self.conn, stream_id, start, start + 70, kind, f"owner-{len(self.pins)}")
        self.conn.commit()
        self.pins.append((stream_id, start, start + 70))

    @rule(
        stream_id=st.sampled_from(STREAMS),
        age_s=st.sampled_from([None, 600, 3600, 7000]),
        most=st.sampled_from([None, 0, 100 * MB, 300 * MB]),
    )
    def limit(self, stream_id: str, age_s: int | None, most: int | None) -> None:
        values = {"max_age_s": age_s, "max_bytes": most}
        self.limits[stream_id] = {name: value for name, value in values.items() if value}
        streams.update_stream(self.conn, stream_id, retention=self.limits[stream_id])
        self.conn.commit()

    @rule(gb=st.sampled_from([None, 0.1, 0.5]))
    def limit_all(self, gb: float | None) -> None:
        self.total_gb = gb

    @rule()
    def remove_what_exceeds_the_limits(self) -> None:
        machine = self

        class Rows:
            """The database and the projection, as far as retention uses them."""

            async def read(self, fn: Callable[..., Any], *args: Any) -> Any:
                return fn(machine.conn, *args)

            async def remove(self, stream_id: str, paths: list[str]) -> None:
                recordings.remove_segments(machine.conn, stream_id, paths)
                machine.conn.commit()

        rows = cast("Any", Rows())
        now = time.time()
        asyncio.run(Retention(EngineConfig(retain_gb=self.total_gb), rows, rows)._all_rounds())
        self.simulate(now)

    def simulate(self, now: float) -> None:
        """Remove files one at a time for as long as a limit is exceeded."""
        for stream_id, limits in self.limits.items():
            while (one := self.oldest(stream_id)) is not None:
                size = sum(file.size for file in self.files if file.stream_id == stream_id)
                old = "max_age_s" in limits and one.start + FILE_S < now - limits["max_age_s"]
                if not old and not ("max_bytes" in limits and size > limits["max_bytes"]):
                    break
                self.files.remove(one)
        while self.total_gb and sum(file.size for file in self.files) > self.total_gb * retention.GB:
            found = [one for stream_id in STREAMS if (one := self.oldest(stream_id)) is not None]
            if not found:
                break
            self.files.remove(min(found, key=lambda file: file.start))

    def oldest(self, stream_id: str) -> Minute | None:
        """The oldest file that may go. The last one is still being written."""
        own = sorted((file for file in self.files if file.stream_id == stream_id), key=lambda file: file.start)[:-1]
        return next((file for file in own if not any(file.holds(pin) for pin in self.pins)), None)

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        found = {(row.stream_id, row.path) for row in self.conn.execute(select(segments.c.stream_id, segments.c.path))}
        assert found == {(file.stream_id, file.path) for file in self.files}
        for row in self.conn.execute(select(stream_table.c.id, stream_table.c.recorded_bytes)):
            assert row.recorded_bytes == sum(file.size for file in self.files if file.stream_id == row.id)
        self.conn.rollback()


def test_retention_removes_what_a_plain_simulation_removes() -> None:
    run(RetentionMachine)


@pytest.mark.long
def test_retention_removes_what_a_plain_simulation_removes_for_long() -> None:
    run(RetentionMachine, LONG)
