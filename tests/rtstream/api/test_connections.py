"""A client that only waits is disconnected, and takes no connection from other clients."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.to_thread import run_sync
from websockets.asyncio.client import connect

from rtstream.api.connections import Timeouts
from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

KEY = "sk-test-key-of-the-connections"
SHORT = Timeouts(handshake_s=0.5, headers_s=0.5, idle_s=0.5, body_s=0.5, unread_s=0.5, ping_s=0.3)


@asynccontextmanager
async def serving(folder: Path, timeouts: Timeouts = SHORT, **settings: Any) -> AsyncIterator[str]:
    """An engine served on a port of its own; yields the URL."""
    stop, ready, urls = anyio.Event(), anyio.Event(), list[str]()

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    async with (
        Engine(EngineConfig(data_dir=folder, api_key=KEY, local_vision=False, **settings)) as engine,
        anyio.create_task_group() as tasks,
    ):

        async def run() -> None:
            await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=stop, timeouts=timeouts)

        tasks.start_soon(run)
        with anyio.fail_after(10):
            await ready.wait()
        yield urls[0]
        stop.set()


@contextmanager
def opened(url: str, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    port = httpx.URL(url).port
    assert port
    with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0)) as client:
        yield client


def ended_after(client: socket.socket, drip: bytes = b"", first: bytes = b"") -> float:
    """Send ``first``, then a byte of ``drip`` every 50 ms; seconds until the server closes the connection."""
    began = time.monotonic()
    client.settimeout(0.05)
    sent = 0
    while time.monotonic() - began < 8:
        try:
            if first:
                client.sendall(first)
                first = b""
            elif drip:
                client.sendall(drip[sent % len(drip) : sent % len(drip) + 1])
                sent += 1
            while client.recv(65536):
                pass
            return time.monotonic() - began
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
    raise AssertionError("the server kept the connection")


GET = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
POST = b"POST /rtstream HTTP/1.1\r\nhost: x\r\nx-access-token: " + KEY.encode() + b"\r\ncontent-length: 100000\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"", b""),
        (b"", b"GET /health HTTP/1.1\r\nx: " + b"a" * 1000),
        (b"GET /health HTTP/1.1\r\n", b""),
        (b"GET /health HTTP/1.1\r\n", b"a: b\r\n"),
        (b"\r\n", b"\r\n"),
        (GET, b""),
        (GET, b"GET /health HTTP/1.1\r\nx: " + b"a" * 1000),
        (GET + GET + b"GET /", b""),
        (POST, b""),
        (POST, b" "),
        (POST.replace(KEY.encode(), b"wrong"), b" "),
        (POST.replace(b"content-length: 100000", b"transfer-encoding: chunked"), b"1\r\n \r\n"),
        (UPGRADE, b""),
        (UPGRADE, b"x: y\r\n"),
        (UPGRADE + b"\r\n", b""),
    ],
)
async def test_a_client_that_never_finishes_its_request_is_disconnected(
    tmp_path: Path, first: bytes, drip: bytes
) -> None:
    async with serving(tmp_path) as url:
        with opened(url) as client:
            assert await run_sync(ended_after, client, drip, first) < 3
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/health")).status_code == 200


async def test_a_slow_upload_that_makes_progress_is_read_to_its_end(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b" " * 4096
            await anyio.sleep(0.1)
        yield b"{}"

    async with serving(tmp_path) as url, httpx.AsyncClient(base_url=url, headers={"x-access-token": KEY}) as http:
        answer = await http.post("/rtstream", content=body())
    assert answer.status_code == 400
    assert "url is missing" in answer.text


async def test_a_silent_websocket_is_dropped_and_one_that_answers_pings_stays(tmp_path: Path) -> None:
    async with serving(tmp_path) as url, httpx.AsyncClient(base_url=url, headers={"x-access-token": KEY}) as http:
        address = (await http.get("/collection/default/websocket")).json()["data"]["websocket_url"]
        async with connect(address, ping_interval=None) as alive:
            with opened(url) as silent:
                key = b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                asked = UPGRADE.replace(b"/ws", address[address.index("/ws") :].encode()) + key
                assert await run_sync(ended_after, silent, b"", asked) < 4
            await alive.recv()
            with anyio.move_on_after(0.7):
                await alive.recv()  # raises when the server has closed it
            assert alive.close_code is None


async def test_half_open_connections_make_room_for_a_client_that_asks(tmp_path: Path) -> None:
    patient = Timeouts(headers_s=60, idle_s=60)
    async with serving(tmp_path, patient, max_connections_per_address=20) as url:
        with ExitStack() as stack:
            held = [stack.enter_context(opened(url)) for _ in range(100)]
            with anyio.fail_after(5):
                async with httpx.AsyncClient(base_url=url) as http:
                    assert (await http.get("/health")).status_code == 200
            assert await run_sync(ended_after, held[0]) < 2  # the oldest made room


async def test_an_address_with_all_its_connections_at_work_does_not_keep_others_out(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, Timeouts(), max_connections_per_address=8) as url,
        httpx.AsyncClient(base_url=url, headers={"x-access-token": KEY}, timeout=10) as http,
        anyio.create_task_group() as waits,
    ):

        async def wait() -> None:
            while True:  # a connection that has not asked yet may have to make room for the ninth
                with suppress(httpx.TransportError):
                    await http.get("/rtstream/journal", params={"wait_s": 30, "since": 10**6})

        for _ in range(8):
            waits.start_soon(wait)

        async def refused() -> bool:
            with opened(url) as ninth:
                ninth.sendall(GET)
                ninth.settimeout(1)
                try:
                    return not await run_sync(ninth.recv, 100)
                except ConnectionResetError:
                    return True

        # Until all eight are at work, a ninth connection from this address finds a place.
        await eventually(refused, limit_s=5)
        with opened(url, "127.0.0.2") as other:
            other.sendall(GET)
            assert (await run_sync(other.recv, 100)).startswith(b"HTTP/1.1 200")
        waits.cancel_scope.cancel()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


async def test_with_a_certificate_the_api_and_its_websocket_are_served_over_tls(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    trust = ssl.create_default_context(cafile=str(cert))
    async with serving(tmp_path, Timeouts(), tls_cert=cert, tls_key=key) as url:
        assert url.startswith("https://")
        async with httpx.AsyncClient(base_url=url, headers={"x-access-token": KEY}, verify=trust) as http:
            address = (await http.get("/collection/default/websocket")).json()["data"]["websocket_url"]
        assert address.startswith("wss://")
        async with connect(address, ssl=trust) as socket_:
            assert "connection_id" in str(await socket_.recv())


async def test_a_tls_handshake_that_never_ends_is_ended(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    async with serving(tmp_path, tls_cert=cert, tls_key=key) as url:
        with opened(url) as silent, opened(url) as plain:
            assert await run_sync(ended_after, silent) < 3
            assert await run_sync(ended_after, plain, b"", GET) < 3
        async with httpx.AsyncClient(base_url=url, verify=ssl.create_default_context(cafile=str(cert))) as http:
            assert (await http.get("/health")).status_code == 200


async def test_a_certificate_that_cannot_be_used_is_one_clear_sentence(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    wrong: list[dict[str, Any]] = [
        {"tls_cert": tmp_path / "none.pem"},
        {"tls_cert": key, "tls_key": cert},
        {"tls_key": key},
    ]
    for settings in wrong:
        async with Engine(EngineConfig(data_dir=tmp_path, api_key=KEY, local_vision=False, **settings)) as engine:
            with pytest.raises(InvalidRequest, match="RTSTREAM_TLS_CERT"):
                await serve(engine, host="127.0.0.1", port=0)
