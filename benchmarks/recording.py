"""Recording live 720p streams: our engine beside ``ffmpeg -c copy -f hls``, on the same source, in turns.

``python -m benchmarks.recording [--source rtsp|http|rtmp] [--streams 1] [--seconds 20] [--rounds 1]`` prints a table.
CPU is that of all processes of a side, for ours once more without the engine (its API, database, and indexing do not
grow with every stream); memory is PSS. Lost are pictures that the source sent and the files do not have. The source is
a process of its own and costs the same for both. ``rtmp`` needs nginx with its RTMP module.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import av

from benchmarks._options import parse
from benchmarks.alerts import KEY, engine, program, until
from rtstream.client import RTStreamClient
from rtstream.models import ConnectStream
from tests.sources import NGINX_CONFIG, NGINX_RTMP_MODULE

SETTLE_S = 6.0
CONNECTING = 8  # at once
FPS = 30
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", choices=("rtsp", "http", "rtmp"), default="rtsp")
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    options = parse(parser, streams=1, seconds=4, rounds=1)
    found: dict[str, list[Load]] = {"ours": [], "ours without the engine": [], "ffmpeg": []}
    with ExitStack() as stack:
        url = stack.enter_context(source(options.source))
        for _ in range(options.rounds):
            whole, recorders = anyio.run(ours, url, options.streams, options.seconds)
            found["ours"].append(whole)
            found["ours without the engine"].append(recorders)
            found["ffmpeg"].append(ffmpeg(url, options.streams, options.seconds))
    print(f"\n{options.streams} streams of 1280x720 at 30 pictures a second over {options.source}\n")
    print("| | CPU a stream, % of a core | PSS a stream, MB | lag, worst s | pictures lost |")
    print("|---|---|---|---|---|")
    for name, loads in found.items():
        cpu_load, memory = mid(loads, "cpu"), mid(loads, "pss")
        print(
            f"| {name} | {cpu_load:.2f} | {memory:.1f} | {loads[-1].lag} | {', '.join(load.lost for load in loads)} |"
        )
    theirs = mid(found["ffmpeg"], "cpu")
    ratios = " and ".join(f"{mid(found[name], 'cpu') / theirs:.2f}" for name in found if name != "ffmpeg")
    print(f"\nCPU: {ratios} of ffmpeg's. Load of the machine: {os.getloadavg()[0]:.1f}.")


class Load:
    """The cost of one side per stream: CPU in percent of a core, and PSS in MB."""

    def __init__(self, cpu: float, pss: float, lag: str = "", lost: str = "") -> None:
        self.cpu, self.pss, self.lag, self.lost = cpu, pss, lag, lost


def mid(loads: list[Load], field: str) -> float:
    """The median over the rounds."""
    return statistics.median(getattr(load, field) for load in loads)


async def ours(url: str, streams: int, seconds: float) -> tuple[Load, Load]:
    """Connect the streams to a fresh engine and watch its processes, with and without the engine's own."""
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder)) as address:
        pid = json.loads((Path(folder) / "engine.json").read_text())["pid"]
        client = RTStreamClient(address, KEY)
        request = ConnectStream(url=url, media_types=["video", "audio"], store=True)
        for first in range(0, streams, CONNECTING):
            async with anyio.create_task_group() as tasks:
                for _ in range(min(CONNECTING, streams - first)):
                    tasks.start_soon(client.connect_stream, request)
        await anyio.sleep(SETTLE_S)
        whole, recorders = await anyio.to_thread.run_sync(watched, [[pid], below(pid)], streams, seconds)
        load = Load(whole.cpu + recorders.cpu, whole.pss + recorders.pss)
        known, _ = await client.list_streams(limit=1000)
        health = [stream.health for stream in known]
        load.lag = f"{max(one.lag_s or 0.0 for one in health):.2f}"
        assert all(one.state == "connected" for one in health), [one.reason for one in health]
        assert not any(sum(one.skipped.values()) for one in health), [one.skipped for one in health]
        await client.aclose()
        with sqlite3.connect(Path(folder) / "rtstream.db") as db:
            inits = db.execute("SELECT stream_id, id, init FROM recordings").fetchall()
        recorded = [(init, sorted((Path(folder) / "media" / stream / run).iterdir())) for stream, run, init in inits]
        assert len(recorded) == streams
        load.lost = str(sum(lost(init, files) for init, files in recorded))
        return load, recorders


