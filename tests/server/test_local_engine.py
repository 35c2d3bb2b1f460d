"""The program as it is started: over stdio in any folder, and as a server that ends when it is told to."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import stdio_client

from rtstream import keys
from rtstream.errors import Unavailable
from server.engine_file import read_engine_file
from server.local_engine import LocalEngine
from tests.server.mcp_servers import KEY, LIMIT_S, SCRIPT, call, engine_ended, program
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

HOSTILE = "import sys\nsys.stdout.write('hostile code ran')\nraise RuntimeError('hostile code ran')\n"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A project with packages named like ours."""
    folder = tmp_path / "project"
    for name in ("tools", "server", "resources", "rtstream"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(HOSTILE)
    return folder


async def test_an_ide_can_start_it_inside_a_project_with_packages_of_the_same_names(
    hostile: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    params = program(RTSTREAM_DATA_DIR=str(data_dir), PYTHONPATH=str(hostile))
    params.cwd = hostile
    with engine_ended(data_dir):
        async with Client(stdio_client(params), read_timeout_seconds=LIMIT_S) as client:
            assert "wait_for_events" in [tool.name for tool in (await client.list_tools()).tools]
            assert not (data_dir / "engine.json").exists(), "listing tools needs no engine"
            # The engine it starts in the background inherits the folder and PYTHONPATH, and is not misled either.
            assert (await call(client, "list_streams"))["total"] == 0
        engine = read_engine_file(data_dir)
        async with httpx.AsyncClient(base_url=engine["url"], headers={"x-access-token": KEY}) as http:
            assert (await http.get("/rtstream/engine")).status_code == 200, "it goes on when the chat window closes"


async def test_module_and_script_answer_nothing_but_protocol_and_end_with_their_input(
    hostile: Path, tmp_path: Path
) -> None:
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    env = {**os.environ, "RTSTREAM_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(hostile)}
    for command in ([str(SCRIPT)], [sys.executable, "-m", "rtstream_mcp"]):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=hostile,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [answer["id"] for answer in answers] == [1, 2]
        process.stdin.close()
        closed = time.monotonic()
        assert process.wait(LIMIT_S) == 0
        assert time.monotonic() - closed < 2
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stdout.close()
        process.stderr.close()


def test_a_command_that_has_nothing_left_to_do_says_why_and_succeeds() -> None:
    ended = subprocess.run([SCRIPT, "install-embeddings"], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert "part of the extra 'local'" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve", "--host", "0.0.0.0"], "Set RTSTREAM_API_KEY to a key of your own first"),
        (["serve", "--port", "many"], "RTSTREAM_PORT (option --port): input should be a valid integer"),
        (["--wait-max-s", "90"], "RTSTREAM_WAIT_MAX_S (option --wait-max-s): input should be less than"),
        (["--toolsets", "weather"], "RTSTREAM_TOOLSETS (option --toolsets): there is no group of tools 'weather'"),
        (["watch-everything"], "unknown command 'watch-everything'"),
    ],
)
def test_a_wrong_start_is_refused_in_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    env = {**os.environ, "RTSTREAM_DATA_DIR": str(tmp_path)}
    ended = subprocess.run([SCRIPT, *arguments], env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_server_that_cannot_listen_or_keep_data_says_so_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = {"data": f"Cannot listen on 127.0.0.1 port {port}", "file/data": "cannot be created"}
        for folder, sentence in refused.items():
            command = [SCRIPT, "serve", "--port", port, "--data-dir", str(tmp_path / folder)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
            assert ended.returncode == 2
            assert sentence in ended.stderr
            assert ended.stderr.count("\n") == 1


def test_the_help_names_every_setting_of_a_command_but_no_secret() -> None:
    for arguments in ([], ["serve"]):
        shown = subprocess.run([SCRIPT, *arguments, "--help"], capture_output=True, text=True, check=True).stdout
        assert "--data-dir" in shown
        assert "RTSTREAM_DATA_DIR" in shown
        assert "--api-key" not in shown


@asynccontextmanager
async def serve_process(data_dir: Path, *arguments: str) -> AsyncIterator[tuple[subprocess.Popen[str], str]]:
    """``rtstream-mcp serve`` and its address."""
    command = [SCRIPT, "serve", "--data-dir", str(data_dir), "--port", "0", *arguments]
    env = {key: value for key, value in os.environ.items() if not key.startswith("RTSTREAM_")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        first = await anyio.to_thread.run_sync(process.stderr.readline)
        assert first.startswith("rtstream-mcp listens on http://127.0.0.1:"), first
        try:
            yield process, first.split()[-1]
        finally:
            process.kill()


async def test_a_server_says_where_its_key_is_and_ends_within_3_s_of_sigterm_with_open_subscriptions(
    tmp_path: Path,
) -> None:
    from httpx2 import AsyncClient
    from mcp.client.streamable_http import streamable_http_client

    data_dir = tmp_path / "data"
    async with serve_process(data_dir) as (process, url):
        assert process.stderr is not None
        announced = [await anyio.to_thread.run_sync(process.stderr.readline) for _ in range(4)]
        key_file = keys.key_file(data_dir)
        key = key_file.read_text().strip()
        assert str(key_file) in announced[0]
        assert key not in "".join(announced)
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert read_engine_file(data_dir)["url"] == url

        async def modern(http: AsyncClient, opened: anyio.Event) -> None:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with (
                Client(transport, read_timeout_seconds=LIMIT_S) as client,
                client.listen(resource_subscriptions=["rtstream://streams"]) as subscription,
            ):
                opened.set()
                async for _ in subscription:
                    pass

        async def legacy(http: AsyncClient, opened: anyio.Event) -> None:
            transport = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Client(transport, mode="legacy", read_timeout_seconds=LIMIT_S) as client:
                await client.list_tools()
                opened.set()
                await anyio.sleep_forever()

        async with (
            AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=LIMIT_S) as http,
            anyio.create_task_group() as tasks,
        ):
            for client in (modern, legacy):
                opened = anyio.Event()
                tasks.start_soon(client, http, opened)
                with anyio.fail_after(LIMIT_S):
                    await opened.wait()
            process.terminate()
            told = time.monotonic()
            assert await anyio.to_thread.run_sync(process.wait, LIMIT_S) == 0
            assert time.monotonic() - told < 3
            tasks.cancel_scope.cancel()
        assert not (data_dir / "engine.json").exists()


async def test_a_folder_has_one_engine(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with serve_process(data_dir) as (_, url):
        command = [SCRIPT, "serve", "--data-dir", str(data_dir), "--port", "0"]
        second = await anyio.run_process(command, check=False)
        assert second.returncode == 2
        assert f"An engine already runs on {data_dir} (at {url})" in second.stderr.decode()


async def test_two_that_start_at_once_share_one_engine_which_ends_when_nobody_uses_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    locate = [LocalEngine(data_dir, None, start_timeout_s=LIMIT_S, idle_exit_s=2) for _ in range(2)]
    found = []

    async def find(engine: LocalEngine) -> None:
        found.append(await engine(True))

    with engine_ended(data_dir):
        async with anyio.create_task_group() as tasks:
            for engine in locate:
                tasks.start_soon(find, engine)
        assert found[0] == found[1]
        host, port = found[0].url.removeprefix("http://").split(":")
        await eventually(lambda: not read_engine_file(data_dir), limit_s=LIMIT_S)
        with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), 1):
            pass
        for engine in locate:
            with pytest.raises(Unavailable, match="No engine is running"):
                await engine(False)
            if engine.started is not None:
                assert await anyio.to_thread.run_sync(engine.started.wait, LIMIT_S) == 0
