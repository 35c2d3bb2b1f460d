"""The audio that browsers lack, by its codec, and the numbers of AAC frames."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import av
import pytest
from av.audio.codeccontext import AudioCodecContext

from rtstream.rules.playback_audio import AAC_RATES, frames_of, unplayable_audio


@pytest.mark.parametrize(
    ("codecs", "lacking"),
    [
        ("avc1.42C00A,ac-3", "ac-3"),
        ("hvc1.1.6.L93.B0, ec-3", "ec-3"),
        ("mp4a.40.33,avc1.42C00A", "mp4a.40.33"),
        ("avc1.42C00A,alac", "alac"),
        ("mp4a.6B", "mp4a.6B"),
        ("avc1.42C00A,mp4a.40.1", "mp4a.40.1"),
        ("avc1.42C00A,mp4a.40.42", "mp4a.40.42"),
        ("avc1.42C00A,mp4a.40.2", None),
        ("avc1.42C00A,mp4a.40.5", None),
        ("mp4a.40.29", None),
        ("mp4a.67", None),
        ("avc1.42C00A,opus", None),
        ("av01.0.04M.08,fLaC", None),
        ("avc1.42C00A", None),
        ("", None),
    ],
)
def test_audio_that_browsers_lack_is_known_by_its_codec(codecs: str, lacking: str | None) -> None:
    assert unplayable_audio(codecs) == lacking


@pytest.mark.parametrize("rate", [48000, 44100, 22050])
def test_the_frames_of_consecutive_segments_meet(rate: int) -> None:
    times = [1_700_000_000.0 + n * 3.9170001 for n in range(50)]
    ranges = [frames_of(start, end, rate) for start, end in pairwise(times)]
    assert all(before[1] == after[0] for before, after in pairwise(ranges))


@pytest.mark.parametrize("index", range(len(AAC_RATES)))
def test_the_rates_of_aac_are_in_the_order_in_which_an_encoder_numbers_them(index: int) -> None:
    encoder = cast(AudioCodecContext, av.CodecContext.create("aac", "w"))
    encoder.sample_rate, encoder.layout, encoder.format = AAC_RATES[index], "mono", "fltp"
    encoder.open()
    assert encoder.extradata is not None
    # 5 bits of object type, then 4 bits of the index (ISO/IEC 14496-3, 1.6.2.1).
    assert int.from_bytes(encoder.extradata[:2], "big") >> 7 & 0xF == index
