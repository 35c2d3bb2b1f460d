"""Queue of writes that must not be lost while the database is unavailable."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec

from sqlalchemy import Connection

from rtstream.errors import DatabaseUnavailable
from rtstream.rules.backoff import delay
from rtstream.store import values
from rtstream.store.database import Database

P = ParamSpec("P")

log = logging.getLogger(__name__)

MAX_WAITING = 50_000
MAX_BYTES = 128 << 20
RETRY_MAX_S = 2.0
PATIENCE_S = 1.0
"""Longest wait of a caller for its write. Later, the write is the task of the queue alone."""
PROBE = "write_probe"

Then = Callable[[], Awaitable[None] | None]


@dataclass
class _QueuedWrite:
    write: Callable[[Connection], object]
    then: Then | None
    size: int
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class WriteQueue:
    """Writes results to the database in the order in which they arrive.

    While the database is unavailable, results wait in memory and are written once it is back. The queue is bounded:
    results that do not fit are refused and counted.
    """

    def __init__(self, db: Database, max_waiting: int = MAX_WAITING, max_bytes: int = MAX_BYTES) -> None:
        self._db = db
        self._max_waiting, self._max_bytes = max_waiting, max_bytes
        self._waiting: deque[_QueuedWrite] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self._failing = False
        self.refused = 0
        """Number of results that did not fit since the engine started."""

    @property
    def waiting(self) -> int:
        """Number of results that are not written yet."""
        return len(self._waiting)

    async def write(self, fn: Callable[Concatenate[Connection, P], object], *args: P.args, **named: P.kwargs) -> bool:
        """Write ``fn(conn, *args)`` in one transaction; see ``write_then``."""
        return await self.write_then(lambda conn: fn(conn, *args, **named))

    async def write_then(
        self, write: Callable[[Connection], object], then: Then | None = None, size: int = 1000
    ) -> bool:
        """Queue a write, and wait for it as long as the database works and is not slow. See ``put``."""
        queued = self._put(write, then, size)
        if queued is None:
            return False
        if not self._failing:
            with suppress(TimeoutError):  # the database is slow
                await asyncio.wait_for(queued.settled.wait(), PATIENCE_S)
        return True

    def put(self, write: Callable[[Connection], object], then: Then | None = None, size: int = 1000) -> bool:
        """Queue a write without waiting for it.

        Args:
            write: Runs in one transaction, perhaps several times until one attempt is committed.
            then: Called in the event loop after the commit, before the next write. It must not wait for a write.
            size: Memory that the write uses while it waits, in bytes.

        Returns:
            Whether there was room for the write. It is then carried out sooner or later.
        """
        return self._put(write, then, size) is not None

    def _put(self, write: Callable[[Connection], object], then: Then | None, size: int) -> _QueuedWrite | None:
        if len(self._waiting) >= self._max_waiting or self._bytes + size > self._max_bytes:
            self.refused += 1
            if self.refused == 1:
                log.error("results are skipped, because too many wait for the database")
            return None
        queued = _QueuedWrite(write, then, size)
        self._waiting.append(queued)
        self._bytes += size
        self._emptied.clear()
        self._arrived.set()
        return queued

    async def run(self) -> None:
        """Carry out writes until cancelled. While the database is unavailable, try again with growing pauses."""
        attempt = 0
        while True:
            if not self._waiting and self._db.failure is None:
                await self._wait(None)
                continue
            try:
                if self._waiting:
                    await self._first()
                else:
                    await self._db.write(values.put, PROBE, 0)
                    await self._wait(RETRY_MAX_S)
            except DatabaseUnavailable:
                attempt += 1
                self._release()
                await asyncio.sleep(delay(attempt, RETRY_MAX_S, 0.5))
                continue
            if self._failing:
                log.warning("the database works again, with %d results still to be written", len(self._waiting))
            self._failing = False
            attempt = 0

    async def _wait(self, timeout_s: float | None) -> None:
        self._arrived.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), timeout_s)

    async def _first(self) -> None:
        """Carry out the oldest write. Raises DatabaseUnavailable; the write then stays in the queue."""
        queued = self._waiting[0]
        try:
            await self._db.write(queued.write)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("a result could not be written")  # a fault of the query, which a retry cannot solve
            queued.then = None
        self._waiting.popleft()
        self._bytes -= queued.size
        try:
            if queued.then is not None and (following := queued.then()) is not None:
                await following
        except Exception:
            log.exception("a written result could not be announced")
        finally:
            queued.settled.set()
            if not self._waiting:
                self._emptied.set()

    def wake(self) -> None:
        """Check the database again. Called when a read has failed."""
        self._arrived.set()

    def _release(self) -> None:
        """Let the callers continue, whose results wait in the queue."""
        self._failing = True
        for queued in self._waiting:
            queued.settled.set()

    async def drain(self, timeout_s: float) -> int:
        """Wait until everything queued is written, at most ``timeout_s``. Returns the number of results left."""
        if self._waiting:
            try:
                await asyncio.wait_for(self._emptied.wait(), timeout_s)
            except TimeoutError:
                log.error("%d results could not be written before the engine ended", len(self._waiting))
        return len(self._waiting)
