"""The endless media time line of a looped clip, with access units whose timestamps never jump."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

VIDEO, AUDIO = 0, 1
VIDEO_CLOCK = 90000


@dataclass(frozen=True)
class Unit:
    """One coded picture or block of audio. ``dts`` and ``pts`` are ticks of its track's clock since the beginning."""

    track: int
    dts: int
    pts: int
    keyframe: bool
    data: bytes  # H.264: length-prefixed NAL units; AAC: a raw block

    def nal_units(self) -> list[bytes]:
        """Return the NAL units of a picture."""
        units, at = [], 0
        while at < len(self.data):
            length = int.from_bytes(self.data[at : at + 4], "big")
            units.append(self.data[at + 4 : at + 4 + length])
            at += 4 + length
        return units


class LoopedClip:
    """An MP4 file in memory, with H.264 video and optional AAC audio.

    Raises:
        ValueError: The file uses other codecs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            audio = container.streams.audio[0] if container.streams.audio else None
            if video.codec_context.name != "h264" or (audio and audio.codec_context.name != "aac"):
                raise ValueError(f"{path.name} must contain H.264 video and AAC audio")
            self.fps = float(video.average_rate or 30)
            self.parameter_sets = _parameter_sets(video.codec_context.extradata or b"")
            self.audio_rate = audio.codec_context.sample_rate if audio else 0
            self.audio_channels = audio.codec_context.channels if audio else 0
            self.audio_config = (audio.codec_context.extradata or b"") if audio else b""
            self._pictures: list[Unit] = []
            self._blocks: list[bytes] = []
            self._block_samples = 1024
            self._read(container, video)
        first, last = self._pictures[0], self._pictures[-1]
        self.frames = len(self._pictures)
        self._loop = last.dts - first.dts + round(VIDEO_CLOCK / self.fps)
        self.duration = self._loop / VIDEO_CLOCK
        self.reorder_delay = max(unit.pts - unit.dts for unit in self._pictures) / VIDEO_CLOCK
        """Seconds between sending and showing a picture (0 without B-frames)."""

    @property
    def tracks(self) -> list[int]:
        """Track numbers of the source."""
        return [VIDEO, AUDIO] if self._blocks else [VIDEO]

    def clock(self, track: int) -> int:
        """Return the ticks per second of a track."""
        return VIDEO_CLOCK if track == VIDEO else self.audio_rate

    def units(self) -> Iterator[Unit]:
        """Yield all units in decode order, without end."""
        if not self._blocks:
            yield from self._video()
            return
        video, audio = self._video(), self._audio()
        picture, block = next(video), next(audio)
        while True:
            if picture.dts * self.audio_rate <= block.dts * VIDEO_CLOCK:
                yield picture
                picture = next(video)
            else:
                yield block
                block = next(audio)

    def _video(self) -> Iterator[Unit]:
        for loop in itertools.count():
            shift = loop * self._loop
            for unit in self._pictures:
                yield Unit(VIDEO, unit.dts + shift, unit.pts + shift, unit.keyframe, unit.data)

    def _audio(self) -> Iterator[Unit]:
        # A loop is rarely a whole number of audio blocks. Blocks stay on one endless grid, and each takes the audio
        # that belongs there. Timestamps never jump, and audio and video never drift apart by more than one block.
        loop = round(self._loop * self.audio_rate / VIDEO_CLOCK)
        for number in itertools.count():
            at = number * self._block_samples
            index = min(at % loop // self._block_samples, len(self._blocks) - 1)
            yield Unit(AUDIO, at, at, True, self._blocks[index])

    def _read(self, container: InputContainer, video: av.VideoStream) -> None:
        for packet in container.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if packet.stream is video:
                dts, pts = (round(ticks * packet.time_base * VIDEO_CLOCK) for ticks in (packet.dts, packet.pts))
                self._pictures.append(Unit(VIDEO, dts, pts, packet.is_keyframe, bytes(packet)))
            elif packet.pts >= 0:  # earlier packets only prime the encoder
                self._block_samples = packet.duration or self._block_samples
                self._blocks.append(bytes(packet))
        # With B-frames, decode times begin before zero.
        shift = self._pictures[0].pts
        self._pictures = [
            Unit(VIDEO, unit.dts - shift, unit.pts - shift, unit.keyframe, unit.data) for unit in self._pictures
        ]


def _parameter_sets(avcc: bytes) -> list[bytes]:
    """Return the SPS and PPS NAL units of an ``avcC`` record (ISO/IEC 14496-15, 5.3.3.1)."""
    sets, at = [], 5
    for mask in (0x1F, 0xFF):
        count, at = avcc[at] & mask, at + 1
        for _ in range(count):
            (length,) = struct.unpack_from(">H", avcc, at)
            sets.append(avcc[at + 2 : at + 2 + length])
            at += 2 + length
    return sets