def ffmpeg(url: str, streams: int, seconds: float) -> Load:
    """The same with one ffmpeg per stream."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        pids = []
        for number in range(streams):
            target = Path(folder) / str(number)
            target.mkdir()
            read = ["-rtsp_transport", "tcp"] if url.startswith("rtsp") else []
            write = ["-f", "hls", "-hls_time", "4", "-hls_segment_type", "fmp4", "-hls_list_size", "0"]
            command = ["ffmpeg", "-v", "error", "-nostdin", *read, "-i", url, "-c", "copy", *write, "live.m3u8"]
            process = subprocess.Popen(command, cwd=target)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            pids.append(process.pid)
        time.sleep(SETTLE_S)
        [load] = watched([pids], streams, seconds)
        until(lambda: all((Path(folder) / str(n) / "live.m3u8").exists() for n in range(streams)))
        number = len("live")
        for n in range(streams):
            target = Path(folder) / str(n)
            # The newest file is being written.
            files = sorted(target.glob("live*.m4s"), key=lambda path: int(path.stem[number:]))[:-1]
            load.lost = str(int(load.lost or 0) + lost((target / "init.mp4").read_bytes(), files))
        return load


def lost(init: bytes, files: Iterable[Path]) -> int:
    """Pictures missing between the first and the last that were recorded."""
    whole = io.BytesIO(init + b"".join(path.read_bytes() for path in files))
    with av.open(whole, "r") as container:
        [video] = container.streams.video
        times = [float(packet.dts * packet.time_base) for packet in container.demux(video) if packet.dts is not None]
    assert len(times) > FPS
    return round((times[-1] - times[0]) * FPS) + 1 - len(times)


def watched(groups: list[list[int]], streams: int, seconds: float) -> list[Load]:
    """CPU of groups of processes over some seconds, and their memory at the end."""
    before, began = [cpu(pids) for pids in groups], time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    spent = [cpu(pids) - earlier for pids, earlier in zip(groups, before, strict=True)]
    memory = [sum(pss(pid) for pid in pids) for pids in groups]
    return [Load(100 * s / took / streams, m / streams) for s, m in zip(spent, memory, strict=True)]


def cpu(pids: list[int]) -> float:
    """CPU seconds so far."""
    spent = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / TICK


def pss(pid: int, kind: str = "Pss") -> float:
    """Memory in MB; pages shared with other processes count by their share. ``Pss_File`` are those of mapped files."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1000
    return 0.0


def below(pid: int) -> list[int]:
    """All processes below one."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, front = [], [pid]
    while front:
        front = [child for child, parent in parents.items() if parent in front]
        found += front
    return found


@contextmanager
def source(kind: str) -> Iterator[str]:
    """The address of a live 720p source."""
    with program([sys.executable, "-m", "rtstream.testsource", "--voice", "tones", "--seconds", "12"]) as line:
        addresses = json.loads(line)
        if kind != "rtmp":
            yield addresses[f"{kind}_url"]
            return
        with rtmp(addresses["http_url"]) as url:
            yield url


@contextmanager
def rtmp(source_url: str) -> Iterator[str]:
    """The source published to nginx's RTMP server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        config = folder / "nginx.conf"
        config.write_text(
            NGINX_CONFIG.replace("connections 64", "connections 1024").format(
                module=NGINX_RTMP_MODULE, folder=folder, port=port
            )
        )
        url = f"rtmp://127.0.0.1:{port}/live/cam1"
        nginx = ["nginx", "-c", str(config), "-p", name, "-e", str(folder / "nginx.log")]
        publish = ["ffmpeg", "-v", "error", "-nostdin", "-i", source_url, "-c", "copy", "-bsf:a", "aac_adtstoasc"]
        for command in (nginx, [*publish, "-f", "flv", url]):
            process = subprocess.Popen(command)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            time.sleep(2)
        yield url


if __name__ == "__main__":
    main()
