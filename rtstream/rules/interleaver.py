"""Puts the packets of several tracks into the order of their times.

A fragment of MP4 holds seconds of one track in one piece, and those of the next track behind it. Each packet of the
second track would otherwise come later than the times around it by the length of a fragment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

BACK_S = 1.0  # a larger step back within a track begins another timeline
FORWARD_S = 10.0  # the same for a step forward, in addition to the length of a fragment
MAX_BYTES = 32 * 1024 * 1024


class Interleaver(Generic[T]):
    """Holds packets until each track has sent something, for a bounded span of media and of memory."""

    def __init__(self, tracks: Iterable[int], longest_s: float, max_bytes: int = MAX_BYTES) -> None:
        """Create an empty interleaver.

        Args:
            tracks: The tracks for which packets of other tracks wait.
            longest_s: Seconds of media by which a track may come later than another. One that sends nothing for longer
                is silent, and holds nothing back until it sends again.
            max_bytes: Largest total size of the packets that are held.
        """
        self._queues: dict[int, deque[tuple[float, int, T]]] = {track: deque() for track in tracks}
        self._longest_s, self._max_bytes = longest_s, max_bytes
        self._newest: dict[int, float] = {}
        self._silent: set[int] = set()
        self._bytes = 0

    def add(self, track: int, at: float | None, size: int, item: T) -> list[T]:
        """Add a packet, and return those that can be processed now, in order.

        Args:
            track: Its track.
            at: Its decode time in seconds, or None if unknown.
            size: Its size in bytes.
            item: The packet.
        """
        if at is None:
            return [*self.rest(), item]
        ready: list[T] = []
        step = at - self._newest.get(track, at)
        if step < -BACK_S or step > FORWARD_S + self._longest_s:
            ready = self.rest()
        self._newest[track] = at
        self._silent.discard(track)
        self._queues.setdefault(track, deque()).append((at, size, item))
        self._bytes += size
        ready += self._ready()
        return ready

    def rest(self) -> list[T]:
        """Return all packets that are still held, in order."""
        held = sorted((entry for queue in self._queues.values() for entry in queue), key=lambda entry: entry[0])
        for queue in self._queues.values():
            queue.clear()
        self._newest.clear()
        self._bytes = 0
        return [item for _, _, item in held]

    def _ready(self) -> list[T]:
        ready: list[T] = []
        while heads := [(queue[0][0], track) for track, queue in self._queues.items() if queue]:
            oldest, track = min(heads)
            waiting = {each for each, queue in self._queues.items() if not queue} - self._silent
            if waiting:
                held_s = max(queue[-1][0] for queue in self._queues.values() if queue) - oldest
                if held_s <= self._longest_s and self._bytes <= self._max_bytes:
                    break
                if held_s > self._longest_s:
                    self._silent |= waiting
            _, size, item = self._queues[track].popleft()
            self._bytes -= size
            ready.append(item)
        return ready
