"""The fork server: one per data folder, without secrets, and gone when it is idle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.ipc.handshake import ask, read_greeting
from rtstream.ipc.sockets import FORKSERVER, SUPPORTED
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.surviving import DataFolder, Engine, alive, data_folder, until

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


@pytest.fixture
def data(live_source: LiveSource, tmp_path: Path) -> Iterator[DataFolder]:
    with data_folder(tmp_path, live_source.http_url) as made:
        yield made


def run_with(constant: str, run_folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a fork server with another value of a constant until it ends."""
    code = f"""
import pathlib, sys
from rtstream.recorder import forkserver
forkserver.{constant}
forkserver.main(pathlib.Path(sys.argv[1]))
"""
    command = [sys.executable, "-c", code, str(run_folder)]
    return subprocess.run(command, timeout=30, capture_output=True, text=True)


def test_a_fork_server_has_no_secret_no_terminal_and_a_session_of_its_own(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-to-hide")
    engine = Engine(data)
    server = data.pid(FORKSERVER)
    assert server is not None
    sessions = set()
    for pid in (server, engine.link.pid):
        assert b"sk-to-hide" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
        sessions.add(os.getsid(pid))
    assert sessions == {server, engine.link.pid}
    assert Path(f"/proc/{engine.link.pid}/comm").read_text() == "rtrec-1\n"


def test_a_recorder_inherits_nothing_of_the_fork_server(data: DataFolder) -> None:
    """A lock or a socket that lived on in recorders would keep every later fork server from starting."""
    engine = Engine(data)
    server = data.pid(FORKSERVER)
    assert server is not None
    opened = [os.readlink(path) for path in Path(f"/proc/{engine.link.pid}/fd").iterdir()]
    assert not [path for path in opened if FORKSERVER in path]
    os.kill(server, signal.SIGKILL)
    until(lambda: not alive(server), "the fork server is gone")
    data.grows()
    second = data.open(stream_id="rts-2")
    assert data.pid(FORKSERVER) not in (None, server)
    assert alive(engine.link.pid)
    assert second.pid != engine.link.pid


def test_a_second_fork_server_for_a_folder_ends(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    data.launcher().warm()
    ended = run_with("LOCK_WAIT_S = 0.2", data.run)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert data.pid(FORKSERVER) is not None


def test_an_idle_fork_server_ends_and_removes_its_files(tmp_path: Path) -> None:
    assert run_with("IDLE_S = 0.3", tmp_path / "run").returncode == 0
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize(
    "request_", [{}, {"request": "start"}, {"request": "start", "spec": {"stream_id": "../x"}}, {"request": "x"}]
)
def test_a_request_that_makes_no_sense_starts_nothing(data: DataFolder, request_: dict[str, object]) -> None:
    data.launcher().warm()
    channel = data.connect(FORKSERVER)
    read_greeting(channel)
    with pytest.raises(Exception, match=r"^$|unknown request"):
        ask(channel, request_)
    channel.close()
    assert Engine(data).link.pid
