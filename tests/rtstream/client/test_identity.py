"""Clients on this machine send the API key only to a program that proves to be the engine of their data folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from filelock import FileLock

from rtstream.client import Endpoint, Feed, RTStreamClient
from rtstream.client.identity import UnprovenEngine, open_proven
from rtstream.errors import Unavailable
from rtstream.rules.identity import EngineIdentity
from server.engine_file import ENGINE_FILE, ENGINE_LOCK, may_hold_lock, read_engine_file, write_engine_file
from server.http import identity_of
from server.local_engine import LocalEngine
from tests.server.mcp_servers import KEY, SCRIPT, serving
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

STALE = EngineIdentity("5" * 64)


class Impostor:
    """A program of another user on the engine's port: answers what it likes, and keeps what it is sent."""

    def __init__(self, port: int = 0, respond: Callable[[bytes], bytes] | None = None) -> None:
        self.received = b""
        self.connections = 0
        self._respond = respond or (lambda _: b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{"success":true}')
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                self.received += data
                connection.sendall(self._respond(data))

    def close(self) -> None:
        self._listener.close()

    def knows(self, *secrets: str) -> bool:
        return any(secret.encode() in self.received for secret in (KEY, "ticket", *secrets))


@contextmanager
def impostor(port: int = 0, respond: Callable[[bytes], bytes] | None = None) -> Iterator[Impostor]:
    running = Impostor(port, respond)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ENGINE_LOCK):
        yield


def located(folder: Path, key: str | None = KEY) -> LocalEngine:
    return LocalEngine(folder, key, start_timeout_s=1.0, idle_exit_s=60)


async def test_a_program_on_the_port_of_a_crashed_engine_is_not_even_contacted(tmp_path: Path) -> None:
    with impostor() as other:
        write_engine_file(tmp_path, other.url, STALE)
        client = RTStreamClient.located_by(located(tmp_path))
        with pytest.raises(Unavailable):
            await client.info(start=False)
        await client.aclose()
        assert other.connections == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names the holder of a lock")
async def test_only_the_process_that_holds_the_lock_is_contacted(tmp_path: Path) -> None:
    with impostor() as other, held(tmp_path), subprocess.Popen(["sleep", "60"]) as earlier:
        try:
            write_engine_file(tmp_path, other.url, STALE)
            own = read_engine_file(tmp_path)
            for pid in (earlier.pid, 1, 2**31, None, "x", str(os.getpid()) + "0"):
                (tmp_path / ENGINE_FILE).write_text(json.dumps({**own, "pid": pid}))
                for start in (False, True):
                    with pytest.raises(Unavailable):
                        await located(tmp_path)(start)
            assert other.connections == 0
            (tmp_path / ENGINE_FILE).write_text(json.dumps(own))
            with pytest.raises(Unavailable, match="key was not sent"):
                await located(tmp_path)(False)
            assert other.connections > 0
        finally:
            earlier.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names the holder of a lock")
