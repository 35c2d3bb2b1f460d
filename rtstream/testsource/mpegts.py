"""Muxes the units of a looped clip into live MPEG-TS, split at keyframes."""

from __future__ import annotations

from fractions import Fraction

import av

from rtstream.testsource.timeline import VIDEO, VIDEO_CLOCK, LoopedClip, Unit

PACKET = 188
_VIDEO_PID = 0x100


class TsMuxer:
    """Turns units into a transport stream. Close it after use."""

    def __init__(self, clip: LoopedClip) -> None:
        self._clip = clip
        self._pending = bytearray()
        self._template = av.open(str(clip.path))
        # Tables before every picture, so that a client can begin at any keyframe.
        options = {"mpegts_flags": "pat_pmt_at_frames", "flush_packets": "1", "max_delay": "0"}
        self._container = av.open(self, "w", format="mpegts", options=options)
        sources = [self._template.streams.video[0], *self._template.streams.audio[:1]]
        self._streams = [self._container.add_stream_from_template(source) for source in sources]
        # With B-frames, decode times begin before zero, which a transport stream cannot express.
        self._base = Fraction(1)

    def write(self, data: bytes) -> int:
        """Accept output from the muxer."""
        self._pending += data
        return len(data)

    def mux(self, unit: Unit) -> list[tuple[bytes, bool]]:
        """Add a unit and return the pieces that can be sent now.

        Each piece consists of whole TS packets and comes with a flag that is True if it begins with tables and a
        keyframe.
        """
        clock = VIDEO_CLOCK if unit.track == VIDEO else self._clip.audio_rate
        packet = av.Packet(unit.data)
        packet.stream = self._streams[unit.track]
        packet.time_base = Fraction(1, clock)
        base = int(self._base * clock)
        packet.dts, packet.pts = unit.dts + base, unit.pts + base
        packet.is_keyframe = unit.keyframe
        self._container.mux(packet)
        data = bytes(self._pending)
        self._pending.clear()
        return _cut_at_keyframes(data)

    def close(self) -> None:
        """Close the containers."""
        self._container.close()
        self._template.close()


def _cut_at_keyframes(data: bytes) -> list[tuple[bytes, bool]]:
    pieces: list[tuple[bytes, bool]] = []
    begin, tables, keyframe = 0, 0, False
    for at in range(0, len(data), PACKET):
        pid = int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF
        if pid == 0:
            tables = at
        elif pid == _VIDEO_PID and data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40:
            # The packet is a random access point (ISO/IEC 13818-1, 2.4.3.4).
            if tables > begin:
                pieces.append((data[begin:tables], keyframe))
            begin, keyframe = tables, True
    if begin < len(data):
        pieces.append((data[begin:], keyframe))
    return pieces
