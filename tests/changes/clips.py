"""Coded pictures and audio of several formats on one grid, so that a source can change between them at any keyframe.

All video clips have the same frame rate, keyframes and numbers. Frame ``n`` of a source shows ``n % CYCLE``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from rtstream.testsource.frames import Painter
from rtstream.testsource.timeline import LoopedClip

FPS, GOP = 8, 8
GOP_S = GOP / FPS
CYCLE_S = 64
CYCLE = FPS * CYCLE_S
SMALL, LARGE = (160, 120), (192, 108)
CALM = {"preset": "ultrafast", "g": str(GOP), "keyint_min": str(GOP), "sc_threshold": "0", "bf": "0"}
X265 = {"preset": "ultrafast", "x265-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:log-level=error"}
VIDEOS = {
    "h264": ("libx264", SMALL, CALM),
    "h264-large": ("libx264", LARGE, CALM),
    "hevc": ("libx265", SMALL, X265),
}
"""Encoder, size and options of the video clips by name. ``jpeg`` and ``jpeg-large`` are single pictures."""
AUDIOS = {
    "aac-48": ("aac", 48000, "mono"),
    "aac-44": ("aac", 44100, "stereo"),
    "mp3-44": ("libmp3lame", 44100, "stereo"),
}
"""Encoder, sample rate and layout of the audio clips by name."""


@dataclass
class Video:
    """A clip of numbered pictures. ``template`` is a stream of a container that is open for reading."""

    pictures: list[bytes]
    template: Any = None
    rtsp: LoopedClip | None = None


@dataclass
class Audio:
    """A clip of a tone. ``block`` is the number of samples per packet."""

    packets: list[bytes]
    rate: int
    block: int
    template: Any
    config: bytes
    channels: int


@dataclass(frozen=True)
class Unit:
    """A coded picture or a block of audio. ``at`` is its time in seconds since the source began."""

    kind: str
    at: float
    data: bytes
    keyframe: bool
    number: int


class Clips:
    """All clips by name."""

    def __init__(self, videos: dict[str, Video], audios: dict[str, Audio]) -> None:
        self.videos, self.audios = videos, audios

    def units(self, video: str, audio: str, first: int, count: int) -> list[Unit]:
        """Return the units of a number of frames from frame ``first`` on, in the order of their times.

        Args:
            video: Name of a video clip, or empty.
            audio: Name of an audio clip, or empty.
            first: Number of the first frame.
            count: Number of frames.
        """
        found: list[Unit] = []
        if video:
            pictures = self.videos[video].pictures
            found += [Unit("video", n / FPS, pictures[n % CYCLE], n % GOP == 0, n) for n in range(first, first + count)]
        if audio:
            clip = self.audios[audio]
            begin, end = (math.ceil(n / FPS * clip.rate / clip.block) for n in (first, first + count))
            found += [
                Unit("audio", k * clip.block / clip.rate, clip.packets[k % len(clip.packets)], True, k)
                for k in range(begin, end)
            ]
        return sorted(found, key=lambda unit: unit.at)


@contextmanager
def made(folder: Path) -> Iterator[Clips]:
    """Encode all clips in a folder, and hold them open until the end of the block."""
    with ExitStack() as stack:
        audios = {name: _audio(folder / f"{name}.mp4", name, stack) for name in AUDIOS}
        videos = {name: _video(folder / f"{name}.mp4", name, stack) for name in VIDEOS}
        videos |= {"jpeg": Video(_jpegs(*SMALL)), "jpeg-large": Video(_jpegs(*LARGE))}
        yield Clips(videos, audios)


def _video(path: Path, name: str, stack: ExitStack) -> Video:
    encoder, (width, height), options = VIDEOS[name]
    painter = Painter(width, height, FPS)
    with av.open(str(path), "w", options={"video_track_timescale": "90000"}) as out:
        video: Any = out.add_stream(encoder, rate=FPS)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base, video.codec_context.thread_type = Fraction(1, FPS), "FRAME"
        video.options = options
        for number in range(CYCLE):
            frame = painter.frame(number)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    source = stack.enter_context(av.open(str(path)))
    packets = [packet for packet in source.demux(video=0) if packet.size]
    assert [packet.is_keyframe for packet in packets] == [number % GOP == 0 for number in range(CYCLE)]
    rtsp = LoopedClip(path) if encoder == "libx264" else None
    return Video([bytes(packet) for packet in packets], source.streams.video[0], rtsp)


def _audio(path: Path, name: str, stack: ExitStack) -> Audio:
    encoder, rate, layout = AUDIOS[name]
    tone = (8000 * np.sin(2764.6 * np.arange(rate * CYCLE_S) / rate)).astype(np.int16)
    with av.open(str(path), "w") as out:
        audio: Any = out.add_stream(encoder, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        size = audio.codec_context.frame_size or 1152 if encoder == "libmp3lame" else 1024
        resampler = av.AudioResampler(audio.codec_context.format.name, layout, rate, size)
        for part in resampler.resample(frame):
            out.mux(audio.encode(part))
        out.mux(audio.encode(None))
    source = stack.enter_context(av.open(str(path)))
    stream = source.streams.audio[0]
    packets = [packet for packet in source.demux(stream) if packet.size and (packet.pts or 0) >= 0]
    block = packets[0].duration or size
    context = stream.codec_context
    config = context.extradata or b""
    return Audio([bytes(packet) for packet in packets[:-1]], rate, block, stream, config, context.channels)


def _jpegs(width: int, height: int) -> list[bytes]:
    painter = Painter(width, height, FPS)
    found = []
    for number in range(CYCLE):
        sink = io.BytesIO()
        painter.frame(number).to_image().save(sink, "JPEG", quality=70)
        found.append(sink.getvalue())
    return found
