"""The program as it is started, the recorders that it leaves behind, and a checker that reads only what they wrote."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx

from rtstream import keys
from rtstream.ipc import recorders
from rtstream.ipc.channel import Channel
from rtstream.ipc.handshake import read_greeting
from rtstream.ipc.sockets import FORKSERVER, RUN_FOLDER, SOCKET_SUFFIX, connect
from rtstream.testsource import read_barcode
from server.engine_file import read_engine_file
from tests.server.mcp_servers import SCRIPT
from tests.waiting import eventually_sync

KEY = "sk-key-of-the-test-of-recorders"
LIMIT_S = 40.0
CYCLE = 180
"""Pictures of the small clip, which are numbered from 0."""
FPS = 30


class Program:
    """A running ``rtstream-mcp serve``."""

    def __init__(self, data_dir: Path, process: subprocess.Popen[bytes], client: httpx.Client) -> None:
        self.data_dir, self.process, self.client = data_dir, process, client

    def connect(self, url: str, **values: Any) -> str:
        """Connect a stream; returns its id."""
        body = {"url": url, "media_types": ["video", "audio"], "store": True, **values}
        response = self.client.post("/rtstream", json=body).json()
        assert response["success"], response
        return response["data"]["id"]

    def stream(self, stream_id: str) -> dict[str, Any]:
        return self.client.get(f"/rtstream/{stream_id}").json()["data"]

    def recorded(self, stream_id: str) -> list[list[float]]:
        return self.stream(stream_id)["recorded"]

    def recorded_s(self, stream_id: str) -> float:
        return sum(end - start for start, end in self.recorded(stream_id))

    def set_running(self, stream_id: str, action: str) -> None:
        self.client.patch(f"/rtstream/{stream_id}/status", json={"action": action}).raise_for_status()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT_S)

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(LIMIT_S)


@contextmanager
def program(data_dir: Path, log: Path | None = None, limit_s: float = LIMIT_S, **settings: str) -> Iterator[Program]:
    """The program, started on a data folder. It gets SIGTERM at the end of the block if it still runs.

    Args:
        data_dir: The data folder.
        log: File to which its output is appended.
        limit_s: Seconds that it may take to start and to end.
        settings: More variables of its environment.
    """
    env = {
        **os.environ,
        "RTSTREAM_DATA_DIR": str(data_dir),
        "RTSTREAM_API_KEY": KEY,
        "RTSTREAM_ALLOW_NETWORKS": "loopback",
        "RTSTREAM_SEGMENT_S": "0.5",
        "RTSTREAM_MIN_FREE_GB": "0",
        "RTSTREAM_LOCAL_VISION": "false",
        "RTSTREAM_EMBEDDING_MODEL": "none",
        **settings,
    }
    with (log or Path(os.devnull)).open("ab") as file:
        process = subprocess.Popen([SCRIPT, "serve", "--port", "0"], env=env, stderr=file)
    try:
        found = until(lambda: described(data_dir, process), "the engine listens", limit_s)
        key = env["RTSTREAM_API_KEY"] or keys.key_file(data_dir).read_text().strip()
        with httpx.Client(base_url=found["url"], headers={"x-access-token": key}, timeout=30) as client:
            yield Program(data_dir, process, client)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(limit_s)


def described(data_dir: Path, process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    assert process.poll() is None, "the engine ended at once"
    found = read_engine_file(data_dir)
    return found if found.get("pid") == process.pid else None


@contextmanager
def nothing_left(data_dir: Path) -> Iterator[None]:
    """End all recorders and the fork server of a data folder at the end of the block."""
    try:
        yield
    finally:
        run_folder = data_dir / RUN_FOLDER
        pids = [pid for pid in (fork_server_of(data_dir),) if pid]
        recorders.stop_all(run_folder, recorders.living(run_folder))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def until(check: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Poll the state of another process."""
    return eventually_sync(check, limit_s=limit_s, every_s=0.02, what=what)


def recorder_of(data_dir: Path, stream_id: str) -> int | None:
    """Process id of the recorder of a stream."""
    return _listener(data_dir, stream_id)


def fork_server_of(data_dir: Path) -> int | None:
    return _listener(data_dir, FORKSERVER)


def _listener(data_dir: Path, name: str) -> int | None:
    try:
        channel = Channel(connect(data_dir / RUN_FOLDER, f"{name}{SOCKET_SUFFIX}"))
        with closing(channel):
            return read_greeting(channel).pid
    except (OSError, EOFError):
        return None


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pictures(data_dir: Path, stream_id: str) -> list[list[tuple[float, int]]]:
    """Time and number of each picture in the files of each recording, in the order of their times."""
    found: list[list[tuple[float, int]]] = []
    for folder in (data_dir / "media" / stream_id).iterdir():
        shown: list[tuple[float, int]] = []
        for path in sorted(folder.glob("*.m4s")):
            with av.open(str(path), "r") as container:
                for frame in container.decode(video=0):
                    assert frame.pts is not None
                    assert frame.time_base is not None
                    shown.append((float(frame.pts * frame.time_base), read_barcode(frame.to_ndarray(format="gray"))))
        if shown:
            found.append(shown)
    return sorted(found)


def lost(recordings: list[list[tuple[float, int]]]) -> int:
    """Number of pictures that are missing in and between the recordings, or there twice."""
    numbers = [number for recording in recordings for _, number in recording]
    return sum((after - before) % CYCLE - 1 for before, after in pairwise(numbers))


def rows(data_dir: Path, stream_id: str) -> list[tuple[float, float]]:
    """Start and end of each segment in the database."""
    with closing(sqlite3.connect(f"file:{data_dir / 'rtstream.db'}?mode=ro", uri=True)) as db:
        query = "select start, start + duration from segments where stream_id = ? order by start"
        return db.execute(query, [stream_id]).fetchall()


def gaps(data_dir: Path, stream_id: str) -> list[float]:
    """Seconds between segments that do not touch."""
    return [
        round(after[0] - before[1], 3)
        for before, after in pairwise(rows(data_dir, stream_id))
        if abs(after[0] - before[1]) > 1e-3
    ]
