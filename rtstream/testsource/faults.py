"""Faults a live source can be told to have: what networks and cameras do, at will."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Faults:
    """Switches; may be changed at any time, from any thread, and act on all clients."""

    stalled: bool = False
    """Connections stay open and nothing is sent. Afterwards clients go on with the next keyframe."""
    silent: bool = False
    """New connections are accepted and never answered."""
    drop: float = 0.0
    """Share (0 to 1) of the packets (RTP, or 188-byte TS) that are lost."""
    corrupt: float = 0.0
    """Share (0 to 1) of the packets whose second half is zeroed."""
    _random: random.Random = field(default_factory=lambda: random.Random(4711), repr=False)  # noqa: S311

    def apply(self, packet: bytes, header: int) -> bytes | None:
        """What becomes of a packet: itself, a damaged one (the first ``header`` bytes stay), or None (lost)."""
        if not self.drop and not self.corrupt:
            return packet
        if self._random.random() < self.drop:
            return None
        if self._random.random() < self.corrupt:
            keep = header + (len(packet) - header) // 2
            return packet[:keep] + bytes(len(packet) - keep)
        return packet
