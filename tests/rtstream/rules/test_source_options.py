"""Options of a source URL: which a protocol takes, and which make the engine listen."""

from __future__ import annotations

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.source_options import (
    LEAST_BEGINNING,
    check_listening,
    invents_times,
    parse_ports,
    probing,
    rtsp_transport,
    sends_pictures,
)
from rtstream.rules.source_urls import parse_source


@pytest.mark.parametrize(
    ("url", "listens"),
    [
        ("tcp://cam:5000", False),
        ("tcp://cam:5000?listen=0", False),
        ("tcp://0.0.0.0:5000?listen", True),
        ("tcp://:5000?listen=1", True),
        ("tcp://[::]:5000?listen=2&listen_timeout=9", True),
        ("tcp://cam:5000/?listen=1", True),
        ("udp://:5000", True),
        ("udp://239.1.2.3:5000?sources=192.0.2.1", True),
        ("srt://cam:9000", False),
        ("srt://cam:9000?mode=caller&latency=20", False),
        ("srt://:9000?mode=listener", True),
        ("srt://cam:9000?latency=20&mode=rendezvous", True),
        ("http://cam:5000/?listen=1", False),
        ("rtsp://cam/x?udp", False),
    ],
)
def test_a_source_that_waits_for_a_sender_is_known_as_one(url: str, listens: bool) -> None:
    assert parse_source(url).listens is listens


@pytest.mark.parametrize(
    "url",
    [
        "tcp://cam:5000?listen=3",
        "tcp://cam:5000?listen=1&listen=0",
        "tcp://cam:5000?LISTEN=1",
        "tcp://cam:5000?local_port=80",
        "tcp://cam:5000?local_addr=10.0.0.1",
        "tcp://cam:5000?listen_timeout=x",
        "udp://cam:5000?localport=80",
        "udp://cam:5000?local_port=80",
        "udp://cam:5000?connect=1",
        "udp://239.1.2.3:5000?sources=evil.example",
        "udp://239.1.2.3:5000?localaddr=localhost",
        "srt://cam:9000?mode=server",
        "srt://cam:9000?mode=caller&mode=listener",
        "srt://cam:9000?mode=%6cistener",
        "srt://cam:9000?adapter=10.0.0.1",
        "srt://cam:9000?localport=80",
        "rtmp://cam/live/x?listen=1",
        "rtmp://cam/live/x?a=b&Listen",
        "rtmps://cam/live/x?rtmp_listen=1",
        "rtsp://cam/x?listen",
        "rtsp://cam/x?rtsp_flags=listen",
        "rtsp://cam/x?multicast",
        "rtsp://cam/x?http",
        "rtsp://cam/x?localaddr=10.0.0.1",
    ],
)
def test_an_option_that_changes_who_connects_to_whom_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as failure:
        parse_source(url)
    assert failure.value.message.endswith(".")


def test_listening_needs_a_port_that_the_setting_names() -> None:
    ports = parse_ports(" 5000, 9000-9010 ")
    for port in (5000, 9000, 9010):
        check_listening(port, ports)
    for port in (4999, 5001, 9011):
        with pytest.raises(InvalidRequest, match=f"RTSTREAM_LISTEN_PORTS={port}"):
            check_listening(port, ports)
    with pytest.raises(InvalidRequest):
        check_listening(5000, parse_ports(""))


@pytest.mark.parametrize("setting", ["0", "70000", "9010-9000", "all", "5000;5001", "-1", "50 00"])
def test_a_setting_that_names_no_port_is_refused(setting: str) -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_LISTEN_PORTS takes"):
        parse_ports(setting)


@pytest.mark.parametrize(
    ("query", "split"),
    [
        ("", ("", "tcp")),
        ("a=1&b", ("a=1&b", "tcp")),
        ("tcp", ("", "tcp")),
        ("a=1&udp&b=2", ("a=1&b=2", "udp")),
        ("rtstream_transport=udp&x", ("x", "udp")),
    ],
)
def test_the_transport_of_rtsp_is_taken_from_the_query(query: str, split: tuple[str, str]) -> None:
    assert rtsp_transport(query) == split


@pytest.mark.parametrize(("code", "invents"), [(0xB3, False), (0xBA, False), (0xBB, False), (0xB2, True), (0x09, True)])
def test_raw_video_invents_its_times_and_a_program_stream_does_not(code: int, invents: bool) -> None:
    assert invents_times(bytes([0, 0, 1, code, 0])) == invents


@pytest.mark.parametrize(
    ("schemes", "seconds"),
    [
        (("rtsp", "rtsps", "http", "https", "tcp", "udp", "srt"), 3),
        (("rtmp", "rtmps", "push"), 2),
        (("file", "", "s"), 0),
    ],
)
def test_opening_a_source_examines_a_few_seconds_of_media(schemes: tuple[str, ...], seconds: int) -> None:
    for scheme in schemes:
        options = probing(scheme)
        assert options.get("analyzeduration", "0") == f"{seconds * 1_000_000}"
        assert set(options) == ({"analyzeduration", "probesize"} if seconds else set())


@pytest.mark.parametrize("beginning", [b"\0\0\0\1\x67", b"\0\0\1\x67\x64", b"\0\0\0\1\x40", b"\xff\xd8\xff\xe0\0"])
def test_the_fewest_bytes_that_are_read_are_enough(beginning: bytes) -> None:
    assert len(beginning) == LEAST_BEGINNING
    assert invents_times(beginning)


@pytest.mark.parametrize(
    ("beginning", "content_type", "pictures"),
    [
        (b"--b\r\n", "", True),
        (b"\r\n--b", "", True),
        (b"\xff\xd8\xff\xe0", "", True),
        (b"Hello", "multipart/x-mixed-replace; boundary=b", True),
        (b"\0\0\0\0", "video/x-motion-jpeg", True),
        (b"\x47\x40\0", "video/mp2t", False),
        (b"\0\0\0\1g", "", False),
        (b"", "", False),
    ],
)
def test_pictures_are_known_by_their_beginning_or_their_type(
    beginning: bytes, content_type: str, pictures: bool
) -> None:
    assert sends_pictures(beginning, content_type) is pictures
