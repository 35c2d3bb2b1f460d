"""Forecasts of disk space."""

from __future__ import annotations

import pytest

from rtstream.rules.storage_forecast import (
    ASSUMED_FPS,
    AUDIO_BITS,
    BITS_PER_PIXEL,
    DEFAULT_PERCENT,
    OTHER_BITS_PER_PIXEL,
    ExpectedMedia,
    bound_bytes,
    bytes_per_day,
    sentence,
)


@pytest.mark.parametrize(
    ("media", "low", "high"),
    [
        (ExpectedMedia("h264", 1920, 1080, 15), 15, 40),
        (ExpectedMedia("hevc", 1920, 1080, 15), 8, 30),
        (ExpectedMedia("h264", 3840, 2160, None, has_audio=True), 100, 250),
        (ExpectedMedia(has_audio=True), 0.5, 2),
        (ExpectedMedia("h264"), 0, 0),
    ],
)
def test_unmeasured_media_are_estimated_by_their_size(media: ExpectedMedia, low: float, high: float) -> None:
    amount, measured = bytes_per_day(media, 0, 0.0)
    assert low <= amount / 1e9 <= high
    assert not measured


def test_a_recorded_minute_counts_more_than_the_estimate() -> None:
    assert bytes_per_day(ExpectedMedia("h264", 1920, 1080, 30), 60_000_000, 60.0) == (86.4e9, True)
    assert not bytes_per_day(ExpectedMedia("h264", 1920, 1080, 30), 60_000_000, 59.0)[1]


def test_a_bound_is_a_share_of_what_is_free_or_used_already() -> None:
    assert bound_bytes(80, 100, 900) == bound_bytes(80, 900, 100) == 800
    assert bound_bytes(0, 100, 900) is None


def test_the_sentence_states_the_bound_and_how_long_it_lasts() -> None:
    text = sentence(10e9, True, int(100e9), 80, 2)
    assert "10 GB per day (measured)" in text
    assert "80 %" in text
    assert "about 5 days" in text
    without = sentence(10e9, False, None, 0, 2)
    assert "keeps everything" in without
    assert "RTSTREAM_RETAIN_PERCENT=80" in without
    assert "is known once" in sentence(0, False, None, 0, 0)


RATE = "Recording takes about 10 GB per day (measured)."


@pytest.mark.parametrize(
    ("bound", "streams", "wanted"),
    [
        (100e9, 1, "80 % of the free space, 100 GB, about 10 days ("),
        (100e9, 2, "80 % of the free space, 100 GB, about 5 days ("),
        (100e9, 0, "80 % of the free space, 100 GB, about 10 days ("),
        (1234e6, 1, "80 % of the free space, 1.23 GB, about 1 days ("),
        (1e6, 4, "80 % of the free space, 0.001 GB, about 1 days ("),
        (0, 1, "80 % of the free space, 0 GB, about 1 days ("),
    ],
)
def test_the_bound_and_its_days_are_exact(bound: float, streams: int, wanted: str) -> None:
    text = sentence(10e9, True, int(bound), 80, streams)
    assert text.startswith(RATE)
    assert wanted in text


def test_without_a_bound_the_sentence_says_how_to_set_one() -> None:
    text = sentence(1.5e9, False, None, 0, 3)
    assert text.startswith("Recording takes about 1.5 GB per day (estimated).")
    assert "keeps everything" in text
    assert f"RTSTREAM_RETAIN_PERCENT={DEFAULT_PERCENT:g}" in text


def test_a_source_that_is_not_known_yet_has_no_rate_and_no_days() -> None:
    text = sentence(0.0, False, int(5e9), 50, 1)
    assert text.startswith("The space per day is known once")
    assert "50 % of the free space, 5 GB (RTSTREAM" in text


@pytest.mark.parametrize("codec", [*BITS_PER_PIXEL, "vp9", "mjpeg"])
def test_the_estimate_is_pixels_times_rate_plus_audio(codec: str) -> None:
    per_pixel = BITS_PER_PIXEL.get(codec, OTHER_BITS_PER_PIXEL)
    for fps, counted in ((10.0, 10.0), (60.0, 60.0), (120.0, 60.0), (None, ASSUMED_FPS)):
        for audio in (False, True):
            wanted = (640 * 480 * counted * per_pixel + AUDIO_BITS * audio) / 8 * 86400
            found, _ = bytes_per_day(ExpectedMedia(codec, 640, 480, fps, audio), 0, 0.0)
            assert found == pytest.approx(wanted)
    assert bytes_per_day(ExpectedMedia(codec, 640, None, 10.0, False), 0, 100.0) == (0.0, False)
