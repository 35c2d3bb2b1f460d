"""Small pieces of structured concurrency that several packages share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import anyio

from rtstream.errors import RTStreamError

E = TypeVar("E", bound=BaseException)

log = logging.getLogger(__name__)


class Broadcast:
    """Wakes every task that waits, each time something changes.

    Take ``next`` first, then check for changes, then wait for it. A change in between is then not missed.
    """

    def __init__(self) -> None:
        self._next = anyio.Event()

    @property
    def next(self) -> anyio.Event:
        """The event that the next call of ``notify`` sets."""
        return self._next

    def notify(self) -> None:
        """Wake the tasks that wait now."""
        due, self._next = self._next, anyio.Event()
        due.set()

    async def wait(self) -> None:
        """Wait for the next call of ``notify``."""
        await self._next.wait()


async def every(seconds: float, work: Callable[[], Awaitable[object]], failure: str) -> None:
    """Do ``work`` until cancelled, now and again ``seconds`` after each end of it.

    An exception is logged under the text ``failure`` and does not end the repetition.
    """
    while True:
        try:
            await work()
        except Exception as exc:  # noqa: BLE001 - logged
            log_failure(log, failure, exc)
        await anyio.sleep(seconds)


def log_failure(log: logging.Logger, text: str, exc: Exception) -> None:
    """Log an exception that does not end its loop: expected failures as one line, all others with a traceback."""
    if isinstance(exc, RTStreamError):
        log.warning("%s: %s", text, exc)
    else:
        log.error(text, exc_info=exc)


def first_error(group: BaseExceptionGroup[E]) -> E:
    """Return the first exception of a group. Nested task groups wrap it several times."""
    found = group.exceptions[0]
    return first_error(cast(BaseExceptionGroup[E], found)) if isinstance(found, BaseExceptionGroup) else found
