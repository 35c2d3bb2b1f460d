"""The first packets of a recording wait here until it is known which of the declared tracks send any.

A source may declare a track that it never sends, such as a microphone that is off. The muxer would hold all other
packets back, in memory, until that track begins.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from av.packet import Packet

WAIT_S = 2.0  # of media, so that a busy machine does not end the wait
LONGEST_WAIT_S = 10.0
MAX_BYTES = 32 * 1024 * 1024
PRESENT_S = 1.0  # an audio track sends now if its last packet is at most this old
JOIN_AGAIN_S = 10.0  # after an attempt to add a track that failed; doubled each time
LONGEST_JOIN_S = 600.0


class WaitingPacket(NamedTuple):
    """A packet for the recording, with its time in ticks of its track on the timeline."""

    packet: Packet
    is_video: bool
    dts: int
    pts: int


class RecordingWait:
    """Holds the packets from the first keyframe on, for at most ``WAIT_S`` and ``MAX_BYTES``."""

    def __init__(self, audio_rate: int) -> None:
        """Create an empty wait. ``audio_rate``: ticks per second of the audio track, 0 if none is recorded."""
        self.configuration: bytes | None = None
        """Parameter sets of the recording that is about to begin; None if none is."""
        self.has_audio = False
        """Whether audio is among the packets of the current or the last wait."""
        self.audio_rate = audio_rate
        self._packets: list[WaitingPacket] = []
        self._bytes = 0
        self._zero = self._began = self._at = 0.0
        self._audio_at = float("-inf")  # monotonic
        self._next_join, self._join_again_s = 0.0, JOIN_AGAIN_S

    def begin(self, configuration: bytes, at: float) -> None:
        """Wait from now on. ``at``: seconds on the timeline at the first packet."""
        self.configuration, self.has_audio = configuration, False
        self._packets, self._bytes = [], 0
        self._zero, self._at, self._began = at, at, time.monotonic()

    def add(self, packet: WaitingPacket, at: float) -> None:
        """Hold a packet. ``at``: seconds on the timeline that the leading track has reached."""
        self._packets.append(packet)
        self._bytes += packet.packet.size
        self._at = at
        if not packet.is_video and self.audio_rate:
            # Audio from before the keyframe is not recorded, so it proves nothing.
            self.has_audio |= packet.dts >= self._zero * self.audio_rate

    @property
    def is_over(self) -> bool:
        """Whether all tracks have sent something, or the wait lasted long enough."""
        if not self.audio_rate or self.has_audio or self._bytes >= MAX_BYTES:
            return True
        return self._at - self._zero >= WAIT_S or time.monotonic() - self._began >= LONGEST_WAIT_S

    def take(self) -> list[WaitingPacket]:
        """End the wait, and return the packets."""
        packets, self._packets, self.configuration = self._packets, [], None
        return packets

    def note_audio(self) -> None:
        """Note that the audio track sent a packet that can be recorded."""
        self._audio_at = time.monotonic()

    def joins(self) -> bool:
        """Return whether audio sends now although the recording began without it, so that another is to begin."""
        now = time.monotonic()
        if self.has_audio or not self.audio_rate or now - self._audio_at > PRESENT_S or now < self._next_join:
            return False
        self._next_join, self._join_again_s = now + self._join_again_s, min(2 * self._join_again_s, LONGEST_JOIN_S)
        return True
