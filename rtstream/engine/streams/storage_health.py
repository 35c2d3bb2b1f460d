"""Health of the storage: shows on every stream, and on the engine, that the database or the disk fails."""

from __future__ import annotations

import logging

import anyio
from anyio.abc import TaskGroup

from rtstream.engine.streams.health import NEXT_STEPS, HealthLog
from rtstream.models import HealthCode
from rtstream.store.database import Database
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)


class StorageHealth:
    """Follows the state of the database and of the recorded files.

    Args:
        tasks: Task group in which changes are published.
        db: The database. Its ``on_change`` is set.
        queue: Queue that is woken when the database fails.
        health: Health log that shows the problems.
    """

    def __init__(self, tasks: TaskGroup, db: Database, queue: WriteQueue, health: HealthLog) -> None:
        self._db = db
        self._queue = queue
        self._health = health
        self._turn = anyio.Lock()
        self._tasks = tasks
        db.on_change = self._database_changed

    def _database_changed(self) -> None:
        self._tasks.start_soon(self._database)

    async def _database(self) -> None:
        self._queue.wake()
        async with self._turn:
            failure = self._db.failure
            if failure is not None and not failure.disk_full:
                await self._health.set_problem(HealthCode.DATABASE_UNAVAILABLE, failure.problem, failure.next_step)
            else:
                await self._health.clear_problem(HealthCode.DATABASE_UNAVAILABLE)

    async def files_failed(self, reason: str) -> None:
        """Show that recorded files cannot be read or written, or, with an empty reason, that they can again."""
        async with self._turn:
            if reason:
                await self._health.set_problem(HealthCode.DISK_ERROR, reason, NEXT_STEPS[HealthCode.DISK_ERROR])
            else:
                await self._health.clear_problem(HealthCode.DISK_ERROR)
