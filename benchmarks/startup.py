"""Time to the first response of ``rtstream-mcp`` over stdio, beside a bare ``MCPServer`` with one tool.

``python -m benchmarks.startup [--runs 9]``. Both are started alternately, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parse(parser, runs=1).runs
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


if __name__ == "__main__":
    main()
