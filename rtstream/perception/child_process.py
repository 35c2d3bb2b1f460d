"""Runs heavy work in one child process, which is started on first use and replaced if it crashes or hangs.

The child ends with its parent. It keeps image and speech libraries out of the engine's event loop and memory, so that a
crash in one of them costs a single result.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from rtstream.logs import log_to_stderr
from rtstream.perception.protocols import ProviderError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = logging.getLogger(__name__)


class ChildProcess:
    """Runs picklable module-level functions in a child process, one at a time and in order.

    Args:
        name: Name of the service, for messages to users.
        initialise: Runs once in each new child, with ``args``.
        args: Arguments of ``initialise``.
    """

    def __init__(self, name: str, initialise: Callable[..., object], args: tuple[object, ...] = ()) -> None:
        self._name = name
        self._initialise = initialise
        self._args = args
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._turn = anyio.Lock()
        self._waiting = 0
        self._closed = False

    async def run(self, function: Callable[[*Ts], T], *args: *Ts, timeout_s: float, max_waiting: int = 64) -> T:
        """Run a function in the child and return its result.

        Exceptions of the function pass through. If the caller is cancelled, work that has begun finishes in the
        background and its result is discarded.

        Args:
            function: A picklable module-level function.
            *args: Arguments of the function.
            timeout_s: Time limit for the work itself, in seconds.
            max_waiting: Maximum number of callers that wait for their turn.

        Raises:
            ProviderError: The child crashed, hung or is overloaded.
        """
        if self._waiting >= max_waiting:
            raise ProviderError(f"{self._name} is overloaded, so this window was skipped.", retry_after_s=5.0)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            if self._closed:
                raise ProviderError(f"{self._name} has been stopped.")
            with anyio.fail_after(timeout_s):
                return await self._submit(function, args)
        except BrokenProcessPool:
            await self._end()
            raise ProviderError(f"{self._name} crashed and is being restarted.", retry_after_s=1.0) from None
        except TimeoutError:
            log.warning("%s did not respond within %s s and is being restarted", self._name, timeout_s)
            await self._end()
            raise ProviderError(f"{self._name} did not respond within {timeout_s:g} s.", retry_after_s=1.0) from None
        finally:
            self._turn.release()

    async def discard(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Run a function that releases something, if there is a child.

        The result is not awaited, and failures are ignored.
        """
        if self._pool is not None and self._pid:
            with suppress(RuntimeError):  # already released, because the pool has just crashed or been closed
                self._pool.submit(function, *args)

    async def aclose(self) -> None:
        """Kill the child, even if it is busy."""
        self._closed = True
        await self._end()

    async def _submit(self, function: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        pool = self._pool or await self._start()
        return await self._result(pool, function, *args)

    async def _start(self) -> ProcessPoolExecutor:
        # Not fork, because the engine has threads, and the child must not inherit its sockets and memory.
        self._pool = pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)
        try:
            self._pid = await self._result(pool, os.getpid)
            await self._result(pool, self._initialise, *self._args)
        except BaseException:  # includes cancellation, because a half-started child is useless
            await self._end()
            raise
        return pool

    async def _result(self, pool: ProcessPoolExecutor, function: Callable[[*Ts], T], *args: *Ts) -> T:
        try:
            future = pool.submit(function, *args)
        except BrokenProcessPool:
            raise
        except RuntimeError:  # closed while the child was starting
            raise ProviderError(f"{self._name} has been stopped.") from None
        return await wrap_future(future)

    async def _end(self) -> None:
        pool, self._pool = self._pool, None
        pid, self._pid = self._pid, 0
        if pool is None:
            return
        with anyio.CancelScope(shield=True):
            if pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            await to_thread.run_sync(partial(pool.shutdown, cancel_futures=True))


def _begin() -> None:
    # Ctrl-C reaches the whole process group, but the engine decides when this child ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_stderr("WARNING")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
