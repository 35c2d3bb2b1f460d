"""Playlists are filtered before they are opened."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.hls_playlist import filter_playlist, fragment_s, is_playlist


@pytest.mark.parametrize("attributes", ['A={}"x', "A={}", 'URI="{}', "{}!", 'A=" ,{}'])
def test_a_long_line_of_a_playlist_is_read_in_linear_time(attributes: str) -> None:
    for filler in (" ", "A", '"', "A=,"):
        line = attributes.replace("{}", filler * 100_000)
        began = time.monotonic()
        with suppress(InvalidRequest):
            filter_playlist(f"#EXTM3U\n#EXT-X-KEY:{line}\n".encode(), "http://a.example/live.m3u8")
        assert time.monotonic() - began < 10


BASE = "http://a.example/deep/live.m3u8?token=1"


def test_addresses_become_absolute_and_unknown_lines_are_left_out() -> None:
    text = (
        '#EXTM3U\r\n#EXT-X-MAP:URI="init.mp4",BYTERANGE="10@0"\r\n#EXTINF:4,\r\n/one.m4s\r\n'
        "#EXT-X-UNKNOWN:URI=x\n# a remark\n\x00#EXTINF:4,\nhttps://b.example/two.m4s"
    )
    assert filter_playlist(text.encode(), BASE).text.splitlines() == [
        "#EXTM3U",
        '#EXT-X-MAP:URI="http://a.example/deep/init.mp4",BYTERANGE="10@0"',
        "#EXTINF:4,",
        "http://a.example/one.m4s",
        "#EXTINF:4,",
        "https://b.example/two.m4s",
    ]


def test_variants_and_renditions_are_the_playlists_that_are_named() -> None:
    text = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="a.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\nother.ts\n'
    found = filter_playlist(text.encode(), BASE)
    assert found.playlists == ["http://a.example/deep/a.m3u8", "http://a.example/deep/v.m3u8"]


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "concat:a|b", "tcp://a.example:1", "crypto:http://a", "data:text/plain,x"]
)
def test_an_address_that_is_not_http_is_refused(address: str) -> None:
    for line in (address, f'#EXT-X-KEY:METHOD=AES-128,URI="{address}"'):
        with pytest.raises(InvalidRequest, match="playlist names an address"):
            filter_playlist(f"#EXTM3U\n{line}\n".encode(), BASE)


def test_only_mp4_has_fragments_of_a_known_length() -> None:
    assert fragment_s("#EXTM3U\n#EXT-X-TARGETDURATION:6\n") == 0.0
    assert fragment_s('#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI="i"') == 6.0
    assert fragment_s('#EXT-X-TARGETDURATION:999\n#EXT-X-MAP:URI="i"') == fragment_s('#EXT-X-MAP:URI="i"') == 20.0
    assert is_playlist(b"#EXTM3U8 x")
    assert not is_playlist(b"\xef\xbb\xbf#EXTM3U")


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["first.ts"], []),
        (["#EXTINF:4,", "first.ts", "second.ts"], []),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1", "v.m3u8", "other.m3u8"], ["v.m3u8"]),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1", "", "# a comment", "v.m3u8"], ["v.m3u8"]),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXTINF:4,", "v.m3u8"], ["v.m3u8"]),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-STREAM-INF:BANDWIDTH=2", "v.m3u8", "w.m3u8"], ["v.m3u8"]),
    ],
)
def test_only_the_address_after_a_variant_is_a_playlist(lines: list[str], named: list[str]) -> None:
    found = filter_playlist("\n".join(["#EXTM3U", *lines]).encode(), BASE)
    assert found.playlists == [f"http://a.example/deep/{name}" for name in named]
    assert filter_playlist("\n".join(lines).encode(), BASE).playlists == found.playlists
