"""Forecasts of disk space."""

from __future__ import annotations

import pytest

from rtstream.rules.storage_forecast import ExpectedMedia, bound_bytes, bytes_per_day, sentence


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
