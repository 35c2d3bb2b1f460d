"""The addresses at which publishers are accepted, and their stream keys."""

from __future__ import annotations

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.publisher_keys import ListenAddress, name_of_key, parse_listen, stream_key


def test_addresses_are_read_with_the_usual_port() -> None:
    assert parse_listen("") == []
    assert parse_listen("rtmp://0.0.0.0, rtmp://[::1]:2000/live,srt://0.0.0.0, srt://[::1]:2000/") == [
        ListenAddress("rtmp", "0.0.0.0", 1935),
        ListenAddress("rtmp", "::1", 2000),
        ListenAddress("srt", "0.0.0.0", 9000),
        ListenAddress("srt", "::1", 2000),
    ]


@pytest.mark.parametrize(
    "setting",
    [
        *("1935", "http://host", "rtmp://", "rtmp://host:99999", "rtmp://host/other"),
        *("srt://", "srt://host/live", "srt://host:9000?mode=listener"),
    ],
)
def test_something_else_is_refused_with_an_example(setting: str) -> None:
    with pytest.raises(InvalidRequest, match=r"rtmp://0\.0\.0\.0:1935 and srt://0\.0\.0\.0:9000"):
        parse_listen(setting)


def test_each_name_and_each_secret_have_a_key_of_their_own() -> None:
    names = ["phone", "obs", "drone"]
    assert len({stream_key(secret, name) for name in names for secret in (b"1", b"2")}) == 6
    for name in names:
        assert name_of_key(b"1", stream_key(b"1", name), names) == name
        assert name_of_key(b"1", f" {stream_key(b'1', name).upper()} ", names) == name
        assert name_of_key(b"2", stream_key(b"1", name), names) is None
    assert name_of_key(b"1", "ä", names) is None
