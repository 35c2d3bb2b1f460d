"""Encodes recorded audio as AAC for playback, one segment at a time.

This code runs in an extraction process. Importing it does not import the codec library. Errors are ValueErrors with one
plain sentence.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from rtstream.imports import LateModule
from rtstream.mp4.aac_track import CHANNELS, audio_track
from rtstream.mp4.fragment_reader import each_fragment
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import read_fragment, read_init
from rtstream.rules.playback_audio import FRAME
from rtstream.storage import LocalFiles

if TYPE_CHECKING:
    import numpy as np
    from av.audio.codeccontext import AudioCodecContext
    from numpy.typing import NDArray
else:
    np = LateModule("numpy")

RUN_UP = 8
"""AAC frames encoded before the first one and discarded, so that it continues the previous segment."""
RUN_ON = 3
"""AAC frames of audio encoded after the last one, because the encoder looks ahead."""
DECODER_RUN_UP_S = 0.1
"""Seconds decoded before the first sample, because the first packet of a decoder is not decoded correctly."""
GAP = 0.95
"""A difference between times and samples of this share of a packet means that a packet is missing."""
BIT_RATE = 128_000
AT_ONCE = 2000
"""Frames encoded in one piece, which bounds the memory."""
PRIORITY = 10

_DECODERS = {"ac-3": "ac3", "ec-3": "eac3", "alac": "alac", "mp4a.40.33": "mp2float"}
_MP3 = ("mp4a.40.34", "mp4a.69", "mp4a.6B")


def aac_frames(
    files: LocalFiles, recording: StoredRecording, codec: str, first: int, last: int, limits: tuple[float, float]
) -> list[bytes]:
    """Return the AAC frames ``first`` to ``last - 1`` of a recording, numbered as in ``rules.playback_audio``.

    Where nothing is recorded or a packet is damaged, the frames are silent. Frames of consecutive calls can be played
    one after another, because each call encodes the same samples around them.

    Args:
        files: The storage of the recording.
        recording: Its init segment, and the segments around the frames, sorted.
        codec: Codec of the audio (RFC 6381).
        first: Number of the first frame.
        last: Number of the frame after the last one.
        limits: Start and end in seconds on the time line of the recording, beyond which audio is left out.

    Raises:
        ValueError: The audio cannot be decoded.
    """
    from av.error import FFmpegError

    _yield_to_recorders()
    rate = audio_track(recording.init).timescale
    from_, to = (round(min(limit, 1e11) * rate) for limit in limits)
    found: list[bytes] = []
    try:
        for at in range(first, last, AT_ONCE):
            until = min(last, at + AT_ONCE)
            begin, end = (at - RUN_UP) * FRAME, (until + RUN_ON) * FRAME
            samples = _decoded(files, recording, codec, begin, end)
            samples[:, : max(0, from_ - begin)] = 0
            samples[:, max(0, to - begin) :] = 0
            found += _encoded(samples, rate)[RUN_UP : RUN_UP + until - at]
    except (FFmpegError, OSError) as exc:
        raise ValueError(f"the audio cannot be decoded ({exc.strerror})") from None
    return found


def _yield_to_recorders() -> None:
    """Run this process at a low priority, where the system supports that. Recording must not suffer from playback."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def _decoded(files: LocalFiles, recording: StoredRecording, codec: str, begin: int, end: int) -> NDArray[np.float32]:
    """Return the samples of [begin, end) in stereo."""
    from av import Packet
    from av.audio.resampler import AudioResampler
    from av.error import FFmpegError

    rate = audio_track(recording.init).timescale
    samples = np.zeros((CHANNELS, end - begin), np.float32)
    decoder = _decoder(recording.init, codec, rate)
    resampler = AudioResampler("fltp", "stereo", rate)
    packets = 0
    run: list[tuple[int, NDArray[np.float32]]] = []
    for time, data in _packets(files, recording, begin - round(DECODER_RUN_UP_S * rate), end):
        packets += 1
        packet = Packet(data)
        packet.pts = packet.dts = time
        packet.time_base = Fraction(1, rate)
        try:
            frames = [one for frame in decoder.decode(packet) for one in resampler.resample(frame)]
        except FFmpegError:
            continue  # the audio around a damaged packet is still useful
        for frame in frames:
            if frame.pts is None or frame.time_base is None:
                continue
            at = round(frame.pts * frame.time_base * rate)
            if run and abs(at - run[-1][0] - run[-1][1].shape[1]) > GAP * run[-1][1].shape[1]:
                _place(samples, run, begin)
                run = []
            run.append((at, cast("NDArray[np.float32]", frame.to_ndarray())))
    if packets and not run:
        raise ValueError("the audio cannot be decoded")
    _place(samples, run, begin)
    return samples


