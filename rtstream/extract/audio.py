"""Extracts audio from a media file in pieces.

This code runs in an extraction process. Importing it does not import the codec library. Errors are ValueErrors with one
plain sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rtstream.imports import LateModule
from rtstream.storage import LocalFiles

if TYPE_CHECKING:
    import numpy as np
    from av.container import InputContainer
    from numpy.typing import NDArray
else:
    np = LateModule("numpy")

RATE = 16_000  # Hz
RUN_UP_S = 0.5
"""Seconds decoded before a piece and discarded, because the first packets after a seek do not decode correctly."""

RUN_ON_S = 0.1
"""Seconds decoded after a piece, because the resampler holds back its newest samples."""


def extract_audio(files: LocalFiles, key: str, start: float, seconds: float) -> bytes:
    """Extract audio as 16 kHz mono, 16-bit little-endian samples.

    Args:
        files: The storage of the file.
        key: Key of the file.
        start: Seconds into the file.
        seconds: Duration to extract.

    Returns:
        Exactly ``seconds`` of audio, in which sample n belongs to start + n / 16000. Silence where nothing is recorded.
        Empty if the file has no audio.

    Raises:
        ValueError: The file cannot be read.
    """
    import av
    from av.error import FFmpegError

    try:
        with files.open(key) as file, av.open(file, "r") as container:
            if not container.streams.audio:
                return b""
            samples = np.zeros(round(seconds * RATE), np.int16)
            for at, piece in _decoded(container, start, start + seconds):
                _place(samples, round((at - start) * RATE), piece)
    except (FFmpegError, OSError):
        raise ValueError("The file of this video cannot be read. It may have been deleted.") from None
    return samples.astype("<i2").tobytes()


def _decoded(container: InputContainer, start: float, end: float) -> Iterator[tuple[float, NDArray[np.int16]]]:
    """Yield pieces of audio (int16 [samples]) with the time in seconds at which each begins."""
    from av.audio.resampler import AudioResampler
    from av.error import FFmpegError

    from rtstream.rules.mono import layout_for, to_mono

    stream = container.streams.audio[0]
    base = float(stream.time_base or 1 / RATE)
    if start > RUN_UP_S:
        container.seek(int((start - RUN_UP_S) / base), stream=stream)
    resampler = AudioResampler(format="s16", layout=layout_for(stream.layout.nb_channels), rate=RATE)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError:
            continue  # the audio around a damaged packet is still useful
        for frame in frames:
            if frame.time is None:
                continue
            if frame.time >= end + RUN_ON_S:
                return
            for resampled in resampler.resample(frame):
                if resampled.time is not None:
                    yield resampled.time, to_mono(resampled.to_ndarray()[0], resampled.layout.nb_channels)


def _place(samples: NDArray[np.int16], offset: int, piece: NDArray[np.int16]) -> None:
    """Copy the overlap of ``piece`` into ``samples``, with its first sample at ``offset``."""
    begin, end = max(0, offset), min(len(samples), offset + len(piece))
    if end > begin:
        samples[begin:end] = piece[begin - offset : end - offset]
