"""RTSP: no response of a server leads the recorder to another address, and servers see the same client as before."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.login import parameters
from rtstream.recorder.source import Source, open_source
from rtstream.testsource.live import LiveSource
from tests.rtstream.recorder.hostile import ALLOWED_HOST, FORBIDDEN_HOST, ONLY_ALLOWED, forbidden

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.2\r\ns=x\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)


@dataclass
class Camera:
    """An RTSP server without media. ``special`` may return the lines of a response instead of the usual one."""

    special: Callable[[str, dict[str, str]], list[str] | None] = lambda method, headers: None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @contextmanager
    def served(self) -> Iterator[int]:
        """Serve it on the allowed address. Yields the port."""
        server = socket.create_server((ALLOWED_HOST, 0))
        threads = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threads.append(threading.Thread(target=self._talk, args=(connection,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            accepting.join()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream, suppress(OSError):
            while start := stream.readline().decode().strip():
                headers = {}
                while line := stream.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                self.requests.append((start, headers))
                method = start.split()[0]
                answer = self.special(method, headers) or self._usual(method, headers)
                head, _, body = "\r\n".join(answer).partition("\r\n\r\n")
                stream.write(f"{head}\r\nCSeq: {headers.get('cseq', '')}\r\n\r\n{body}".encode())
                stream.flush()

    def _usual(self, method: str, headers: dict[str, str]) -> list[str]:
        if method == "DESCRIBE":
            return ["RTSP/1.0 200 OK", "Content-Type: application/sdp", f"Content-Length: {len(SDP)}", "", SDP]
        if method == "SETUP":
            return ["RTSP/1.0 200 OK", "Session: 1", f"Transport: {headers['transport']}"]
        return ["RTSP/1.0 200 OK", "Session: 1"]


def spec(url: str, folder: Path, **settings: Any) -> RecorderSpec:
    return RecorderSpec("rts-test", url, ["video"], True, str(folder), 4.0, 1.0, 4.0, **(ONLY_ALLOWED | settings))


def attempt(url: str, folder: Path, **settings: Any) -> None:
    """Open a source that sends nothing, whether or not that counts as open."""
    with suppress(SourceFailed):
        open_source(spec(url, folder, **settings)).close()


def packets(source: Source, number: int) -> int:
    found = 0
    for packet in source.container.demux(source.video):
        found += bool(packet.size)
        if found == number:
            break
    return found


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize("status", [301, 302, 305])
def test_a_redirect_to_an_address_that_is_not_allowed_is_not_followed(method: str, status: int, tmp_path: Path) -> None:
    with forbidden() as listener:
        there = f"rtsp://{FORBIDDEN_HOST}:{listener.port}/x"
        camera = Camera(
            lambda asked, _: [f"RTSP/1.0 {status} Moved", f"Location: {there}"] if asked == method else None
        )
        with camera.served() as port, pytest.raises(SourceFailed, match=f"the host is at {FORBIDDEN_HOST}"):
            open_source(spec(f"rtsp://{ALLOWED_HOST}:{port}/live", tmp_path))
        assert not listener.connected.is_set()


@pytest.mark.parametrize("location", ["http://127.0.0.1/x", "file:///etc/passwd", "", "rtsp://127.0.0.1:1[::1]:2/x"])
def test_a_redirect_to_another_protocol_is_an_error(location: str, tmp_path: Path) -> None:
    camera = Camera(lambda method, _: ["RTSP/1.0 302 Moved", f"Location: {location}"] if method == "DESCRIBE" else None)
    with camera.served() as port, pytest.raises(SourceFailed, match="not an rtsp://"):
        open_source(spec(f"rtsp://{ALLOWED_HOST}:{port}/live", tmp_path))


def test_an_endless_redirect_ends(tmp_path: Path) -> None:
    camera = Camera(lambda method, _: ["RTSP/1.0 302 Moved", f"Location: rtsp://{ALLOWED_HOST}:{port}/again"])
    with camera.served() as port, pytest.raises(SourceFailed, match="redirects more than"):
        open_source(spec(f"rtsp://{ALLOWED_HOST}:{port}/live", tmp_path))
    assert len(camera.requests) <= 7


def test_a_redirect_to_an_allowed_address_is_followed_without_the_credentials(
    live_source: LiveSource, tmp_path: Path
) -> None:
    camera = Camera(lambda method, _: ["RTSP/1.0 302 Moved", f"Location: {live_source.rtsp_url}"])
    with camera.served() as port:
        source = open_source(spec(f"rtsp://user:secret@{ALLOWED_HOST}:{port}/live", tmp_path))
        assert packets(source, 20) == 20
        source.close()
    assert len(camera.requests) == 1


@pytest.mark.parametrize("transport", ["", "?udp"])
@pytest.mark.parametrize(
    ("line", "head"),
    [
        ("a=control:rtsp://{there}/track1", ""),
        ("a=control:http://{there}/track1", ""),
        ("a=control://{there}/track1", ""),
        ("a=control:track1", "Content-Base: rtsp://{there}/"),
        ("a=control:track1", "Content-Location: rtsp://{there}/"),
        ("a=control:track1\r\na=rtcp:{port} IN IP4 {host}", ""),
        ("a=control:track1\r\nc=IN IP4 {host}/127", ""),
        ("a=control:track1\r\na=source-filter: incl IN IP4 * {host}", ""),
    ],
)
def test_a_session_description_leads_to_no_other_host(line: str, head: str, transport: str, tmp_path: Path) -> None:
    with forbidden() as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((FORBIDDEN_HOST, listener.port))
        named = {"there": f"{FORBIDDEN_HOST}:{listener.port}", "host": FORBIDDEN_HOST, "port": listener.port}
        body = SDP.replace("m=video 0", f"m=video {listener.port}").replace("a=control:track1", line.format(**named))

        def special(method: str, _: dict[str, str]) -> list[str] | None:
            if method != "DESCRIBE":
                return None
            more = [head.format(**named)] if head else []
            length = f"Content-Length: {len(body)}"
            return ["RTSP/1.0 200 OK", "Content-Type: application/sdp", *more, length, "", body]

        camera = Camera(special)
        with camera.served() as port:
            attempt(f"rtsp://{ALLOWED_HOST}:{port}/live{transport}", tmp_path)
        assert any(start.startswith("DESCRIBE") for start, _ in camera.requests)
        assert not listener.connected.is_set()
        datagrams.setblocking(False)
        with pytest.raises(BlockingIOError):
            datagrams.recv(2048)


def test_packets_go_to_the_server_that_was_connected_to(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as right,
    ):
        try:
            theirs.bind((FORBIDDEN_HOST, 0))
        except OSError:
            pytest.skip("this machine has no second loopback address")
        number = theirs.getsockname()[1]
        right.bind((ALLOWED_HOST, number))

        def special(method: str, headers: dict[str, str]) -> list[str] | None:
            if method != "SETUP":
                return None
            transport = f"{headers['transport']};server_port={number}-{number + 1};source={FORBIDDEN_HOST}"
            return ["RTSP/1.0 200 OK", "Session: 1", f"Transport: {transport};destination={FORBIDDEN_HOST}"]

        with Camera(special).served() as port:
            attempt(f"rtsp://{ALLOWED_HOST}:{port}/live?udp", tmp_path)
        right.settimeout(5)
        assert right.recv(2048)  # what opens a firewall
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(2048)


def test_a_server_sees_the_name_and_path_of_the_url(tmp_path: Path) -> None:
    camera = Camera()
    with camera.served() as port:
        place = f"rtsp://localhost:{port}/Live/ch{{1}}?a=b&subtype=0"
        attempt(place.replace("?", "?tcp&"), tmp_path, allow_networks="loopback")
    asked = {start.split()[0]: start.split()[1] for start, _ in camera.requests}
    assert asked["OPTIONS"] == asked["DESCRIBE"] == asked["PLAY"] == place
    assert asked["SETUP"] == f"{place}/track1"


@pytest.mark.parametrize("algorithm", ["", "MD5"])
@pytest.mark.parametrize("qop", ["", "auth"])
def test_digest_credentials_are_those_of_the_url_that_the_server_sees(algorithm: str, qop: str, tmp_path: Path) -> None:
    challenge = 'WWW-Authenticate: Digest realm="cam", nonce="n0", opaque="o"'
    challenge += (f", algorithm={algorithm}" if algorithm else "") + (f', qop="{qop}"' if qop else "")

    def special(method: str, headers: dict[str, str]) -> list[str] | None:
        return None if "authorization" in headers else ["RTSP/1.0 401 Unauthorized", challenge]

    camera = Camera(special)
    with camera.served() as port:
        attempt(f"rtsp://us%40er:p%3Aw@{ALLOWED_HOST}:{port}/live?x=1", tmp_path)
    seen = set()
    for start, headers in camera.requests:
        if "authorization" not in headers:
            continue
        method, uri, _ = start.split()
        fields = parameters(headers["authorization"])
        assert fields["uri"] == uri
        ha1, ha2 = (hashlib.md5(text.encode()).hexdigest() for text in ("us@er:cam:p:w", f"{method}:{uri}"))
        middle = f"n0:{fields['nc']}:{fields['cnonce']}:auth" if qop else "n0"
        assert fields["response"] == hashlib.md5(f"{ha1}:{middle}:{ha2}".encode()).hexdigest()
        seen.add(method)
    assert {"OPTIONS", "DESCRIBE", "SETUP", "PLAY"} <= seen


def test_a_stream_that_plays_over_tcp_costs_no_relay(live_source: LiveSource, tmp_path: Path) -> None:
    before = threading.active_count()
    source = open_source(spec(live_source.rtsp_url, tmp_path))
    try:
        assert packets(source, 60) == 60
        assert not [thread for thread in threading.enumerate() if thread.name == "relay"]
        assert threading.active_count() <= before + 1
    finally:
        source.close()
