"""One child process for heavy work: started when first needed, replaced when it breaks or hangs, gone with its parent.

The engine's event loop and memory stay clean of picture and speech libraries; a crash in one of them costs one answer.
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
from typing import Any

import anyio
from anyio import to_thread

from rtstream.perception.protocols import ProviderError

log = logging.getLogger(__name__)


class ChildProcess:
    """Runs picklable module-level functions, one at a time, in the order asked.

    ``initialise(*args)`` runs once in each new child.
    """

    def __init__(self, what: str, initialise: Callable[..., None], args: tuple[Any, ...] = ()) -> None:
        self._what = what  # for messages
        self._initialise = initialise
        self._args = args
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0
        self._turn = anyio.Lock()
        self._waiting = 0
        self._closed = False

    async def run(self, function: Callable[..., Any], *args: Any, timeout_s: float, max_waiting: int = 64) -> Any:
        """The function's result. Raises ProviderError when the child broke, hung or has too much to do.

        Exceptions of the function pass through. ``timeout_s`` bounds the work itself, ``max_waiting`` the callers
        that wait for their turn. A cancelled caller leaves; work that has begun ends in its own time, unseen.
        """
        if self._waiting >= max_waiting:
            raise ProviderError(
                f"{self._what} has more to do than it can; this window was left out.", retry_after_s=5.0
            )
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            if self._closed:
                raise ProviderError(f"{self._what} was stopped.")
            with anyio.fail_after(timeout_s):
                return await self._submit(function, args)
        except BrokenProcessPool:
            await self._end()
            raise ProviderError(f"{self._what} broke down and starts anew.", retry_after_s=1.0) from None
        except TimeoutError:
            log.warning("%s did not answer in %s s; it is restarted", self._what, timeout_s)
            await self._end()
            raise ProviderError(f"{self._what} did not answer in {timeout_s:g} s.", retry_after_s=1.0) from None
        finally:
            self._turn.release()

    async def forget(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a function that frees something, if there is a child; nobody waits for it, and its failure is no news."""
        if self._pool is not None and self._pid:
            with suppress(RuntimeError):  # just broken or closed: freed already
                self._pool.submit(function, *args)

    async def aclose(self) -> None:
        """End the child, whatever it does."""
        self._closed = True
        await self._end()

    async def _submit(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        pool = self._pool or await self._start()
        return await wrap_future(pool.submit(function, *args))

    async def _start(self) -> ProcessPoolExecutor:
        # Not fork: the engine has threads, and the child must not inherit its sockets and memory.
        self._pool = pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)
        try:
            self._pid = await wrap_future(pool.submit(os.getpid))
            await wrap_future(pool.submit(self._initialise, *self._args))
        except BaseException:  # also when cancelled: a half-started child is of no use
            await self._end()
            raise
        return pool

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
    # Ctrl-C goes to the whole process group: the engine decides when this child ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