def _place(samples: NDArray[np.float32], run: list[tuple[int, NDArray[np.float32]]], begin: int) -> None:
    """Copy consecutive pieces into ``samples``, whose first sample is at ``begin``.

    Sources round times to milliseconds or more. The pieces are therefore placed one after another, at the median of
    their times.
    """
    if not run:
        return
    joined = np.concatenate([piece for _, piece in run], axis=1)
    ends = np.cumsum([piece.shape[1] for _, piece in run])
    starts = ends - [piece.shape[1] for _, piece in run]
    offset = round(float(np.median([at for at, _ in run] - starts))) - begin
    first, last = max(0, offset), min(samples.shape[1], offset + joined.shape[1])
    if last > first:
        samples[:, first:last] = joined[:, first - offset : last - offset]


def _decoder(init: bytes, codec: str, rate: int) -> AudioCodecContext:
    import av
    from av.audio.codeccontext import AudioCodecContext

    name = _DECODERS.get(codec) or ("mp3float" if codec in _MP3 else "aac" if codec.startswith("mp4a.") else "")
    if not name:
        raise ValueError(f"there is no decoder for {codec}")
    decoder = cast(AudioCodecContext, AudioCodecContext.create(name, "r"))
    decoder.sample_rate = rate
    with av.open(io.BytesIO(init), "r", format="mp4") as container:
        declared = container.streams.audio[0].codec_context
        decoder.layout = declared.layout
        if declared.extradata:
            decoder.extradata = declared.extradata
    return decoder


def _packets(files: LocalFiles, recording: StoredRecording, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the audio packets that touch [begin, end), with their times in samples."""
    tracks, track = read_init(recording.init), audio_track(recording.init)
    for piece in recording.pieces:
        with files.open(piece.key) as file:
            for stretch, moof in each_fragment(file, piece.key, piece.offset, piece.offset + piece.length):
                own = read_fragment(moof, tracks, track.id).get(track.id)
                if own is None:
                    continue
                starts = np.cumsum(own.sizes) - own.sizes
                number = 0
                for position, count in own.chunks:
                    inside = [
                        n
                        for n in range(number, number + count)
                        if own.decoded[n] + own.durations[n] > begin and own.decoded[n] < end
                    ]
                    for n in inside:
                        file.seek(stretch.offset + position + int(starts[n] - starts[number]))
                        yield int(own.decoded[n]), file.read(int(own.sizes[n]))
                    number += count


def _encoded(samples: NDArray[np.float32], rate: int) -> list[bytes]:
    """Return the AAC frames of samples, one for each ``FRAME`` samples. A decoder returns frame n for samples of n."""
    from av import AudioFrame
    from av.audio.codeccontext import AudioCodecContext

    encoder = cast(AudioCodecContext, AudioCodecContext.create("aac", "w"))
    encoder.sample_rate, encoder.layout, encoder.format = rate, "stereo", "fltp"
    encoder.bit_rate = min(BIT_RATE, 5 * rate)
    encoder.time_base = Fraction(1, rate)
    found: dict[int, bytes] = {}
    for at in range(0, samples.shape[1], FRAME):
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, at : at + FRAME]), "fltp", "stereo")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
        found.update((packet.pts or 0, bytes(packet)) for packet in encoder.encode(frame))
    found.update((packet.pts or 0, bytes(packet)) for packet in encoder.encode(None))
    return [found[at] for at in range(0, samples.shape[1], FRAME)]
