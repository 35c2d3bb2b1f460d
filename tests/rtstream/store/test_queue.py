"""Results that wait for the database are written once, in order, and never without a bound."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, text

from rtstream.store.database import Database
from rtstream.store.queue import WriteQueue
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr("rtstream.store.database.BUSY_S", 0.2)
    opened = Database.below(tmp_path)
    yield opened
    await opened.aclose()


def add(conn: Connection, name: str) -> None:
    values = {"name": name}
    conn.execute(text("INSERT INTO kept (key, value) VALUES (:name, '1')"), values)


def insert(name: str, conn: Connection) -> None:
    add(conn, name)


def names(conn: Connection) -> list[str]:
    return [key for key in conn.execute(text("SELECT key FROM kept ORDER BY rowid")).scalars() if key != "write_probe"]


async def test_results_are_written_in_order_after_a_lock_is_released(db: Database, tmp_path: Path) -> None:
    queue = WriteQueue(db)
    announced: list[str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        with closing(sqlite3.connect(tmp_path / "rtstream.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(50):
                name = f"{number:02d}"
                assert await queue.write_then(partial(insert, name), partial(announced.append, name))
            assert db.failure is not None
            assert queue.waiting == 50
            assert announced == []
            other.execute("ROLLBACK")
        await queue.drain(10)
        tasks.cancel_scope.cancel()
    assert await db.read(names) == announced == [f"{number:02d}" for number in range(50)]
    assert db.failure is None


async def test_a_result_is_in_the_database_when_write_returns_and_the_database_works(db: Database) -> None:
    queue = WriteQueue(db)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        for name in "abc":
            await queue.write(add, name)
            assert name in await db.read(names)
        tasks.cancel_scope.cancel()


async def test_a_write_that_fails_by_its_own_fault_does_not_hold_up_the_others(db: Database) -> None:
    queue = WriteQueue(db)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        for name in ("a", "a", "b"):  # the second violates the primary key
            assert await queue.write(add, name)
        tasks.cancel_scope.cancel()
    assert await db.read(names) == ["a", "b"]


@pytest.mark.parametrize(("max_waiting", "max_bytes"), [(3, 10**9), (10**9, 300)])
async def test_results_that_do_not_fit_are_refused_and_counted(db: Database, max_waiting: int, max_bytes: int) -> None:
    queue = WriteQueue(db, max_waiting, max_bytes)
    accepted = [queue.put(partial(insert, name), size=100) for name in "abcde"]
    assert accepted == [True] * 3 + [False] * 2
    assert queue.refused == 2
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        await queue.drain(10)
        assert queue.put(partial(insert, "f"), size=100)  # there is room again
        await queue.drain(10)
        tasks.cancel_scope.cancel()
    assert await db.read(names) == ["a", "b", "c", "f"]


async def test_the_end_of_a_failure_is_noticed_without_any_result_to_write(db: Database, tmp_path: Path) -> None:
    queue = WriteQueue(db)
    changes: list[bool] = []

    def changed() -> None:
        changes.append(db.failure is None)
        queue.wake()

    db.on_change = changed
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        with closing(sqlite3.connect(tmp_path / "rtstream.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            queue.put(partial(insert, "a"))
            await eventually(lambda: changes, what="the failure")
            other.execute("ROLLBACK")
        await eventually(lambda: changes, lambda seen: seen[-1], what="the end of the failure")
        tasks.cancel_scope.cancel()
    assert changes == [False, True]
