"""Limits on the requests of each link, so that its holders cannot slow down the owner."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from rtstream.errors import TooManyAttempts
from rtstream.rules.request_rate import RequestRate

AT_ONCE = 32
"""Concurrent requests per link, enough for a few people whose browsers open six connections each."""
BURST = 400.0
PER_S = 60.0
"""Points per link. A segment costs one, and a player that seeks briefly needs about 20 per second."""
DOWNLOAD = 80.0
"""Cost in points of a file that is assembled while it is downloaded."""
PICTURE = 20.0
"""Cost in points of a picture, which is decoded for each request."""
SLOWED_S = 1.0
"""Longest wait of a request before it is refused. A program that saves a playlist reads one segment after the other as
fast as it can, and most of them leave out a segment that is refused. So they are slowed down instead."""
REMEMBERED = 4000


class LinkBusy(TooManyAttempts):
    """A link has too many requests."""

    code = "LINK_BUSY"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("This link has too many requests at the moment. Try again in a few seconds.", retry_after_s)


@dataclass
class _Usage:
    rate: RequestRate = field(default_factory=lambda: RequestRate(BURST, PER_S))
    open: int = 0


class LinkLimits:
    """Counts the requests of links. A request counts until its response has been sent."""

    def __init__(self) -> None:
        self._links: OrderedDict[str, _Usage] = OrderedDict()

    async def spend(self, link_id: str, cost: float) -> None:
        """Count a request by its cost in points, after a short wait if need be. Raises LinkBusy."""
        refused_at = time.monotonic() + SLOWED_S
        while (wait_s := self._usage(link_id).rate.wait_s(cost, now := time.monotonic())) > 0:
            if now + wait_s > refused_at:
                raise LinkBusy(wait_s)
            await anyio.sleep(wait_s)

    @contextmanager
    def open(self, link_id: str) -> Iterator[None]:
        """Count a request while it is open. Raises LinkBusy."""
        usage = self._usage(link_id)
        if usage.open >= AT_ONCE:
            raise LinkBusy(1.0)
        usage.open += 1
        try:
            yield
        finally:
            usage.open -= 1

    def _usage(self, link_id: str) -> _Usage:
        usage = self._links.get(link_id)
        if usage is None:
            usage = self._links[link_id] = _Usage()
            for old in list(self._links)[: max(0, len(self._links) - REMEMBERED)]:
                if not self._links[old].open:
                    del self._links[old]
        else:
            self._links.move_to_end(link_id)
        return usage
