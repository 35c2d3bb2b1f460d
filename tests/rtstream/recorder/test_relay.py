"""Sources over TLS, and RTMP: the checked address is used, and the name is verified and announced."""

import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.relay import silence_of
from rtstream.recorder.source import open_source
from rtstream.rules.rtmp import application
from rtstream.testsource.live import LiveSource
from tests.rtstream.recorder.hostile import ALLOWED_HOST
from tests.rtstream.recorder.test_rtsp_relay import attempt, packets, spec
from tests.waiting import eventually_sync


@contextmanager
def over_tls(target: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """A TLS server for ``localhost`` in front of a clear one. Yields its port and certificate."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    parts = urlsplit(target)
    server = socket.create_server((ALLOWED_HOST, 0))
    open_sockets: list[socket.socket] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            open_sockets.append(connection)
            with suppress(OSError):
                secure = context.wrap_socket(connection, server_side=True)
                open_sockets.append(secure)
                clear = socket.create_connection((parts.hostname or "", parts.port or 0))
                open_sockets.append(clear)
                for pair in ((secure, clear), (clear, secure)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[1], certificate
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for each in open_sockets:
            each.close()


def test_rtsps_is_verified_for_the_name_in_the_url(
    live_source: LiveSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with over_tls(live_source.rtsp_url, tmp_path) as (port, certificate):
        path = urlsplit(live_source.rtsp_url).path
        with pytest.raises(SourceFailed, match="certificate") as failed:
            open_source(spec(f"rtsps://localhost:{port}{path}", tmp_path, allow_networks="loopback"))
        assert failed.value.lasting
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(SourceFailed, match="certificate"):
            open_source(spec(f"rtsps://{ALLOWED_HOST}:{port}{path}", tmp_path))
        source = open_source(spec(f"rtsps://localhost:{port}{path}", tmp_path, allow_networks="loopback"))
        assert packets(source, 40) == 40
        source.close()
        unverified = spec(f"rtsps://{ALLOWED_HOST}:{port}{path}", tmp_path, tls_verify=False)
        source = open_source(unverified)
        assert packets(source, 10) == 10
        source.close()


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        "/live/cam",
        "/live/inst/cam?k=a/b",
        "/live/mp4:dir/cam.mp4",
        "/ondemand/a/b",
        "/cam",
        "/a/b/c/d",
        "/a/b?slist=c/d",
    ],
)
def test_rtmp_connects_to_the_checked_address_and_announces_the_name(
    target: str, secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, heard = bytearray(), threading.Event()
    server = socket.create_server((ALLOWED_HOST, 0))

    def serve() -> None:
        connection, _ = server.accept()
        connection.settimeout(5)
        with connection, suppress(OSError):
            asked = b""
            while len(asked) < 1537:
                asked += connection.recv(4096)
            connection.sendall(b"\x03" + bytes(1536) + asked[1:1537])
            while b"tcUrl" not in said or len(said) < 1536 + 200:
                data = connection.recv(4096)
                if not data:
                    break
                said.extend(data)
        heard.set()

    thread = threading.Thread(target=serve)
    thread.start()
    with server, over_tls(f"tcp://{ALLOWED_HOST}:{server.getsockname()[1]}", tmp_path) as (port, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        port = port if secure else server.getsockname()[1]
        scheme = "rtmps" if secure else "rtmp"
        attempt(f"{scheme}://localhost:{port}{target}", tmp_path, allow_networks="loopback")
        assert heard.wait(10)
        thread.join(10)
    text = re.sub(rb"(?s)\xc3", b"", bytes(said)).decode("latin-1")
    assert f"{scheme}://localhost:{port}/{application(target)}" in text
    assert re.search(rf"app\x02\x00.{re.escape(application(target))}\x00", text, re.S) or not application(target)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows when a connection last received data")
def test_the_silence_of_a_connection_is_that_of_its_peer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        peer, _ = server.accept()
        with peer:
            assert eventually_sync(lambda: silence_of(ours.fileno()), lambda found: found > 0.2) < 10
            ours.sendall(b"our own data does not count")
            assert silence_of(ours.fileno()) > 0.2
            peer.sendall(b"data")
            assert eventually_sync(lambda: silence_of(ours.fileno()), lambda found: found == 0.0) == 0.0
            ours.recv(100)
            assert silence_of(ours.fileno()) < 5
            assert eventually_sync(lambda: silence_of(ours.fileno()), lambda found: found > 0.2) > 0.2
