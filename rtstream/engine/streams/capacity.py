"""The limit on the number of streams that run at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager

from rtstream.errors import Conflict


class Capacity:
    """Counts streams that run and streams that are about to, so that the limit holds however many start at once.

    ``running`` returns the ids of the streams that have a recorder. All calls come from the event loop.
    """

    def __init__(self, limit: int, running: Callable[[], Set[str]]) -> None:
        self._limit = limit
        self._running = running
        self._claims: Counter[str] = Counter()

    @contextmanager
    def claim(self, stream_id: str) -> Iterator[None]:
        """Reserve a place for a stream until the block ends, by which time its recorder has been started or not.

        Raises:
            Conflict: All places are taken by other streams.
        """
        others = (self._running() | self._claims.keys()) - {stream_id}
        if len(others) >= self._limit:
            raise Conflict(
                f"{self._limit} streams are running already, which is the limit (RTSTREAM_MAX_STREAMS). Stop one first."
            )
        self._claims[stream_id] += 1
        try:
            yield
        finally:
            self._claims[stream_id] -= 1
            if not self._claims[stream_id]:
                del self._claims[stream_id]
