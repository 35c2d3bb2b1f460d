"""Encodes the clip that the synthetic source loops and stores it in a cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

from rtstream.testsource.audio import RATE, Voice, available_voice, render
from rtstream.testsource.frames import Painter

log = logging.getLogger(__name__)

# Increase it when clips with the same parameters change, so that old cached files are not used.
_VERSION = 2
_VIDEO_CLOCK = 90000


@dataclass(frozen=True)
class ClipSpec:
    """The parameters of a clip. Sizes are in pixels (even), ``gop`` in pictures and ``bitrate`` in bits per second."""

    width: int = 1280
    height: int = 720
    fps: int = 30
    seconds: int = 30
    gop: int = 60
    bframes: int = 0
    bitrate: int = 2_000_000
    audio: bool = True
    voice: Voice = field(default_factory=available_voice)

    def __post_init__(self) -> None:
        if self.width % 2 or self.height % 2 or self.width < 160 or self.height < 90:
            raise ValueError("width and height must be even and at least 160 and 90 pixels")
        if min(self.fps, self.seconds, self.gop) < 1 or self.bframes < 0 or self.bitrate < 10_000:
            raise ValueError("fps, seconds and gop must be at least 1, bframes at least 0, bitrate at least 10000")


def make_clip(spec: ClipSpec, cache: Path | None = None) -> Path:
    """Return the MP4 file (H.264, AAC) with these parameters, encoding it if it is not cached.

    Args:
        spec: The parameters.
        cache: Cache folder, or None for a folder in the user's cache.
    """
    folder = cache or user_cache_path("rtstream-mcp", appauthor=False) / "testsource"
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(json.dumps([_VERSION, asdict(spec)]).encode()).hexdigest()[:16]
    path = folder / f"clip-{key}.mp4"
    # If several processes need the same clip at the same time, only one encodes it.
    with FileLock(f"{path}.lock"):
        if not path.exists():
            if spec.audio:
                log.info("audio of the synthetic source: %s", spec.voice)
            unfinished = path.with_suffix(f".{os.getpid()}.mp4")
            try:
                _encode(spec, unfinished)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
    return path


def _encode(spec: ClipSpec, path: Path) -> None:
    painter = Painter(spec.width, spec.height, spec.fps)
    with av.open(str(path), "w", options={"video_track_timescale": str(_VIDEO_CLOCK)}) as container:
        video = _video_stream(container, spec)
        audio = _audio_stream(container) if spec.audio else None
        # One frame longer than the clip, so that the last audio block is complete.
        samples = render(spec.voice, spec.seconds + 0.1) if spec.audio else np.zeros(0, np.int16)
        done = 0
        for number in range(spec.fps * spec.seconds):
            frame = painter.frame(number)
            frame.pts, frame.time_base = number, Fraction(1, spec.fps)
            container.mux(video.encode(frame))
            if audio is not None:
                until = round((number + 1) / spec.fps * RATE)
                done = _encode_audio(container, audio, samples, done, until)
        container.mux(video.encode(None))
        if audio is not None:
            _encode_audio(container, audio, samples, done, len(samples))
            container.mux(audio.encode(None))


def _video_stream(container: OutputContainer, spec: ClipSpec) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=spec.fps)
    stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, spec.fps)
    stream.codec_context.bit_rate = spec.bitrate
    # The library's default (SLICE) would split every picture into several slices.
    stream.codec_context.thread_type = "FRAME"
    stream.options = {
        "preset": "ultrafast",
        "g": str(spec.gop),
        "keyint_min": str(spec.gop),
        "sc_threshold": "0",
        "bf": str(spec.bframes),
        "maxrate": str(spec.bitrate),
        "bufsize": str(spec.bitrate),
    }
    return stream


def _audio_stream(container: OutputContainer) -> av.AudioStream:
    stream = container.add_stream("aac", rate=RATE, layout="mono")
    stream.codec_context.bit_rate = 96_000
    return stream


def _encode_audio(
    container: OutputContainer, stream: av.AudioStream, samples: NDArray[np.int16], done: int, until: int
) -> int:
    """Encode whole blocks of samples from ``done`` to at most ``until``. Returns the position reached."""
    while done + 1024 <= until:
        frame = av.AudioFrame.from_ndarray(samples[None, done : done + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, done, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        done += 1024
    return done
