"""Spoken sentences carry their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from rtstream.testsource import ClipSpec, read_sentence


def test_every_sentence_has_its_number(clip_of: Callable[[ClipSpec], Path]) -> None:
    path = clip_of(ClipSpec(width=160, height=90, fps=10, seconds=8, bitrate=50_000, voice="numbers"))
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        blocks = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    samples = np.concatenate([block.to_ndarray()[0] for block in blocks])
    said = [samples[at : at + 16_000] for at in range(1600, 8 * 16_000, 32_000)]
    assert [read_sentence(one, 16_000) for one in said] == [0, 1, 2, 3]
    assert read_sentence(said[2][8_000:], 16_000) == 2  # the second half of it


@pytest.mark.parametrize("hz", [0, 420, 100, 5000])
def test_audio_without_a_numbered_sentence_is_refused(hz: int) -> None:
    samples = (9000 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)).astype(np.int16)
    with pytest.raises(ValueError, match="audio is"):
        read_sentence(samples, 16_000)
