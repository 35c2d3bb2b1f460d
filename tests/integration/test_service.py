"""The program as a service: its systemd unit, and a container in which an init process restarts the engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.ipc.channel import Channel
from rtstream.ipc.sockets import SOCKET_SUFFIX, SUPPORTED, connect, peer, run_folder
from rtstream.testsource import LiveSource
from server.engine_file import read_engine_file
from tests.integration.recorder_processes import KEY, LIMIT_S, alive, gaps, lost, pictures, rows, until
from tests.server.mcp_servers import SCRIPT

UNIT = Path(__file__).parents[2] / "packaging" / "systemd" / "rtstream-mcp.service"
INIT = 'while :; do "$0" serve --port 0; done'


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_accepts_the_unit_and_leaves_recorders_alone(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    assert "\nKillMode=process\n" in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("%h/.local/bin/rtstream-mcp", str(SCRIPT)))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=30
    )
    assert (found.returncode, found.stderr) == (0, "")


@contextmanager
def container(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A tree of processes with an init of its own, which starts the engine again whenever it has ended."""
    env = {
        **os.environ,
        "RTSTREAM_DATA_DIR": str(data_dir),
        "RTSTREAM_API_KEY": KEY,
        "RTSTREAM_ALLOW_NETWORKS": "loopback",
        "RTSTREAM_SEGMENT_S": "0.5",
        "RTSTREAM_MIN_FREE_GB": "0",
        "RTSTREAM_LOCAL_VISION": "false",
        "RTSTREAM_EMBEDDING_MODEL": "none",
    }
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", INIT, str(SCRIPT)]
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT_S)


def outer_pid(data_dir: Path, stream_id: str) -> int:
    """Process id of a recorder outside of the container."""
    channel = Channel(connect(run_folder(data_dir), f"{stream_id}{SOCKET_SUFFIX}"))
    try:
        return peer(channel.socket)[0]
    finally:
        channel.close()


def engine_of(init: int) -> int | None:
    """The child of the init process."""
    for shell in children(init):
        for child in children(shell):
            if b"serve" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return child
    return None


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def found(data_dir: Path, before: str = "") -> str | None:
    url: Any = read_engine_file(data_dir).get("url")
    return url if url and url != before else None


@pytest.mark.skipif(not SUPPORTED or os.geteuid() != 0, reason="only root can make a PID namespace here")
def test_an_engine_restarted_by_the_init_of_its_container_loses_no_picture(
    live_source: LiveSource, tmp_path: Path
) -> None:
    with container(tmp_path) as init:
        url = until(lambda: found(tmp_path), "the engine listens")
        body = {"url": live_source.http_url, "media_types": ["video", "audio"], "store": True}
        headers = {"x-access-token": KEY}
        stream_id = httpx.post(f"{url}/rtstream", json=body, headers=headers, timeout=30).json()["data"]["id"]
        until(lambda: rows(tmp_path, stream_id), "something is recorded")
        recorder, engine = outer_pid(tmp_path, stream_id), engine_of(init.pid)
        assert engine is not None
        os.kill(engine, signal.SIGKILL)
        until(lambda: found(tmp_path, url), "the init has started another engine")
        ended = rows(tmp_path, stream_id)[-1][1]
        until(lambda: rows(tmp_path, stream_id)[-1][1] > ended + 1, "recording continues")
        assert outer_pid(tmp_path, stream_id) == recorder
        assert gaps(tmp_path, stream_id) == []
    until(lambda: not alive(recorder), "the recorder ends with its container")
    assert lost(pictures(tmp_path, stream_id)) == 0
