"""The children of a running engine: no secret in their environment or command line, and only recorders outlive it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.ipc import recorders
from rtstream.ipc.sockets import RUN_FOLDER
from rtstream.testsource import LiveSource
from server.engine_file import read_engine_file
from tests.server.mcp_servers import SCRIPT
from tests.waiting import eventually_sync

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the tests read /proc")

LIMIT_S = 60.0
PASSPHRASE = "srt-passphrase-to-hide"
SECRETS = {
    "RTSTREAM_API_KEY": "sk-engine-key-to-hide",
    "RTSTREAM_MODEL_API_KEY": "sk-model-key-to-hide",
    "OPENAI_API_KEY": "sk-openai-key-to-hide",
    "ASSEMBLYAI_API_KEY": "aai-key-to-hide",
    "HF_TOKEN": "hf-token-to-hide",
    "CUSTOM_WEBHOOK_SECRET": "whsec-to-hide",
    "HTTPS_PROXY": "http://user:proxy-password-to-hide@127.0.0.1:9",
}


def until(check: Callable[[], Any], what: str) -> Any:
    """Poll the state of another process."""
    return eventually_sync(check, limit_s=LIMIT_S, what=what)


def descendants(pid: int) -> dict[int, str]:
    """All living processes below a process, with their start times: a process id may be used again."""
    parents: dict[int, tuple[int, str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(path.parent.name)] = (int(fields[1]), fields[19])
    found: dict[int, str] = {}
    level = {pid}
    while level:
        level = {child for child, (parent, _) in parents.items() if parent in level}
        found |= {child: parents[child][1] for child in level}
    return found


def read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def lives(pid: int, started: str) -> bool:
    fields = read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
    return bool(fields) and fields[0] != "Z" and fields[19] == started


@contextmanager
def engine(folder: Path, **settings: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RTSTREAM_")}
    env = {**kept, **SECRETS, "RTSTREAM_DATA_DIR": str(folder), "RTSTREAM_ALLOW_NETWORKS": "loopback", **settings}
    process = subprocess.Popen([SCRIPT, "serve", "--port", "0"], env=env, stderr=subprocess.DEVNULL)
    try:
        url = until(lambda: read_engine_file(folder).get("url"), "the engine listens")
        headers = {"x-access-token": SECRETS["RTSTREAM_API_KEY"]}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
            yield client, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(LIMIT_S)


def outlives(pid: int) -> bool:
    """Whether the process is the fork server, a recorder or a recorder's ffmpeg."""
    line = read(pid, "cmdline")
    return b"rtstream.recorder.forkserver" in line or b"ffmpeg" in line.split(b"\0")[0]


def srt_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(client: httpx.Client, url: str) -> str:
    answer = client.post("/rtstream", json={"url": url, "name": "x", "media_types": ["video", "audio"], "store": True})
    assert answer.json()["success"], answer.text
    return answer.json()["data"]["id"]


@pytest.mark.long
def test_no_child_of_an_engine_holds_a_secret_and_only_recorders_outlive_it(
    live_source: LiveSource, tmp_path: Path
) -> None:
    port = srt_port()
    with engine(tmp_path, RTSTREAM_LISTEN_PORTS=str(port)) as (client, process):
        stream_id = connect(client, live_source.rtsp_url)
        with_index = {"prompt": "x", "extraction_type": "time", "extraction_config": {"time": 2, "frame_count": 2}}
        assert client.post(f"/rtstream/{stream_id}/index/scene", json=with_index).json()["success"]
        client.post(f"/rtstream/{stream_id}/transcription", json={"action": "start"})
        expected = [b"forkserver"]
        if shutil.which("ffmpeg"):
            connect(client, f"srt://127.0.0.1:{port}?mode=listener&passphrase={PASSPHRASE}")
            expected.append(b"ffmpeg")

        def all_there() -> bool:
            lines = [read(pid, "cmdline") for pid in descendants(process.pid)]
            scenes = client.get(f"/rtstream/{stream_id}/index/scene").json()["data"]
            return all(any(name in line for line in lines) for name in expected) and bool(scenes)

        until(all_there, "all children run")
        until(lambda: client.get(f"/rtstream/{stream_id}").json()["data"]["recorded"], "the stream is recorded")
        children = descendants(process.pid)
        assert len(children) >= 4
        for pid in children:
            environ, line = read(pid, "environ"), read(pid, "cmdline")
            for name, value in SECRETS.items():
                assert value.encode() not in environ, (line, name)
                assert value.encode() not in line
            assert PASSPHRASE.encode() not in environ + line, line
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)
        staying = {pid for pid in children if outlives(pid)}
        lines = {pid: read(pid, "cmdline") for pid in staying}
        assert staying
        others = {pid: started for pid, started in children.items() if pid not in staying}
        until(lambda: not any(lives(pid, started) for pid, started in others.items()), "the other children end")
        # Not the ffmpeg that is asked for its protocols, nor that of a listener, which is replaced at each time-out.
        ended = [lines[pid] for pid in staying if not lives(pid, children[pid])]
        assert [line for line in ended if b"ffmpeg" not in line.split(b"\0")[0]] == []
        run_folder = tmp_path / RUN_FOLDER
        assert len(recorders.stop_all(run_folder, recorders.living(run_folder))) >= 1
        (server,) = (pid for pid in staying if lives(pid, children[pid]))
        os.kill(server, signal.SIGTERM)  # it would end by itself after a minute
        until(lambda: not any(lives(pid, started) for pid, started in children.items()), "all children end")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")
@pytest.mark.long
def test_a_stopped_srt_listener_leaves_no_ffmpeg(tmp_path: Path) -> None:
    port = srt_port()
    with engine(tmp_path, RTSTREAM_LISTEN_PORTS=str(port)) as (client, process):
        stream_id = connect(client, f"srt://127.0.0.1:{port}?mode=listener&passphrase={PASSPHRASE}")

        def bridges() -> list[int]:
            return [pid for pid in descendants(process.pid) if b"ffmpeg" in read(pid, "cmdline").split(b"\0")[0]]

        until(bridges, "ffmpeg listens")
        client.patch(f"/rtstream/{stream_id}/status", json={"action": "stop"})
        until(lambda: not bridges(), "ffmpeg ends")
