"""Samples of fragments as tables of positions, sizes and times."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from rtstream.mp4.fragment_reader import each_fragment
from rtstream.mp4.fragments import find
from rtstream.mp4.moov import box
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import read_fragment, read_init
from tests.rtstream.mp4.conftest import FPS


@pytest.fixture(scope="session")
def moof(media: bytes) -> bytes:
    return next(each_fragment(io.BytesIO(media), "k", 0, len(media)))[1]


def test_the_samples_fill_the_media_data(recorded: StoredRecording, media: bytes, moof: bytes) -> None:
    tracks = read_init(recorded.init)
    samples = read_fragment(moof, tracks)
    size = sum(int(own.sizes.sum()) for own in samples.values())
    body = find(media, [b"mdat"], len(moof))
    assert body is not None
    assert size == body[1] - body[0]
    video = samples[1]
    assert (bool(video.sync[0]), int(video.sync.sum())) == (True, 1)
    assert np.unique(video.durations).tolist() == [tracks[1].timescale // FPS]
    assert np.array_equal(np.diff(video.decoded), video.durations[:-1])
    assert sum(count for _, count in video.chunks) == len(video.sizes)


def test_one_track_can_be_read_by_itself(recorded: StoredRecording, moof: bytes) -> None:
    assert set(read_fragment(moof, read_init(recorded.init), only=2)) == {2}


def test_the_format_ignores_estimated_bit_rates_only(recorded: StoredRecording) -> None:
    video = read_init(recorded.init)[1]
    at = recorded.init.find(b"btrt")
    if at >= 0:
        changed = recorded.init[: at + 4] + struct.pack(">III", 1, 2, 3) + recorded.init[at + 16 :]
        assert read_init(changed)[1].format == video.format
    profile = recorded.init.index(b"avcC") + 5
    other = recorded.init[:profile] + b"\x64" + recorded.init[profile + 1 :]
    assert read_init(other)[1].format != video.format


def test_what_is_malformed_is_an_error(recorded: StoredRecording, moof: bytes) -> None:
    with pytest.raises(ValueError, match="no moov"):
        read_init(box(b"free"))
    with pytest.raises(ValueError, match="no tkhd"):
        read_init(box(b"moov", box(b"trak")))
    with pytest.raises(ValueError, match="not a fragment"):
        read_fragment(box(b"mdat"), {})
    with pytest.raises(ValueError, match="does not declare"):
        read_fragment(moof, {})
    with pytest.raises(ValueError, match="does not name its track"):
        read_fragment(box(b"moof", box(b"traf")), {})
