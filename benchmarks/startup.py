"""Time to the first response of ``rtstream-mcp`` over stdio, beside a bare ``MCPServer``, and the start of the engine.

``python -m benchmarks.startup [--runs 9] [--streams 16] [--idle 60]``. The servers over stdio are started alternately,
so that a busy machine slows both. The engine is started after it, its recorders and their fork server were killed. At
the end, the CPU time and the memory of an engine without streams are measured.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks._options import parse

BARE = """
from mcp.server import MCPServer
mcp = MCPServer("bare")
@mcp.tool()
def add(a: int, b: int) -> int:
    "Add two numbers"
    return a + b
mcp.run("stdio")
"""
INITIALIZE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "startup", "version": "1"},
}
DISCOVER: dict[str, Any] = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "startup", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def first_answer(command: list[str], method: str, params: dict[str, Any], env: dict[str, str]) -> tuple[float, float]:
    """Seconds from starting the process to its answer to the first request, and CPU seconds until its end."""
    used = os.times()
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n"
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        took = time.perf_counter() - began
        assert "result" in answer, answer
        process.stdin.close()
        process.wait(10)
    now = os.times()
    return took, now.children_user + now.children_system - used.children_user - used.children_system


KEY = "sk-benchmark-of-starts-0123456789"


class KilledEngine:
    """An engine on a folder of its own. ``kill`` ends it, its recorders and their fork server with SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        own = {"RTSTREAM_DATA_DIR": str(self.data), "RTSTREAM_API_KEY": KEY, "RTSTREAM_ALLOW_NETWORKS": "loopback"}
        self._env = {**os.environ, **own, "RTSTREAM_LOCAL_VISION": "false"}
        self._engine: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the engine, and do not wait for it."""
        command = [sys.executable, "-m", "rtstream_mcp", "serve", "--port", "0"]
        self._engine = subprocess.Popen(command, env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        """Id of the process of the engine."""
        assert self._engine is not None
        return self._engine.pid

    def kill(self) -> None:
        """End all its processes."""
        if self._engine is not None:
            self._engine.kill()
            self._engine.wait()
        for found in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if str(self.data) in found.read_text(errors="replace"):
                    os.kill(int(found.parent.name), signal.SIGKILL)
        (self.data / "engine.json").unlink(missing_ok=True)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the API, as soon as it can be reached."""
        while True:
            with suppress(OSError, ValueError):
                url = urlsplit(json.loads((self.data / "engine.json").read_text())["url"])
                connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
                connection.request(method, path, json.dumps(body) if body else None, {"x-access-token": KEY})
                response = connection.getresponse()
                content = json.loads(response.read())
                assert response.status < 300, content
                return content
            time.sleep(0.01)

    def recordings(self) -> dict[Path, float]:
        """Unix seconds of the first sample of each recording."""
        found: dict[Path, float] = {}
        for path in (self.data / "media").glob("rts-*/rec-*/recording.log"):
            with suppress(StopIteration, ValueError, KeyError):
                line = next(iter(path.read_text(errors="replace").splitlines()))
                found[path] = json.loads(line[9:])["started_at"]
        return found


def engine_starts(runs: int, streams: int) -> None:
    """Start an engine with streams several times, and print the medians."""
    from benchmarks.recording import source

    with tempfile.TemporaryDirectory() as folder, source("rtsp") as url:
        engine = KilledEngine(Path(folder))
        engine.start()
        try:
            for number in range(streams):
                engine.call("POST", "/rtstream", {"url": url, "name": f"camera {number}", "store": True})
            rows: list[tuple[float, float, float, float]] = []
            for _ in range(runs):
                while len(known := set(engine.recordings())) < streams * (len(rows) + 1):
                    time.sleep(0.05)
                engine.kill()
                began, clock = time.time(), time.monotonic()
                engine.start()
                engine.call("GET", "/health")
                health = time.monotonic() - clock
                engine.call("GET", "/rtstream")
                listed = time.monotonic() - clock
                while len(new := {path: at for path, at in engine.recordings().items() if path not in known}) < streams:
                    time.sleep(0.05)
                rows.append((health, listed, min(new.values()) - began, max(new.values()) - began))
        finally:
            engine.kill()
    print(f"\n| Start with {streams} killed recorders | `/health` | list of streams | first recorded again | all |")
    print("|---|---|---|---|---|")
    for name, choose in (("median", statistics.median), ("longest", max)):
        print(
            f"| {name} of {runs} | "
            + " | ".join(f"{choose(column):.2f} s" for column in zip(*rows, strict=True))
            + " |"
        )


def idle_engine(seconds: float, settle_s: float) -> None:
    """Print the share of a core and the memory of an engine without streams, and of the processes below it."""
    from benchmarks.recording import below, cpu, pss

    with tempfile.TemporaryDirectory() as folder:
        engine = KilledEngine(Path(folder))
        engine.start()
        try:
            engine.call("GET", "/rtstream")
            time.sleep(settle_s)
            pids = [engine.pid, *below(engine.pid)]
            before, began = cpu(pids), time.monotonic()
            time.sleep(seconds)
            share = (cpu(pids) - before) / (time.monotonic() - began)
            memory = sum(map(pss, pids))
        finally:
            engine.kill()
    print(f"\n| Engine without streams, {seconds:g} s | processes | of a core | memory |\n|---|---|---|---|")
    print(f"| goal: 0.2 %, 80 MB | {len(pids)} | {100 * share:.2f} % | {memory:.0f} MB |")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds without streams that are measured")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds before that")
    options = parse(parser, runs=1, streams=2, idle=1.0, settle=0.5)
    runs = options.runs
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        env = {**os.environ, "RTSTREAM_DATA_DIR": folder}
        commands = {"bare": [sys.executable, str(bare)], "ours": [sys.executable, "-m", "rtstream_mcp"]}
        print("| First request | bare MCPServer | rtstream-mcp | ratio | CPU bare | CPU ours | ratio |")
        print("|---|---|---|---|---|---|---|")
        for method, params in (("initialize", INITIALIZE), ("server/discover", DISCOVER)):
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
            for _ in range(runs):
                for name, command in commands.items():
                    times[name].append(first_answer(command, method, params, env))
            cells = [method]
            for kind in range(2):
                bare_s, ours_s = (statistics.median(run[kind] for run in times[name]) for name in ("bare", "ours"))
                cells += [f"{bare_s:.3f} s", f"{ours_s:.3f} s", f"{ours_s / bare_s:.2f}"]
            print(f"| {' | '.join(cells)} |")
    if sys.platform == "linux":
        engine_starts(runs, options.streams)
        idle_engine(options.idle, options.settle)


if __name__ == "__main__":
    main()
