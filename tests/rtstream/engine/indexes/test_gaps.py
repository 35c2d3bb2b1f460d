"""Windows that are not looked at live are written as gaps, in one write while the database is away."""

from __future__ import annotations

import time

import anyio
import pytest
from sqlalchemy import Connection

from rtstream.engine.indexes import GapLog
from rtstream.states import GapReason
from rtstream.store import gaps, indexes, streams
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow
from rtstream.store.queue import WriteQueue

pytestmark = pytest.mark.anyio


def add(conn: Connection) -> IndexRow:
    shared = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
    streams.insert(conn, id="rts-1", created_at=0.0, **common, **shared)
    values = {"extraction_type": "time", "extraction_config": {"time": 2}, "model_config": {}, "status": "running"}
    now = time.time()
    indexes.insert(conn, id="one", stream_id="rts-1", name="x", counters={}, created_at=now - 100, **values)
    return indexes.get(conn, "one")


async def test_dropped_windows_become_one_write_and_none_is_lost_when_the_queue_is_full(db: Database) -> None:
    await db.write(add)
    queue = WriteQueue(db, max_waiting=1)
    log = GapLog(queue)
    queue.put(lambda conn: None)
    for number in range(5):
        log.drop("rts-1", "one", 100.0 + 4 * number, 102.0 + 4 * number, GapReason.OVERLOADED)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        await queue.drain(10)
        log.flush()
        log.drop("rts-1", "one", 120.0, 122.0, GapReason.OVERLOADED)
        await queue.drain(10)
        tasks.cancel_scope.cancel()
    [gap] = await db.read(gaps.of_index, "one")
    assert (gap.start, gap.end, gap.dropped) == (100.0, 122.0, 6)


async def test_a_gap_lasts_from_the_newest_window_to_the_first_live_one(db: Database) -> None:
    row = await db.write(add)
    queue = WriteQueue(db)
    log = GapLog(queue)
    end = 0.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        await log.begin(row)
        assert log.changed.is_set()
        [gap] = await db.read(gaps.of_index, "one")
        assert gap.end is None
        assert 0 <= row.created_at - gap.start < 2
        end = gap.start + 50
        log.end("rts-1", "one", end)
        await queue.drain(10)
        tasks.cancel_scope.cancel()
    [gap] = await db.read(gaps.of_index, "one")
    assert gap.end == end
    assert not log.writing