async def test_an_engine_in_a_container_is_known_by_its_number_there(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-p", "-f", "true"], capture_output=True).returncode:
        pytest.skip("namespaces of processes are not permitted here")
    (tmp_path / ENGINE_LOCK).touch()
    holds = (
        "import fcntl, os, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(os.getpid(), flush=True)"
    )
    command = [unshare, "-p", "-f", sys.executable, "-c", f"{holds}; sys.stdin.read()", str(tmp_path / ENGINE_LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdin is not None
        assert container.stdout is not None
        inside = int(container.stdout.readline())
        assert inside == 1
        assert may_hold_lock(tmp_path, inside)
        assert not may_hold_lock(tmp_path, 2)
        container.stdin.close()


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{"success":true}',
        b'HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{"data":{"proof":"' + b"0" * 4 + b'"}}',
        b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: x\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n" + b" " * 9000,
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00" * 100,
    ],
)
async def test_whatever_another_program_answers_it_gets_no_key(tmp_path: Path, answer: bytes) -> None:
    with impostor(respond=lambda _: answer) as other, held(tmp_path):
        write_engine_file(tmp_path, other.url, STALE)
        for start in (False, True):
            client = RTStreamClient.located_by(located(tmp_path))
            with pytest.raises(Unavailable, match="key was not sent"):
                await client.info(start=start)
            await client.aclose()
        assert other.connections > 0
        assert not other.knows(STALE.secret)


async def test_a_challenge_passed_on_to_the_real_engine_proves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as served:
        address = httpx.URL(served.url)

        def relay(data: bytes) -> bytes:
            with socket.create_connection((address.host, address.port or 0), timeout=5) as engine:
                engine.sendall(data)
                return engine.recv(65536)

        with impostor(respond=relay) as other:
            identity = identity_of(served.engine.config, served.engine.identity_secret)
            with pytest.raises(UnprovenEngine):
                await anyio.to_thread.run_sync(open_proven, other.url, KEY, identity)
            (await anyio.to_thread.run_sync(open_proven, served.url, KEY, identity)).close()
            assert not other.knows()


async def test_the_key_follows_the_proof_and_a_wrong_key_is_reported(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with held(tmp_path):
            write_engine_file(tmp_path, served.url, identity_of(served.engine.config, served.engine.identity_secret))
            client = RTStreamClient.located_by(located(tmp_path))
            assert await client.info(start=False) is not None
            await client.aclose()
            stranger = RTStreamClient.located_by(located(tmp_path, "sk-another-key"))
            with pytest.raises(Unavailable, match="Set RTSTREAM_API_KEY"):
                await stranger.info(start=False)
            await stranger.aclose()


async def test_a_new_listener_on_the_port_of_a_restarted_engine_gets_neither_key_nor_ticket(tmp_path: Path) -> None:
    places: list[Endpoint] = []

    async def locate_(start: bool) -> Endpoint:
        return places[-1]

    client = RTStreamClient.located_by(locate_)
    feed = Feed(client)
    async with feed.running():
        async with serving(tmp_path / "data") as served:
            places.append(Endpoint(served.url, KEY, identity_of(served.engine.config, served.engine.identity_secret)))
            assert await feed.need(wait_s=10)
            await client.list_streams()
            port = httpx.URL(served.url).port or 0
        with impostor(port) as other:
            with pytest.raises(UnprovenEngine):
                await client.list_streams()
            # The feed reconnects by itself.
            await eventually(lambda: other.connections >= 3 and feed.state.state == "reconnecting", limit_s=10)
            assert not other.knows()
        async with serving(tmp_path / "data") as served:
            places.append(Endpoint(served.url, KEY, identity_of(served.engine.config, served.engine.identity_secret)))
            assert await client.list_streams() is not None
            assert await feed.need(wait_s=20)
    await client.aclose()


async def test_a_websocket_to_another_program_gets_no_ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path / "data") as served:
        identity = identity_of(served.engine.config, served.engine.identity_secret)
        client = RTStreamClient.located_by(_at(Endpoint(served.url, KEY, identity)))
        ticket = await client.websocket_url()
        with impostor() as other:
            moved = ticket.replace(str(httpx.URL(served.url).port), str(httpx.URL(other.url).port))
            monkeypatch.setattr(client, "endpoint", _at(Endpoint(other.url, KEY, identity)))

            async def address(_: Feed) -> tuple[str, bool]:
                return moved, True

            monkeypatch.setattr(Feed, "_connection_url", address)
            feed = Feed(client)
            async with feed.running():
                await feed.need(wait_s=0.2)
                await eventually(lambda: other.connections >= 2, limit_s=10)
                assert feed.state.state == "reconnecting"
            assert not other.knows()
        await client.aclose()


def _at(endpoint: Endpoint) -> Any:
    async def here(*_: Any, **__: Any) -> Endpoint:
        return endpoint

    return here


async def test_every_command_verifies_the_engine(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RTSTREAM_")}
    env |= {"RTSTREAM_DATA_DIR": str(tmp_path), "RTSTREAM_API_KEY": KEY}
    with impostor() as other, held(tmp_path):
        write_engine_file(tmp_path, other.url, STALE)
        for command in (["doctor"], ["watch", "--timeout", "1"]):
            with anyio.fail_after(150):
                await anyio.run_process([str(SCRIPT), *command], env=env, check=False, stderr=subprocess.STDOUT)
        assert other.connections > 0
        assert not other.knows(STALE.secret)


def certificate(folder: Path) -> dict[str, Path]:
    """A certificate for another name, as an engine has it that is reached by its public name, and its key."""
    folder.mkdir()
    files = {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=rt.example.org", "-keyout", str(files["tls_key"]), "-out", str(files["tls_cert"])]
    subprocess.run(command, check=True, capture_output=True)
    return files


async def test_over_tls_the_certificate_of_the_engine_is_the_proof(tmp_path: Path) -> None:
    own, foreign = certificate(tmp_path / "own"), certificate(tmp_path / "foreign")
    async with serving(tmp_path / "data", **own) as served:
        client = RTStreamClient.located_by(
            _at(Endpoint(served.url, KEY, identity_of(served.engine.config, served.engine.identity_secret)))
        )
        feed = Feed(client)
        async with feed.running():
            assert await client.info() is not None
            assert await feed.need(wait_s=10)
        await client.aclose()
        wrong = EngineIdentity("5" * 64, foreign["tls_cert"].read_text())
        client = RTStreamClient.located_by(_at(Endpoint(served.url, KEY, wrong)))
        with pytest.raises(Unavailable):
            await client.info()
        await client.aclose()
