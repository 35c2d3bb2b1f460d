"""Audio that MP4 has no place for is stored as AAC, at the times at which it was heard."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from numpy.typing import NDArray

from rtstream.recorder.audio_encoder import AudioEncoder, is_recordable
from rtstream.rules.audio_format import AudioFormat

TONES = (0.5, 1.5, 2.5)
"""Seconds at which tones of a quarter of a second begin."""


def tones(path: Path, codec: str, rate: int, channels: int) -> Path:
    times = np.arange(3 * rate) / rate
    heard = ((times - 0.5) % 1 < 0.25) & (times > 0.25)
    samples = (8000 * heard * np.sin(2 * np.pi * 600 * times)).astype(np.int16)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=rate, options={"strict": "experimental"})
        stream.layout = "mono" if channels == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(np.repeat(samples, channels)[None], "s16", stream.layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        size = stream.codec_context.frame_size or rate // 50
        resampler = av.AudioResampler(stream.codec_context.format.name, stream.layout, rate, size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode())
    return path


def encoded(
    source: Path, change: Callable[[Packet], bool] = lambda _: True
) -> tuple[NDArray[np.float32], NDArray[np.float64], str]:
    """The samples of the stored file with the time of each, and its codec.

    ``change`` may change a packet, and returns whether it is sent.
    """
    file = io.BytesIO()
    with av.open(str(source)) as container, av.open(file, "w", format="mp4", options={"use_editlist": "0"}) as muxer:
        (audio,) = container.streams.audio
        rate = audio.codec_context.sample_rate
        encoder = AudioEncoder(muxer, audio, AudioFormat(rate, audio.codec_context.layout.nb_channels))
        for packet in container.demux(audio):
            if packet.pts is None or not change(packet):
                continue
            packet.pts = packet.dts = round(packet.pts * packet.time_base * rate)
            packet.time_base = Fraction(1, rate)
            muxer.mux([one for one in encoder.encode(packet, 0) if one.dts is not None and one.dts >= 0])
        muxer.mux(list(encoder.finish()))
    with av.open(io.BytesIO(file.getvalue()), "r") as container:
        frames = list(container.decode(audio=0))
        name = container.streams.audio[0].codec_context.codec.canonical_name
    samples = [frame.to_ndarray()[0] for frame in frames]
    times = [
        float((frame.pts or 0) * (frame.time_base or 0)) + np.arange(frame.samples) / frame.rate for frame in frames
    ]
    return np.concatenate(samples), np.concatenate(times), name


def beginnings(samples: NDArray[np.float32], times: NDArray[np.float64]) -> list[float]:
    """The times at which it becomes loud after a silence."""
    loud = times[np.abs(samples) > 0.05]
    later = loud[1:][np.diff(loud) > 0.2]
    return [float(at) for at in (loud[0], *later)]


@pytest.mark.parametrize(
    ("codec", "suffix", "rate", "channels"),
    [
        ("pcm_alaw", "mov", 8000, 1),
        ("pcm_mulaw", "mov", 8000, 2),
        ("pcm_s16be", "mov", 44100, 2),
        ("g722", "wav", 16000, 1),
        ("vorbis", "ogg", 48000, 2),
        ("nellymoser", "flv", 22050, 1),
        ("libopencore_amrnb", "amr", 8000, 1),
    ],
)
def test_audio_is_stored_as_aac_at_its_times(codec: str, suffix: str, rate: int, channels: int, tmp_path: Path) -> None:
    samples, times, name = encoded(tones(tmp_path / f"tones.{suffix}", codec, rate, channels))
    assert name == "aac"
    assert beginnings(samples, times) == pytest.approx(TONES, abs=0.015)  # coded speech is heard a little later
    assert len(samples) == pytest.approx(3 * rate, abs=3000)


def test_a_gap_between_packets_stays_a_gap(tmp_path: Path) -> None:
    source = tones(tmp_path / "tones.mov", "pcm_alaw", 8000, 1)
    samples, times, _ = encoded(source, lambda packet: not 0.9 < (packet.pts or 0) * packet.time_base < 2.2)
    assert beginnings(samples, times) == pytest.approx([0.5, 2.5], abs=0.01)


def test_packets_of_a_time_that_was_sent_before_are_left_out(tmp_path: Path) -> None:
    def repeat(packet: Packet) -> bool:
        at = (packet.pts or 0) * packet.time_base
        if 1.2 < at < 1.4:
            packet.pts = round((at - 1) / packet.time_base)
        return True

    samples, times, _ = encoded(tones(tmp_path / "tones.mov", "pcm_alaw", 8000, 1), repeat)
    assert beginnings(samples, times) == pytest.approx(TONES, abs=0.01)
    assert len(samples) == pytest.approx(3 * 8000, abs=3000)


def test_what_cannot_be_stored_is_known_before() -> None:
    assert is_recordable("aac", 7350)
    assert is_recordable("pcm_mulaw", 8000)
    assert not is_recordable("pcm_mulaw", 8001)
    assert is_recordable("speex", 16000)
    assert not is_recordable("adpcm_g726", 8000)
