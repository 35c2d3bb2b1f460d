"""The packets of one track: how many arrived, were stored and were dropped, and whether enough of them are stored."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtstream.json_types import JsonObject
from rtstream.states import HealthCode

PROMISE_S = 10.0
"""A fragment of each wanted track is written at least this often, unless the source itself pauses for longer."""
LOOK_S = 2.5
"""Seconds between two looks. A silence that would be overdue before the next look is reported at once."""
UNUSABLE_S = 2.0
"""Seconds of nothing but dropped packets after which the times of a track are unusable."""
UNCERTAIN_S = 0.1
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


class Counts(NamedTuple):
    """The counters of a track at one moment."""

    received: int
    stored: int
    keyframes: int
    unfit: int


def missing_track(kind: str, *, had: bool) -> Lack:
    """Return why nothing of a kind of track is stored: the source has none. ``had``: it did have one before."""
    code = HealthCode.NO_VIDEO_TRACK if kind == "video" else HealthCode.NO_AUDIO_TRACK
    return Lack(code, f"the source no longer has {kind}" if had else f"the source has no {kind}")


class TrackFlow:
    """Counts the packets of a track over all connections, and watches over the storage of the present one.

    The counters are plain numbers, because they change with each packet. ``look`` compares them with those of its last
    call. Times are monotonic seconds.

    Args:
        kind: ``video`` or ``audio``.
        now: The time of the first connection.
    """

    def __init__(self, kind: str, now: float) -> None:
        self.kind = kind
        self.received = 0
        self.stored = 0
        """Packets that were added to a recording."""
        self.keyframes = 0
        self.fragments = 0
        """Written fragments with packets of the track."""
        self.dropped: dict[str, int] = {}
        """Packets that were not stored, by reason."""
        self.still = False
        """Whether the source sends none at present because nothing changes, as a shared screen does."""
        self.absent = False
        """Whether the source has no such track, and health has shown it."""
        self._gaps: deque[tuple[float, float]] = deque(maxlen=BUCKETS)  # end of each bucket, and its longest gap
        self._longest = 0.0
        self.written_at = now
        """Time of the last written fragment with packets of the track, or of the connection."""
        self.connect(now)

    def connect(self, now: float) -> None:
        """Begin with a new connection that has the track. Nothing is overdue yet."""
        self.connect_again()
        if self._longest:
            self._gaps.append((now, self._longest))
        self._arrived_at = self._stored_at = self.written_at = now
        self._bucket_ends, self._longest = now + BUCKET_S, 0.0

    def connect_again(self) -> None:
        """Begin with another track of the same kind on the same connection. A fragment that is overdue stays so."""
        self.absent = False
        self._before = self._counts()
        self._first_stored = self.stored
        self._first_keyframe = self.keyframes

    def note_fragment(self, now: float) -> None:
        """Count a written fragment with packets of the track."""
        self.fragments += 1
        self.written_at = now

    def drop(self, reason: str) -> None:
        """Count a packet that was not stored."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def _counts(self) -> Counts:
        return Counts(self.received, self.stored, self.keyframes, self.dropped.get(TIMES, 0))

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
        """Return the longest time without a packet in the last ten minutes, in seconds, as exact as the looks."""
        since = now - BUCKET_S * BUCKETS
        return max([self._longest, *(gap for at, gap in self._gaps if at >= since)])

    def look(self, now: float) -> Lack | None:
        """Return why the track is not stored at present, or None if it is, or is not overdue yet.

        To be called every few seconds.
        """
        counts, before = self._counts(), self._before
        self._before = counts
        if counts.received > before.received:
            self._note_gap(now)
        if counts.stored > before.stored:
            self._stored_at = now
        unfit = counts.unfit - before.unfit
        if now - self._stored_at > UNUSABLE_S and 2 * unfit > counts.received - before.received:
            text = f"the times of the source's {self.kind} do not fit together, so it cannot be stored"
            return Lack(HealthCode.TIMES_UNUSABLE, text)
        allowed_s = max(PROMISE_S, 2 * self.longest_gap_s(now))
        # Its packets arrived before the last fragment was written, and were noticed at most one look later.
        silent = now - self._arrived_at > allowed_s / 2 - UNCERTAIN_S
        if silent and now + LOOK_S - self.written_at > allowed_s:
            return Lack(HealthCode.TRACK_SILENT, f"the source sends no {self.kind} at present")
        if now - self.written_at <= allowed_s:
            return None
        if self.kind == "video" and counts.keyframes == self._first_keyframe and counts.stored == self._first_stored:
            text = "the source has sent no keyframe yet, and a recording can only begin with one"
            return Lack(HealthCode.NO_KEYFRAME, text)
        return Lack(HealthCode.RECORDING_STALLED, f"{self.kind} arrives but is not stored")

    def _note_gap(self, now: float) -> None:
        self._longest = max(self._longest, now - self._arrived_at)
        self._arrived_at = now
        if now > self._bucket_ends:
            self._gaps.append((self._bucket_ends, self._longest))
            self._bucket_ends, self._longest = now + BUCKET_S, 0.0
