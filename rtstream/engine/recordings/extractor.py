"""Runs functions that read media in processes of their own, so that a crash or a hang costs one call only."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar, TypeVarTuple

import anyio

from rtstream.errors import NotFound, Unavailable
from rtstream.forkserver import context

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIMEOUT_S = 20.0
"""Longest time one call may take."""
TURN_S = 30.0
"""Longest wait for a process."""


class Extractor:
    """A few media processes, started when they are needed. Each runs one call at a time.

    Args:
        processes: The most processes at once.
        waiting: The most calls that wait for a process.
    """

    def __init__(self, processes: int, waiting: int) -> None:
        self._turn = anyio.Semaphore(processes)
        self._waiting = waiting
        self._idle: list[ProcessPoolExecutor] = []
        self._closed = False

    async def run(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run ``fn(*args)``, which travel between processes.

        Raises:
            NotFound: ``fn`` raised a ValueError, which is the cause.
            Unavailable: It crashed twice or hung, or too many other calls wait.
        """
        if self._turn.statistics().tasks_waiting >= self._waiting:
            raise Unavailable("Too many pictures and downloads are asked for at once. Try again in a few seconds.")
        with anyio.move_on_after(TURN_S) as waited:
            await self._turn.acquire()
        if waited.cancelled_caught:
            raise Unavailable("Pictures and downloads take too long at the moment. Try again in a few seconds.")
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
                    found = await asyncio.wrap_future(worker.submit(fn, *args))
                unharmed = True
                return found
            except BrokenProcessPool:
                log.warning("a media process ended unexpectedly (attempt %d)", attempt)
            except TimeoutError:
                log.warning("a media process hung and was ended")
                break  # it would most likely hang again
            except ValueError as exc:
                unharmed = True
                raise NotFound(f"That moment cannot be shown: {exc}") from exc
            finally:
                # A call that was cancelled may still be running: its process is of no use to the next one.
                if unharmed and not self._closed:
                    self._idle.append(worker)
                else:
                    _end(worker)
        raise Unavailable("That moment cannot be decoded. Try another one nearby.")

    async def aclose(self) -> None:
        """End the processes."""
        self._closed = True
        while self._idle:
            _end(self._idle.pop())


def _start() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=context(), initializer=_ignore_interrupt)


def _end(worker: ProcessPoolExecutor) -> None:
    for process in list((worker._processes or {}).values()):  # no public way to end a hung one
        process.kill()
    worker.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
