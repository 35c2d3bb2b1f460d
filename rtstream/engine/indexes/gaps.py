"""Stores the gaps of indexes as they begin and end, in the order of the scenes around them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import anyio
from sqlalchemy import Connection

from rtstream.errors import DatabaseUnavailable
from rtstream.rules.gaps import JOIN_S, gap_start
from rtstream.rules.sample_grid import grid_cell
from rtstream.states import GapReason
from rtstream.store import gaps as rows
from rtstream.store.database import Database
from rtstream.store.gaps import DroppedWindows
from rtstream.store.indexes import IndexRow
from rtstream.store.queue import WriteQueue

_Key: TypeAlias = tuple[str, GapReason, int]


RETRY_S = 2.0
INSTANT_S = 0.001
"""Length of a window of speech, which begins anywhere, for the calculation of its gap."""


class GapLog:
    """Writes gaps through the queue of results. ``changed`` is set whenever there may be more to analyse."""

    def __init__(self, queue: WriteQueue) -> None:
        self._queue = queue
        self._dropped: dict[_Key, DroppedWindows] = {}  # not written yet
        self._writing: set[_Key] = set()
        self._newest: dict[str, float] = {}  # start of the last window that was dropped, by index
        self._steps = 0  # of the clock, backwards
        self.changed = anyio.Event()

    @property
    def writing(self) -> bool:
        """Whether results are not written yet, so that stored scenes are not complete."""
        return self._queue.waiting > 0

    async def begin(self, row: IndexRow) -> None:
        """Begin a gap after the last window of an index that was running when its engine ended."""
        length = float(row.extraction_config.get("time", INSTANT_S))
        now = time.time()

        def write(conn: Connection) -> None:
            start = gap_start(length, row.created_at, row.looked_from, rows.looked_until(conn, row.id))
            rows.begin(conn, row.stream_id, row.id, "", start, GapReason.ENGINE_ENDED, now)

        await self._queue.write_then(write, self.wake)

    async def begin_at(self, row: IndexRow, start: float) -> None:
        """Begin a gap for the pictures or the speech that were recorded before a new index was started."""
        length, now = float(row.extraction_config.get("time", INSTANT_S)), time.time()
        start = grid_cell(start, length) * length

        def write(conn: Connection) -> None:
            rows.begin(conn, row.stream_id, row.id, "", start, GapReason.CONNECTING, now)

        await self._queue.write_then(write, self.wake)

    def end(self, stream_id: str, index_id: str, at: float) -> None:
        """End the open gap of an index. Its live windows begin at the Unix time ``at``."""
        self._queue.put(lambda conn: rows.finish_open(conn, stream_id, index_id, "", at), self.wake)

    def add_hole(self, stream_id: str, index_id: str, start: float, end: float) -> None:
        """Add a gap for pictures of [start, end) that did not arrive."""
        self._queue.put(lambda conn: rows.add_hole(conn, stream_id, index_id, "", start, end), self.wake)

    def add_missed_speech(self, stream_id: str, index_id: str, start: float, end: float) -> None:
        """Add a gap for speech of [start, end) that is transcribed later, or extend the one that ends there.

        Speech that is missed in several parts is thus summarised in whole batches.
        """
        self._queue.put(lambda conn: rows.add_missed_speech(conn, stream_id, index_id, start, end), self.wake)

    def drop(self, stream_id: str, index_id: str, start: float, end: float, reason: GapReason) -> None:
        """Add a window that was not looked at live to a gap.

        Windows that wait for the database become one write, so they need little room.
        """
        dropped = DroppedWindows(stream_id, index_id, start, end, 1, reason)
        if start < self._newest.get(index_id, start) - JOIN_S:
            self._steps += 1  # windows from before and after a step of the clock are not one range
        self._newest[index_id] = start
        key = index_id, reason, self._steps
        before = self._dropped.get(key)
        if before is not None:
            start, end = min(before.start, start), max(before.end, end)
            dropped = replace(before, start=start, end=end, count=before.count + 1)
        self._dropped[key] = dropped
        self.flush()

    def flush(self) -> None:
        """Write dropped windows for which the queue had no room."""
        for key in self._dropped.keys() - self._writing:
            if self._write(key):
                self._writing.add(key)

    def _write(self, key: _Key) -> bool:
        taken = self._dropped[key]

        def write(conn: Connection) -> None:
            nonlocal taken
            taken = self._dropped[key]
            rows.extend(conn, taken, time.time())

        def written() -> None:
            left = replace(self._dropped[key], count=self._dropped[key].count - taken.count)
            if left.count:
                self._dropped[key] = left
            else:
                del self._dropped[key]
            self._writing.discard(key)
            self.flush()
            self.wake()

        return self._queue.put(write, written)

    def wake(self) -> None:
        """Announce that there may be more to analyse."""
        self.changed.set()


async def persist(db: Database, write: Callable[[Connection], None]) -> None:
    """Write a result of a gap, however long the database is unavailable. The gap is not continued meanwhile."""
    while True:
        try:
            await db.write(write)
            return
        except DatabaseUnavailable:
            await anyio.sleep(RETRY_S)
