"""The packets of one track: how many arrived, were stored and were dropped, and whether enough of them are stored."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtstream.json_types import JsonObject
from rtstream.states import HealthCode

PROMISE_S = 10.0
"""A fragment of each wanted track is written at least this often, unless the source itself pauses for longer."""
UNUSABLE_S = 2.0
"""Seconds of nothing but dropped packets after which the times of a track are unusable."""
BUCKET_S = 60.0
BUCKETS = 10
"""The longest gap between packets counts for this many buckets."""
TIMES = "timestamps_wild"
"""The reason with which packets are dropped whose times do not fit."""


class Lack(NamedTuple):
    """The reason for which something is not stored."""

    code: str
    """A ``HealthCode``."""
    text: str
    """A sentence for people."""


class TrackFlow:
    """Counts the packets of a track over all connections, and watches over the storage of the present one.

    Times are monotonic seconds.

    Args:
        kind: ``video`` or ``audio``.
        now: The time of the first connection.
    """

    def __init__(self, kind: str, now: float) -> None:
        self.kind = kind
        self.received = 0
        self.stored = 0
        self.dropped: dict[str, int] = {}
        """Packets that were not stored, by reason."""
        self.still = False
        """Whether the source sends none at present because nothing changes, as a shared screen does."""
        self._gaps: deque[tuple[float, float]] = deque(maxlen=BUCKETS)  # start of each bucket, and its longest gap
        self.connect(now)

    def connect(self, now: float) -> None:
        """Begin with a new connection or recording. Nothing is overdue yet."""
        self._arrived_at = self._accepted_at = self._written_at = self._keyframe_at = now
        self._keyframes = self._accepted = 0
        self._bucket_ends, self._longest = now + BUCKET_S, 0.0

    def arrive(self, now: float, is_keyframe: bool) -> None:
        """Count a packet that arrived."""
        self.received += 1
        gap = now - self._arrived_at
        if gap > self._longest:
            self._longest = gap
        self._arrived_at = now
        if is_keyframe:
            self._keyframe_at = now
            self._keyframes += 1
        if now > self._bucket_ends:
            self._gaps.append((self._bucket_ends, self._longest))
            self._bucket_ends, self._longest = now + BUCKET_S, 0.0

    def accept(self, now: float) -> None:
        """Count a packet that was added to a recording."""
        self.stored += 1
        self._accepted += 1
        self._accepted_at = now

    def drop(self, reason: str) -> None:
        """Count a packet that was not stored."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def write(self, now: float) -> None:
        """Note that a fragment of the track was written."""
        self._written_at = now

    @property
    def counts(self) -> JsonObject:
        """The fields of ``models.TrackPackets``."""
        return {
            "received": self.received,
            "stored": self.stored,
            "dropped": dict(self.dropped),
            "still": self.still,
        }

    def longest_gap_s(self, now: float) -> float:
        """Return the longest time between two packets in the last ten minutes, in seconds."""
        since = now - BUCKET_S * BUCKETS
        return max([self._longest, *(gap for at, gap in tuple(self._gaps) if at >= since)])

    def lack(self, now: float) -> Lack | None:
        """Return why the track is not stored at present, or None if it is, or is not overdue yet."""
        silent_s, rejected_s = now - self._arrived_at, now - self._accepted_at
        unusable = self.dropped.get(TIMES, 0) > 0 and rejected_s > UNUSABLE_S and silent_s < UNUSABLE_S
        if unusable and self._keyframes:
            text = f"the times of the source's {self.kind} do not fit together, so it cannot be stored"
            return Lack(HealthCode.TIMES_UNUSABLE, text)
        allowed_s = max(PROMISE_S, 2 * self.longest_gap_s(now))
        if now - self._written_at <= allowed_s:
            return None
        if silent_s > allowed_s:
            return Lack(HealthCode.TRACK_SILENT, f"the source sends no {self.kind} at present")
        if self.kind == "video" and now - self._keyframe_at > allowed_s and not self._accepted:
            text = "the source has sent no keyframe yet, and a recording can only begin with one"
            return Lack(HealthCode.NO_KEYFRAME, text)
        return Lack(HealthCode.RECORDING_STALLED, f"{self.kind} arrives but is not stored")
