"""Tracks are chosen by wish, then as the source prefers."""

from __future__ import annotations

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.track_choice import (
    OfferedTrack,
    TrackWish,
    choose_audio,
    choose_video,
    parse_tracks,
    same_language,
)

VIDEOS = [
    OfferedTrack(f"v{n}", "video", height=height, width=2 * height) for n, height in enumerate((360, 1080, 720), 1)
]


def spoken(*languages: str, default: int = 0) -> list[OfferedTrack]:
    """Audio tracks in these languages; the one with the number ``default`` is marked."""
    return [OfferedTrack(f"a{n}", "audio", language=one, is_default=n == default) for n, one in enumerate(languages, 1)]


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", TrackWish(max_height=480)),
        ("v2, A1", TrackWish(video=2, audio=1, max_height=480)),
        ("de-AT 720p" + " " * 30, TrackWish(language="de-at", max_height=720)),  # the longest
        ("de-AT 720p", TrackWish(language="de-at", max_height=720)),
    ],
)
def test_a_wish_is_read(text: str, wish: TrackWish) -> None:
    assert parse_tracks(text, 480) == wish


@pytest.mark.parametrize("text", ["v0", "video", "a1;v2", "720", "x" * 1000, "v1" + " " * 39])
def test_a_wish_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="ids of tracks"):
        parse_tracks(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("de", "ger", True), ("deu", "de-AT", True), ("zh_Hans", "chi", True), ("en", "es", False), ("", "", False)],
)
def test_codes_of_one_language_are_recognised(one: str, other: str, same: bool) -> None:
    assert same_language(one, other) is same


@pytest.mark.parametrize(
    ("wish", "chosen"),
    [
        (TrackWish(), "v2"),
        (TrackWish(max_height=800), "v3"),
        (TrackWish(max_height=1080), "v2"),
        (TrackWish(max_height=100), "v1"),
        (TrackWish(video=1), "v1"),
        (TrackWish(video=3, max_height=100), "v3"),
        (TrackWish(video=4), "v2"),
        (TrackWish(video=9), "v2"),
    ],
)
def test_the_largest_video_that_fits_is_chosen(wish: TrackWish, chosen: str) -> None:
    found = choose_video(VIDEOS, wish, lambda track: track)
    assert found is not None
    assert found.id == chosen


@pytest.mark.parametrize(
    ("wish", "default", "chosen"),
    [
        (TrackWish(), 2, "a2"),
        (TrackWish(language="fr"), 2, "a3"),
        (TrackWish(language="xx"), 2, "a2"),
        (TrackWish(audio=1), 2, "a1"),
        (TrackWish(usual_language="fr"), 2, "a2"),
        (TrackWish(usual_language="fr"), 0, "a3"),
        (TrackWish(), 0, "a1"),
    ],
)
def test_the_wished_audio_then_the_default_then_the_usual_language_is_chosen(
    wish: TrackWish, default: int, chosen: str
) -> None:
    tracks = spoken("eng", "deu", "fra", default=default)
    found = choose_audio(tracks, wish, lambda track: track, tracks[default - 1] if default else tracks[0])
    assert found is not None
    assert found.id == chosen


@pytest.mark.parametrize(
    ("audio", "chosen"), [(-1, "a2"), (0, "a2"), (1, "a1"), (2, "a2"), (3, "a3"), (4, "a2"), (99, "a2")]
)
def test_a_number_that_the_source_does_not_have_is_ignored(audio: int, chosen: str) -> None:
    tracks = spoken("eng", "deu", "fra", default=2)
    found = choose_audio(tracks, TrackWish(audio=audio), lambda track: track, tracks[1])
    assert found is not None
    assert found.id == chosen
    none: list[OfferedTrack] = []
    assert choose_audio(none, TrackWish(audio=audio), lambda track: track, None) is None


def test_what_a_source_does_not_state_of_a_track_counts_as_nothing() -> None:
    bare = OfferedTrack("v1", "video")
    assert (bare.width, bare.height, bare.bit_rate, bare.is_default, bare.chosen) == (0, 0, 0, False, False)
    assert TrackWish() == TrackWish(video=0, audio=0, language="", max_height=0, usual_language="")
    least = OfferedTrack("v2", "video", width=1, height=1)
    found = choose_video([bare, least], TrackWish(), lambda track: track)
    assert found is least
