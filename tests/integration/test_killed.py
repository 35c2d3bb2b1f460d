"""An engine is killed with its recorders at any moment. The recording plays, and the table matches the disk."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from rtstream.testsource import LiveSource, read_barcode
from server.engine_file import read_engine_file
from tests.server.mcp_servers import SCRIPT
from tests.waiting import eventually_sync

KEY = "sk-key-of-the-kill-test"
LIMIT_S = 40.0
LOSS_S = 3.0
"""A segment and a GOP of half a second each, what the clock needs to settle, and a slow machine."""


@contextmanager
def engine(data_dir: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """The program as it is started, in a process group of its own."""
    env = {
        **os.environ,
        "RTSTREAM_DATA_DIR": str(data_dir),
        "RTSTREAM_API_KEY": KEY,
        "RTSTREAM_ALLOW_NETWORKS": "loopback",
        "RTSTREAM_WEBHOOK_ALLOW_NETWORKS": "loopback",
        "RTSTREAM_SEGMENT_S": "0.5",
        "RTSTREAM_LOCAL_VISION": "false",
        "RTSTREAM_EMBEDDING_MODEL": "none",
    }
    process = subprocess.Popen([SCRIPT, "serve", "--port", "0"], env=env, stderr=subprocess.DEVNULL)
    try:
        found = until(lambda: ours(data_dir, process.pid), "the engine listens")
        with httpx.Client(base_url=found["url"], headers={"x-access-token": KEY}, timeout=30) as client:
            yield client, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(LIMIT_S)


def ours(data_dir: Path, pid: int) -> dict[str, Any] | None:
    found = read_engine_file(data_dir)
    return found if found and found.get("pid") == pid else None


def until(check: Callable[[], Any], what: str) -> Any:
    """Poll the state of another process."""
    return eventually_sync(check, limit_s=LIMIT_S, every_s=0.05, what=what)


def recorded(client: httpx.Client, stream_id: str) -> list[list[float]]:
    return client.get(f"/rtstream/{stream_id}").json()["data"]["recorded"]


def recorders_of(pid: int) -> set[int]:
    """All processes below a process."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(path.parent.name)
            found |= {child} | recorders_of(child)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the test looks for processes in /proc")
def test_an_engine_killed_with_its_recorders_loses_no_more_than_what_they_were_writing(
    live_source: LiveSource, tmp_path: Path
) -> None:
    stream_id = ""
    killed: list[float] = []
    for known, wait_s in enumerate((2.5, 1.8)):
        with engine(tmp_path) as (client, process):
            if not stream_id:
                body = {"url": live_source.http_url, "media_types": ["video", "audio"], "store": True}
                stream_id = client.post("/rtstream", json=body).json()["data"]["id"]
            # It resumes by itself after a restart.
            until(lambda: len(recorded(client, stream_id)) > known, "recording")  # noqa: B023
            until(lambda: duration(recorded(client, stream_id)[-1]) > wait_s, "seconds recorded")  # noqa: B023
            recorders = recorders_of(process.pid)
            for pid in (process.pid, *recorders):
                os.kill(pid, signal.SIGKILL)
            killed.append(time.time())
            process.wait(LIMIT_S)
        until(lambda: not any(alive(pid) for pid in recorders), "the processes end")  # noqa: B023
    with engine(tmp_path) as (client, _):
        client.patch(f"/rtstream/{stream_id}/status", json={"action": "stop"})
        recordings = recorded(client, stream_id)[: len(killed)]
        for (start, end), at in zip(recordings, killed, strict=True):
            assert at - end < LOSS_S
            plays(client, stream_id, start, end)
        plays_in_ffmpeg(client, stream_id, recordings)
        agree(tmp_path, stream_id)


def duration(of: list[float]) -> float:
    return of[1] - of[0]


def plays(client: httpx.Client, stream_id: str, start: float, end: float) -> None:
    """Every picture of a recorded range is there, in order, as a player gets it."""
    window = client.get(f"/rtstream/{stream_id}/stream", params={"start": start, "end": end}).json()["data"]
    assert window["gaps"] == []
    playlist = client.get(window["stream_url"])
    base = playlist.url
    data = b""
    for line in playlist.text.splitlines():
        if line.startswith("#EXT-X-MAP"):
            data += client.get(base.join(line.split('"')[1])).content
        elif line and not line.startswith("#"):
            answer = client.get(base.join(line))
            assert answer.status_code == 200
            data += answer.content
    with av.open(io.BytesIO(data), "r") as container:
        numbers = [read_barcode(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    assert len(numbers) == pytest.approx((end - start) * 30, abs=2)
    assert {(after - before) % 180 for before, after in pairwise(numbers)} == {1}


def plays_in_ffmpeg(client: httpx.Client, stream_id: str, recordings: list[list[float]]) -> None:
    """ffmpeg, which ignores discontinuities, shows every picture of all recordings with the gaps between them."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return
    params = {"start": recordings[0][0], "end": recordings[-1][1]}
    url = client.get(f"/rtstream/{stream_id}/stream", params=params).json()["data"]["stream_url"]
    read = [ffmpeg, "-v", "error", "-nostdin", "-copyts", "-i", url, "-map", "0:v", "-vsync", "passthrough"]
    found = subprocess.run([*read, "-f", "framecrc", "-"], check=True, capture_output=True, text=True, timeout=LIMIT_S)
    lines = found.stdout.splitlines()
    (base,) = (line.split()[-1].split("/") for line in lines if line.startswith("#tb 0:"))
    ticks = [int(line.split(",")[2]) for line in lines if not line.startswith("#")]
    times = [tick * int(base[0]) / int(base[1]) for tick in ticks]
    assert len(times) == pytest.approx(sum((end - start) * 30 for start, end in recordings), abs=2 * len(recordings))
    gaps = [(before, after) for before, after in pairwise(times) if after - before > 0.1]
    missing = [(before[1], after[0]) for before, after in pairwise(recordings)]
    assert gaps == [(pytest.approx(end, abs=0.2), pytest.approx(start, abs=0.2)) for end, start in missing]
    assert times == sorted(set(times))


def agree(data_dir: Path, stream_id: str) -> None:
    """Every file is in the table, and every segment has its bytes."""
    folder = data_dir / "media" / stream_id
    with closing(sqlite3.connect(data_dir / "rtstream.db")) as db:
        rows = db.execute(
            "select path, max(offset + length) from segments where stream_id = ? group by path", [stream_id]
        )
        table = dict(rows.fetchall())
    disk = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*.m4s")}
    assert table.keys() == disk.keys()
    assert all(disk[path] >= end for path, end in table.items())
