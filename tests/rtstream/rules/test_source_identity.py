"""Sources that are the same however their URL is written, and those that are not."""

from __future__ import annotations

import pytest

from rtstream.rules.source_identity import identity_of, same_host
from rtstream.rules.source_urls import parse_source


def same(first: str, second: str) -> bool:
    return identity_of(parse_source(first)) == identity_of(parse_source(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rtsp://cam/a", "rtsp://cam:554/a"),
        ("rtsp://user:one@cam/a", "rtsp://other:two@cam/a"),
        ("rtsp://user:one@cam/a", "rtsp://cam/a"),
        ("RTSP://CAM/a", "rtsp://cam/a"),
        ("http://h/a.m3u8?x=1&y=2", "http://h/a.m3u8?y=2&x=1"),
        ("http://h/a.m3u8?x=1&x=1", "http://h/a.m3u8?x=1"),
        ("http://h/%7Ea", "http://h/~a"),
        ("http://h/a%2fb", "http://h/a%2Fb"),
        ("http://h/a.m3u8#part", "http://h/a.m3u8"),
        ("http://h", "http://h/"),
        ("push://Phone", "push://phone"),
    ],
)
def test_credentials_default_ports_spelling_and_order_do_not_count(first: str, second: str) -> None:
    assert same(first, second)
    assert same(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rtsp://cam/a", "rtsps://cam/a"),
        ("rtsp://cam/a", "rtsp://cam:8554/a"),
        ("rtsp://cam/a", "rtsp://cam/b"),
        ("rtsp://cam/a", "rtsp://cam/A"),
        ("rtsp://cam/a", "rtsp://cam/a/"),
        ("rtsp://cam/a?channel=1", "rtsp://cam/a?channel=2"),
        ("rtsp://cam/a?channel=1", "rtsp://cam/a"),
        ("http://h/a/b", "http://h/a%2Fb"),
        ("rtmp://h/live/one", "rtmp://h/live/two"),
        ("/media/a.ts", "/media/b.ts"),
    ],
)
def test_another_scheme_port_path_or_option_is_another_source(first: str, second: str) -> None:
    assert not same(first, second)


def test_hosts_are_compared_by_name_and_by_address() -> None:
    name, other = parse_source("rtsp://cam.example/a"), parse_source("rtsp://door.example/a")
    address = parse_source("rtsp://192.0.2.1/a")
    assert same_host(name, name, [], [])
    assert same_host(name, address, ["2001:db8::1", "192.0.2.1"], ["192.0.2.1"])
    assert same_host(name, other, ["192.0.2.1"], ["192.0.2.1"])
    assert not same_host(name, other, ["192.0.2.1"], ["192.0.2.2"])
    assert not same_host(name, other, [], [])


def test_two_sites_of_a_web_server_are_not_the_same() -> None:
    one, two = parse_source("https://one.example/live.m3u8"), parse_source("https://two.example/live.m3u8")
    assert not same_host(one, two, ["192.0.2.1"], ["192.0.2.1"])
    address = parse_source("https://192.0.2.1/live.m3u8")
    assert same_host(one, address, ["192.0.2.1"], ["192.0.2.1"])
