"""Sources are opened with limits, on checked addresses, or refused with a reason."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.inputs import NO_PROTOCOL, dialer_of, prepare


def spec(url: str, **options: object) -> RecorderSpec:
    given = {"allow_networks": "loopback", "stall_timeout_s": 2.0, "open_timeout_s": 2.0} | options
    return RecorderSpec("rts-1", url, ["video"], True, "/nowhere", **given)  # pyright: ignore[reportArgumentType]


def test_a_file_may_lead_to_no_other_protocol(tmp_path: Path) -> None:
    opened = prepare(spec((tmp_path / "a clip.mp4").as_uri()))
    assert opened.file == f"file:{tmp_path / 'a clip.mp4'}"
    assert opened.options["protocol_whitelist"] == "file"
    assert "hls" not in opened.options["format_whitelist"].split(",")


def test_rtmp_connects_to_the_address_and_announces_the_name() -> None:
    opened = prepare(spec("rtmp://localhost/live/key"))
    assert opened.file in ("rtmp://127.0.0.1:1935/live/key", "rtmp://[::1]:1935/live/key")
    assert opened.options["rtmp_tcurl"] == "rtmp://localhost:1935/live"
    assert opened.options["protocol_whitelist"] == "rtmp,tcp"
    assert int(opened.options["analyzeduration"]) > 0


@contextmanager
def datagrams_to(port: int) -> Iterator[None]:
    """Send packets of a transport stream to a port of this computer meanwhile."""
    ended = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not ended.wait(0.02):
                sender.sendto((b"G" + bytes(187)) * 7, ("127.0.0.1", port))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
def test_datagrams_are_received_on_the_address_of_the_url_only() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with datagrams_to(port):
        opened = prepare(spec(f"udp://127.0.0.1:{port}", listen_ports="1-65535"))
    try:
        assert (opened.format, opened.datagrams) == ("mpegts", False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
            other.bind(("127.0.0.2", port))
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("udp://127.0.0.1:5004", "RTSTREAM_LISTEN_PORTS"),
        ("tcp://10.0.0.1:9", "private"),
        ("gopher://h/x", "must begin with one of"),
        ("rtsp://", "host"),
    ],
)
def test_what_may_not_be_opened_is_refused_for_good(url: str, words: str) -> None:
    with pytest.raises(SourceFailed, match=words) as refused:
        prepare(spec(url))
    assert refused.value.lasting


def test_tcp_is_read_here_and_opened_again_from_its_newest_bytes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"\xff\xd8\xff" + bytes(5000))

        thread = threading.Thread(target=send)
        thread.start()
        opened = prepare(spec(f"tcp://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert opened.buffer is opened.file
    assert opened.options["protocol_whitelist"] == NO_PROTOCOL
    assert opened.options["fpsprobesize"] == "0"  # MJPEG has no times of its own
    opened.begin_again("mpegts")
    assert int(opened.options["probesize"]) >= 4096
    opened.close()


def test_a_listener_that_nobody_connects_to_gives_up() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}?listen=1&listen_timeout=50"
    with pytest.raises(SourceFailed, match=r"no sender connected .* within 0\.05 s"):
        prepare(spec(url, listen_ports=str(port)))


def test_the_dialer_has_the_limits_of_the_specification() -> None:
    dialer = dialer_of(spec("rtsp://h/x", tls_verify=False))
    assert (dialer.timeout_s, dialer.tls_verify) == (2.0, False)
    assert dialer_of(spec("rtsp://h/x"), 7.0).timeout_s == 7.0
