"""Simulated faults of networks and cameras."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Faults:
    """Switches for faults. They affect all clients and may be changed at any time, from any thread.

    Attributes:
        stalled: Connections stay open but nothing is sent. Afterwards, clients resume with the next keyframe.
        silent: New connections are accepted but never served.
        joins_late: New clients receive nothing before the next keyframe. Otherwise, they begin with the last one.
        drop: Share (0 to 1) of the packets (RTP, or 188-byte TS) that are lost.
        corrupt: Share (0 to 1) of the packets whose second half is zeroed.
    """

    stalled: bool = False
    silent: bool = False
    joins_late: bool = False
    drop: float = 0.0
    corrupt: float = 0.0
    _random: random.Random = field(default_factory=lambda: random.Random(4711), repr=False)  # noqa: S311

    def apply(self, packet: bytes, header: int) -> bytes | None:
        """Return a packet as the network delivers it: intact, damaged after its header, or None if lost.

        Args:
            packet: The packet.
            header: Number of leading bytes that are never damaged.
        """
        if not self.drop and not self.corrupt:
            return packet
        if self._random.random() < self.drop:
            return None
        if self._random.random() < self.corrupt:
            keep = header + (len(packet) - header) // 2
            return packet[:keep] + bytes(len(packet) - keep)
        return packet
