"""An engine with few file descriptors and many half-open connections keeps answering, and logs little."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from server.engine_file import read_engine_file
from tests.server.mcp_servers import SCRIPT
from tests.waiting import eventually_sync

KEY = "sk-test-key-of-the-exhaustion"


@contextmanager
def engine(folder: Path, soft: int, hard: int) -> Iterator[tuple[str, int, Path]]:
    """An engine process with these limits of open files: its URL, process id and log."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RTSTREAM_")}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$0" "$@"',
             str(SCRIPT), "serve", "--port", "0", "--data-dir", str(folder / "data")],
            env={**env, "RTSTREAM_API_KEY": KEY}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:

        def listening() -> str:
            assert process.poll() is None, log.read_text()
            return read_engine_file(folder / "data").get("url", "")

        url = eventually_sync(listening, limit_s=60)
        yield url, process.pid, log
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /he"])
def test_300_connections_do_not_stop_an_engine_with_256_descriptors(
    tmp_path: Path, many_files: None, first: bytes
) -> None:
    with engine(tmp_path, 256, 256) as (url, pid, log), ExitStack() as stack:
        port = httpx.URL(url).port
        for number in range(300):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            with suppress(OSError):
                client.sendall(first)
            if number % 100 == 99:
                began = time.monotonic()
                answer = httpx.get(f"{url}/rtstream", headers={"x-access-token": KEY}, timeout=10, trust_env=False)
                assert answer.status_code == 200
                assert time.monotonic() - began < 5
        assert len(list(Path(f"/proc/{pid}/fd").iterdir())) < 230
        said = log.read_text()
    assert "Traceback" not in said
    assert len(said.splitlines()) < 20


def test_an_engine_without_a_descriptor_left_backs_off_and_logs_it_once(tmp_path: Path, many_files: None) -> None:
    with engine(tmp_path, 256, 256) as (url, pid, log), ExitStack() as stack:
        httpx.get(f"{url}/mcp", timeout=60, trust_env=False)  # responds once everything is loaded
        in_use = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 4, 256))
        port = httpx.URL(url).port
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        answer = httpx.get(f"{url}/health", timeout=20, trust_env=False)
        assert answer.status_code == 200
        said = log.read_text()
    assert said.count("Connections cannot be accepted") == 1
    assert "Traceback" not in said


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows(tmp_path: Path) -> None:
    with engine(tmp_path, 200, 900) as (_, pid, _):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (900, 900)
