"""``rtstream-mcp camera publish`` shows a publisher where to send, once its stream is connected."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from rtstream.engine.engine import Engine
from rtstream.ipc.sockets import SUPPORTED
from server.cli.camera import main
from server.http import serve_engine
from server.settings import Settings
from tests.server.mcp_servers import KEY, Served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def accepting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """URL of an engine that accepts publishers."""
    if not SUPPORTED:
        pytest.skip("publishers are accepted on Linux only")
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/true")
    config = Settings(
        data_dir=tmp_path / "data",
        api_key=KEY,
        port=0,
        local_vision=False,
        listen="rtmp://127.0.0.1:0,srt://127.0.0.1:0",
    )
    stop, urls = anyio.Event(), list[str]()
    ready = anyio.Event()

    def listening(url: str) -> None:
        urls.append(url)
        ready.set()

    async with Engine(config, outlived=True) as engine, anyio.create_task_group() as tasks:
        engine.end_recorders()
        tasks.start_soon(serve_engine, engine, config, stop, listening)
        with anyio.fail_after(20):
            await ready.wait()
        yield urls[0]
        stop.set()


async def run(*arguments: str) -> int:
    return await anyio.to_thread.run_sync(main, ["publish", *arguments])


async def test_a_publisher_is_shown_its_server_and_its_key(
    accepting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RTSTREAM_API_URL", accepting)
    monkeypatch.setenv("RTSTREAM_API_KEY", KEY)
    monkeypatch.setenv("RTSTREAM_DATA_DIR", str(tmp_path / "client"))
    assert await run("OBS") == 0
    stream, server, key, same, srt = capsys.readouterr().out.splitlines()
    assert same == stream
    assert srt.startswith("server  srt://127.0.0.1:")
    assert f"?streamid={key.removeprefix('key     ')}&passphrase=" in srt
    assert stream.startswith("stream  OBS (rts-")
    assert server.startswith("server  rtmp://127.0.0.1:")
    assert server.endswith("/live")
    assert await run("obs", "--json") == 0
    again, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (f"stream  OBS ({again['stream_id']})", f"key     {again['key']}") == (stream, key)
    assert await run("phone", "--json") == 0
    other, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (other["stream_id"] != again["stream_id"], other["key"] != again["key"]) == (True, True)
    assert await run("a/b") == 2
    assert "letters, digits" in capsys.readouterr().err


async def test_an_engine_that_does_not_listen_says_how_to_start_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RTSTREAM_API_URL", served.url)
    monkeypatch.setenv("RTSTREAM_API_KEY", KEY)
    assert await run("obs") == 2
    assert "RTSTREAM_LISTEN=rtmp://0.0.0.0:1935" in capsys.readouterr().err
