"""Runs functions that read media in separate processes, so that a crash or hang affects only one call."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from rtstream.errors import NotFound, Unavailable
from rtstream.forkserver import context, end_with_parent

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIMEOUT_S = 20.0
"""Longest duration of a call, in seconds."""
TURN_S = 30.0
"""Longest wait for a free process, in seconds."""


class Extractor:
    """A pool of media processes, which are started on demand. Each runs one call at a time.

    Args:
        processes: Maximum number of processes.
        waiting: Maximum number of calls that wait for a process.
    """

    def __init__(self, processes: int, waiting: int) -> None:
        self._turn = anyio.Semaphore(processes)
        self._waiting = waiting
        self._idle: list[ProcessPoolExecutor] = []
        self._closed = False
        self.is_warm = False
        """Whether the process of the last call is ready for another one, without the time that a start takes."""

    async def run(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run ``fn(*args)``, which travel between processes.

        Raises:
            NotFound: ``fn`` raised a ValueError, which is the cause.
            Unavailable: The process crashed twice or hung, or too many calls are waiting.
        """
        if self._turn.statistics().tasks_waiting >= self._waiting:
            raise Unavailable(
                "Too many pictures and downloads have been requested at once. Try again in a few seconds."
            )
        with anyio.move_on_after(TURN_S) as waited:
            await self._turn.acquire()
        if waited.cancelled_caught:
            raise Unavailable("The engine is busy with other pictures and downloads. Try again in a few seconds.")
        try:
            return await self._run(fn, args)
        finally:
            self._turn.release()

    async def _run(self, fn: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        for attempt in (1, 2):
            worker = self._idle.pop() if self._idle else _start()
            unharmed = False
            try:
                with anyio.fail_after(TIMEOUT_S):
                    # In a thread, because the first call waits until the fork server has imported its modules.
                    submitted = await anyio.to_thread.run_sync(_submit, worker, partial(fn, *args))
                    found = await asyncio.wrap_future(submitted)
                unharmed = True
                return found
            except BrokenProcessPool:
                log.warning("a media process ended unexpectedly (attempt %d)", attempt)
            except TimeoutError:
                log.warning("a media process hung and was killed")
                break  # a retry would most likely hang as well
            except ValueError as exc:
                unharmed = True
                raise NotFound(f"The picture at that time cannot be decoded: {exc}") from exc
            finally:
                # A cancelled call may still be running in the process, which therefore cannot take the next call.
                self.is_warm = unharmed
                if unharmed and not self._closed:
                    self._idle.append(worker)
                else:
                    _end(worker)
        raise Unavailable("The picture at that time cannot be decoded. Try a time nearby.")

    async def aclose(self) -> None:
        """End the processes."""
        self._closed = True
        while self._idle:
            _end(self._idle.pop())


def _start() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=context(), initializer=_prepare)


def _submit(worker: ProcessPoolExecutor, call: Callable[[], T]) -> Future[T]:
    return worker.submit(call)


def _end(worker: ProcessPoolExecutor) -> None:
    for process in list((worker._processes or {}).values()):  # there is no public way to kill a hung process
        process.kill()
    worker.shutdown(wait=False, cancel_futures=True)


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()  # the process has both ends of the pool's queue, and would wait without end
