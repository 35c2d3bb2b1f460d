"""Mono audio for speech recognition, from any pair of channels."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler

from rtstream.rules.mono import layout_for, to_mono

TONE = np.rint(8000 * np.sin(np.arange(4800) / 8)).astype(np.int16)
SILENCE = np.zeros_like(TONE)


@pytest.mark.parametrize(
    ("left", "right", "loudest"),
    [(TONE, -TONE, 8000), (TONE, TONE, 8000), (TONE, SILENCE, 4000), (SILENCE, TONE, 4000), (TONE, -(TONE // 2), 2000)],
)
def test_sound_of_either_channel_is_heard_whatever_its_phase(left: np.ndarray, right: np.ndarray, loudest: int) -> None:
    mono = to_mono(np.stack([left, right], axis=1).reshape(-1), 2)
    assert len(mono) == len(TONE)
    assert np.abs(mono).max() >= loudest - 2


def test_silence_stays_silent() -> None:
    assert not to_mono(np.zeros(960, np.int16), 2).any()
    assert to_mono(np.zeros(0, np.int16), 2).size == 0


def test_the_codec_library_keeps_both_channels_until_they_are_mixed() -> None:
    frame = av.AudioFrame.from_ndarray(np.stack([TONE, -TONE], axis=1).reshape(1, -1), "s16", "stereo")
    frame.sample_rate = 48_000
    resampler = AudioResampler(format="s16", layout=layout_for(frame.layout.nb_channels), rate=16_000)
    found = [to_mono(part.to_ndarray()[0], part.layout.nb_channels) for part in resampler.resample(frame)]
    assert np.abs(np.concatenate(found)).max() > 7000
