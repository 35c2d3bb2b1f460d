"""Watches the database and the disk, and reports their failures in the health of the engine and every stream."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from rtstream.concurrency import every
from rtstream.engine.streams.health import NEXT_STEPS, HealthLog
from rtstream.models import HealthCode
from rtstream.storage import DiskReserve, Storage
from rtstream.store.database import Database
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)

DISK_EVERY_S = 5.0
RESPONSE_S = 10.0
"""Seconds within which a storage responds. A network mount may block without end."""


class _Probe:
    """Asks a storage for its free bytes, with at most one question open, because each may occupy a thread."""

    def __init__(self, tasks: TaskGroup, storage: Storage) -> None:
        self._tasks, self._storage = tasks, storage
        self._answered: anyio.Event | None = None
        self._free: int | OSError = 0
        self.hangs = False
        """Whether the last question is still open."""

    async def free(self) -> int:
        """Return the free bytes. Raises OSError, and TimeoutError if the storage does not respond."""
        if self._answered is None or self._answered.is_set():
            self._answered = anyio.Event()
            self._tasks.start_soon(self._ask, self._answered)
        with anyio.move_on_after(RESPONSE_S):
            await self._answered.wait()
        self.hangs = not self._answered.is_set()
        if self.hangs:
            raise TimeoutError
        if isinstance(self._free, OSError):
            raise self._free
        return self._free

    async def _ask(self, answered: anyio.Event) -> None:
        try:
            self._free = await self._storage.free()
        except OSError as exc:
            self._free = exc
        finally:
            answered.set()


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
        self._look: Callable[[], Awaitable[None]] | None = None
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
        if failure is not None and failure.disk_full and self._look is not None:
            await self._look()

    def watch_disk(
        self,
        media: Storage,
        exported: Storage,
        reserve: DiskReserve,
        min_free: int,
        make_room: Callable[[], Awaitable[None]],
    ) -> None:
        """Start checking the disk and the storages every few seconds.

        Args:
            media: Storage of the recordings.
            exported: Storage of the exported videos.
            reserve: Space that is released while the disk is full.
            min_free: Free bytes below which recording pauses.
            make_room: Removes recordings as far as retention allows.
        """
        turn = anyio.Lock()
        recordings, videos = _Probe(self._tasks, media), _Probe(self._tasks, exported)

        async def look() -> None:
            async with turn:
                await self._disk(recordings, reserve, min_free, make_room)
                await self._storages(recordings, videos)

        self._look = look
        self._tasks.start_soon(every, DISK_EVERY_S, look, "checking the disk failed")

    async def _storages(self, recordings: _Probe, videos: _Probe) -> None:
        """Show a storage that does not respond, and one of exported videos that cannot be read."""
        found = []
        if recordings.hangs:
            found.append(f"The storage of the recordings has not responded for {RESPONSE_S:g} s.")
        try:
            await videos.free()
        except TimeoutError:
            found.append(f"The storage of exported videos has not responded for {RESPONSE_S:g} s.")
        except OSError as exc:
            found.append(f"The storage of exported videos cannot be read: {exc.strerror}.")
        async with self._turn:
            if found:
                code = HealthCode.STORAGE_UNAVAILABLE
                await self._health.set_problem(code, " ".join(found), NEXT_STEPS[code])
            else:
                await self._health.clear_problem(HealthCode.STORAGE_UNAVAILABLE)

    async def _disk(
        self, media: _Probe, reserve: DiskReserve, min_free: int, make_room: Callable[[], Awaitable[None]]
    ) -> None:
        await self._db.examine()
        try:
            free = await media.free()
        except TimeoutError:  # first, because it is an OSError
            return
        except OSError as exc:
            await self.files_failed(f"The disk of the data folder cannot be read: {exc.strerror}.")
            return
        failure = self._db.failure
        refused = failure is not None and failure.disk_full
        if not refused and free >= max(min_free, reserve.size // 4 if reserve.held else reserve.size * 2):
            await self._health.clear_problem(HealthCode.DISK_FULL)
            await anyio.to_thread.run_sync(reserve.fill)
            return
        if refused or free < reserve.size // 4:
            if await anyio.to_thread.run_sync(reserve.release):
                log.warning("the disk is full, released %d MB of reserved space", reserve.size >> 20)
            self._queue.wake()
        paused = " Recording is paused." if free < min_free or refused else ""
        text = f"The disk of the data folder is full: {free / 1e6:.0f} MB are free.{paused}"
        if not any(problem.code is HealthCode.DISK_FULL for problem in self._health.problems):
            await self._health.set_problem(HealthCode.DISK_FULL, text, NEXT_STEPS[HealthCode.DISK_FULL])
        try:
            await make_room()
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    async def files_failed(self, reason: str) -> None:
        """Report that recorded files cannot be read or written. An empty reason means that they can again."""
        async with self._turn:
            if reason:
                await self._health.set_problem(HealthCode.DISK_ERROR, reason, NEXT_STEPS[HealthCode.DISK_ERROR])
            else:
                await self._health.clear_problem(HealthCode.DISK_ERROR)
