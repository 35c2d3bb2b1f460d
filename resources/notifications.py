"""Notifications to subscribers about changed URIs, with a limited rate per URI."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable

import anyio

from resources.uris import touched_by
from rtstream.models import Message

INTERVAL_S = 0.25

LIST_CHANGED = ""
"""Stands for the list of resources among the URIs to publish."""


class Updates:
    """Collects changed URIs and publishes the first change at once, later ones at most every ``interval_s``.

    ``publish`` takes a URI, or ``LIST_CHANGED``. Memory is bounded by the number of URIs rather than messages.
    """

    def __init__(self, publish: Callable[[str], Awaitable[None]], interval_s: float = INTERVAL_S) -> None:
        self._publish = publish
        self._interval_s = interval_s
        self._pending: dict[str, None] = {}
        self._published: dict[str, float] = {}
        self._changed = anyio.Event()

    def message(self, message: Message) -> None:
        """Record the URIs that a message changes."""
        if message.channel == "catalogue":
            self.touch([LIST_CHANGED])
        self.touch(touched_by(message))

    def touch(self, uris: Iterable[str]) -> None:
        """Record changed URIs. Does not block."""
        for uri in uris:
            self._pending[uri] = None
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            while self._pending:
                now = time.monotonic()
                self._published = {u: at for u, at in self._published.items() if now - at < self._interval_s}
                due = [uri for uri in self._pending if uri not in self._published]
                for uri in due:
                    del self._pending[uri]
                    self._published[uri] = now
                    await self._publish(uri)
                if not due:
                    oldest = min(self._published[uri] for uri in self._pending)
                    with anyio.move_on_after(oldest + self._interval_s - now):
                        await self._changed.wait()  # other URIs are published without waiting for these
                    self._changed = anyio.Event()
