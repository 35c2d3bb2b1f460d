"""A master playlist is reduced to one variant and at most one audio rendition."""

from __future__ import annotations

import itertools

import pytest

from rtstream.rules.hls_variants import choose_variant
from rtstream.rules.track_choice import TrackWish

LOW = '#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x180,AUDIO="a"\nhttp://h/low'
MID = '#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=640x360,CODECS="avc1.4D401F,mp4a.40.2",AUDIO="a"\nhttp://h/mid'
HIGH = '#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=1280x720,AUDIO="a"\nhttp://h/high'
SOUND = '#EXT-X-STREAM-INF:BANDWIDTH=50000,CODECS="mp4a.40.2",AUDIO="a"\nhttp://h/sound'
ENGLISH = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English, 5.1",LANGUAGE="en",URI="http://h/en"'
GERMAN = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",DEFAULT=YES,URI="http://h/de"'
MUXED = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Original",LANGUAGE="fr"'
OTHERS = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="x",URI="http://h/s"'


def master(*parts: str) -> str:
    return "\n".join(["#EXTM3U", "#EXT-X-VERSION:7", *parts, ""])


def named(text: str) -> list[str]:
    """The addresses in a playlist, by their last part."""
    return [part.split('"')[0].strip() for line in text.splitlines() for part in line.split("http://h/")[1:]]


@pytest.mark.parametrize("order", list(itertools.permutations((LOW, MID, HIGH, SOUND))))
def test_the_largest_variant_is_left_whatever_the_order(order: tuple[str, ...]) -> None:
    found = choose_variant(master(*order), TrackWish())
    assert named(found.text) == ["high"]
    assert found.has_size
    assert [track.id for track in found.tracks if track.chosen] == [f"v{order.index(HIGH) + 1}"]


@pytest.mark.parametrize(
    ("wish", "left"),
    [(TrackWish(max_height=700), "mid"), (TrackWish(max_height=90), "low"), (TrackWish(video=1), "low")],
)
def test_a_smaller_variant_is_left_on_request(wish: TrackWish, left: str) -> None:
    assert named(choose_variant(master(LOW, HIGH, MID), wish).text) == [left]


def test_without_sizes_the_bandwidth_decides_and_a_failed_variant_is_avoided() -> None:
    text = master(*(f"#EXT-X-STREAM-INF:BANDWIDTH={n}00000\nhttp://h/{n}" for n in (2, 3, 1)))
    assert named(choose_variant(text, TrackWish()).text) == ["3"]
    found = choose_variant(text, TrackWish(), failed={"http://h/3", "http://h/2"})
    assert named(found.text) == ["1"]
    assert not found.others
    assert not found.has_size


@pytest.mark.parametrize(
    ("wish", "left", "language"),
    [
        (TrackWish(), ["de", "high"], "de"),
        (TrackWish(language="eng"), ["en", "high"], "en"),
        (TrackWish(language="fra"), ["high"], ""),  # its audio is in the variant
        (TrackWish(audio=1), ["en", "high"], "en"),
        (TrackWish(usual_language="en"), ["de", "high"], "de"),
    ],
)
def test_one_rendition_is_left(wish: TrackWish, left: list[str], language: str) -> None:
    found = choose_variant(master(ENGLISH, GERMAN, MUXED, OTHERS, LOW, HIGH), wish)
    assert named(found.text) == left
    assert found.language == language
    assert sum(track.chosen for track in found.tracks if track.kind == "audio") == 1
    assert next(track.name for track in found.tracks if track.kind == "audio") == "English, 5.1"


def test_renditions_are_numbered_within_their_group() -> None:
    other = GERMAN.replace('"a"', '"b"')
    found = choose_variant(master(other, ENGLISH, other, GERMAN, HIGH), TrackWish())
    assert [(one.id, one.language) for one in found.tracks if one.kind == "audio"] == [("a1", "en"), ("a2", "de")]


def test_without_audio_no_rendition_is_left_and_without_video_the_variant_of_audio() -> None:
    text = master(GERMAN, HIGH, SOUND)
    assert named(choose_variant(text, TrackWish(), ["video"]).text) == ["high"]
    assert named(choose_variant(text, TrackWish(), ["audio"]).text) == ["de", "sound"]


def test_of_one_variant_with_several_codecs_of_audio_the_widely_played_one_is_left() -> None:
    lines = [
        '#EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=640x360,CODECS="avc1.4D401F,ac-3",AUDIO="dolby"\nhttp://h/v',
        '#EXT-X-STREAM-INF:BANDWIDTH=800,RESOLUTION=640x360,CODECS="avc1.4D401F,mp4a.40.2",AUDIO="a"\nhttp://h/v',
    ]
    dolby = GERMAN.replace('"a"', '"dolby"').replace("h/de", "h/dolby")
    assert named(choose_variant(master(dolby, GERMAN, *lines), TrackWish()).text) == ["de", "v"]


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_entries_of_one_variant_that_play_widely_the_better_one_is_left(first: int) -> None:
    entries = [
        f'#EXT-X-STREAM-INF:BANDWIDTH={n}00,RESOLUTION=640x360,CODECS="avc1.4D401F,mp4a.40.2",AUDIO="a{n}"\nhttp://h/v'
        for n in (8, 9)
    ]
    text = master(GERMAN.replace('"a"', '"a9"'), *entries[first:], *entries[:first])
    assert named(choose_variant(text, TrackWish()).text) == ["de", "v"]


def test_a_media_playlist_stays_as_it_is() -> None:
    text = "#EXTM3U\n#EXTINF:4,\nhttp://h/1.ts\n"
    assert choose_variant(text, TrackWish()).text == text


def test_it_is_known_whether_the_playlist_states_a_size() -> None:
    def variant(more: str) -> str:
        return master(f"#EXT-X-STREAM-INF:BANDWIDTH=100000{more}\nhttp://h/1")

    assert choose_variant(variant(",RESOLUTION=1280x720"), TrackWish()).has_size
    assert not choose_variant(variant(""), TrackWish()).has_size
    assert not choose_variant(MEDIA, TrackWish()).has_size
    assert not choose_variant("", TrackWish()).has_size


MEDIA = "#EXTM3U\n#EXTINF:4,\n1.ts\n"


@pytest.mark.parametrize("lines", [1, 2])
def test_audio_that_browsers_lack_is_read_where_there_is_no_other(lines: int) -> None:
    text = master(
        *['#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=640x360,CODECS="avc1.4D401F,ec-3"\nhttp://h/only'] * lines
    )
    assert named(choose_variant(text, TrackWish()).text) == ["only"]
