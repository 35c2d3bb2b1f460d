"""Waiting for state that sends no event: the only place in the tests that polls.

Wait for the event itself wherever there is one: the journal, a feed, an ``anyio.Event``. ``eventually`` is for state
that can only be read, such as another process's file or an HTTP resource that a client polls.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

import anyio

LIMIT_S = 45.0
EVERY_S = 0.02

T = TypeVar("T")


@overload
async def eventually(
    read: Callable[[], Awaitable[T]],
    wanted: Callable[[T], object] = bool,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
    what: str = "",
) -> T: ...


@overload
async def eventually(
    read: Callable[[], T],
    wanted: Callable[[T], object] = bool,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
    what: str = "",
) -> T: ...


async def eventually(
    read: Callable[[], Any],
    wanted: Callable[[Any], object] = bool,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
    what: str = "",
) -> Any:
    """Read until the value is wanted.

    Args:
        read: A function that returns the value. It may be async.
        wanted: A function that returns true for a value that ends the wait. By default, any true value does.
        limit_s: Seconds until the test fails.
        every_s: Seconds between two reads.
        what: The awaited event, for the message of the failure.

    Returns:
        The first wanted value.

    Raises:
        AssertionError: The deadline passed. The message contains the last value.
    """
    deadline = time.monotonic() + limit_s
    while True:
        value = read()
        if inspect.isawaitable(value):
            value = await value
        if wanted(value):
            return value
        assert time.monotonic() < deadline, _late(value, limit_s, what)
        await anyio.sleep(every_s)


def eventually_sync(
    read: Callable[[], T],
    wanted: Callable[[T], object] = bool,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
    what: str = "",
) -> T:
    """Do the same as ``eventually`` in a test without an event loop."""
    deadline = time.monotonic() + limit_s
    while not wanted(value := read()):
        assert time.monotonic() < deadline, _late(value, limit_s, what)
        time.sleep(every_s)
    return value


def _late(value: object, limit_s: float, what: str) -> str:
    return f"after {limit_s:g} s still {value!r}" + (f", waiting for {what}" if what else "")
