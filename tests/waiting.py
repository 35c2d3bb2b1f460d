"""Waiting for state that sends no event: the only place in the tests that polls.

Wait for the event itself wherever there is one: the journal, a feed, an ``anyio.Event``. ``eventually`` is for state
that can only be read, such as another process's file or an HTTP resource that a client polls.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

LIMIT_S = 20.0
EVERY_S = 0.02

T = TypeVar("T")


async def eventually(
    read: Callable[[], Awaitable[T] | T],
    wanted: Callable[[T], object] = bool,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
) -> T:
    """Read until the value is wanted.

    Args:
        read: returns the value; may be async.
        wanted: true for a value that ends the wait (by default: any true value).
        limit_s: seconds until the test fails.
        every_s: seconds between two reads.

    Returns:
        The first wanted value.

    Raises:
        AssertionError: at the deadline, with the last value read.
    """
    deadline = time.monotonic() + limit_s
    while True:
        found = read()
        value: T = await found if inspect.isawaitable(found) else found
        if wanted(value):
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {limit_s:g} s"
        await anyio.sleep(every_s)


def eventually_sync(
    read: Callable[[], T],
    wanted: Callable[[T], object] = bool,
    *,
    limit_s: float = LIMIT_S,
    every_s: float = EVERY_S,
) -> T:
    """Do the same as ``eventually`` in a test without an event loop."""
    deadline = time.monotonic() + limit_s
    while not wanted(value := read()):
        assert time.monotonic() < deadline, f"still {value!r} after {limit_s:g} s"
        time.sleep(every_s)
    return value
