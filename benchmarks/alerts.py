"""Scene written -> webhook received, with many alerts on one index, on a real live stream.

Source, engine and receiver are processes of their own, so that none of them shares another's interpreter.
``python -m benchmarks.alerts [--alerts 20] [--seconds 40]`` prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from benchmarks._options import parse
from rtstream.client import RTStreamClient
from rtstream.models import ConnectStream, CreateAlert, CreateIndex
from server.cli.stop import stop

KEY = "sk-benchmark-of-alerts"
START_S = 60.0
RECEIVER = """
import asyncio, json, sys, time

async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    size = next(int(l.split(b":")[1]) for l in head.lower().split(b"\\r\\n") if l.startswith(b"content-length"))
    body = await reader.readexactly(size)
    at = time.time()
    writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    await writer.drain()
    writer.close()
    print(json.dumps([at, json.loads(body)]), flush=True)

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
NOT_THERE = "zebra crossing"
"""Each event waits for the absence of a phrase of its own, so every one is true of every scene."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40)
    options = parse(parser, alerts=2, seconds=6)
    with tempfile.TemporaryDirectory() as folder:
        webhooks = anyio.run(run, Path(folder), options.alerts, options.seconds)
        rows = latencies(Path(folder), webhooks)
    print(f"| {options.alerts} alerts on one index, {len(webhooks)} webhooks | median ms | p95 ms | max ms |")
    print("|---|---|---|---|")
    for name, values in rows.items():
        values = sorted(values)
        p95 = values[int(len(values) * 0.95)]
        print(f"| {name} | {statistics.median(values):.0f} | {p95:.0f} | {values[-1]:.0f} |")


async def run(folder: Path, alerts: int, seconds: float) -> list[tuple[float, dict[str, Any]]]:
    """The webhooks that came, each with the time of its arrival."""
    log = folder / "webhooks"
    source = [sys.executable, "-m", "rtstream.testsource", "--voice", "tones", "--seconds", "12"]
    with program(source) as first, receiver(log) as port, engine(folder / "data") as url:
        client = RTStreamClient(url, KEY)
        stream = await client.connect_stream(ConnectStream(url=json.loads(first)["rtsp_url"], store=True))
        index = await client.indexes.create(stream.id, CreateIndex(extraction_config={"time": 2, "frame_count": 2}))
        for number in range(alerts):
            rule = {"text": f"{NOT_THERE} {number + 10}", "when": "absent"}
            event = await client.alerts.create_event("nothing special", f"event-{number}", rule)
            wanted = CreateAlert(
                event_id=event.event_id, callback_url=f"http://127.0.0.1:{port}/{number}", dedupe=False
            )
            await client.alerts.create_alert(stream.id, index.rtstream_index_id, wanted)
        await anyio.sleep(seconds)
        warm = 2 * alerts  # the first scenes load the reader of text
        await anyio.to_thread.run_sync(until, lambda: len(log.read_text().splitlines()) > warm + alerts)
        await client.aclose()
    lines = log.read_text().splitlines()[1:]
    return [(at, body) for at, body in map(json.loads, lines)][warm:]


@contextmanager
def program(command: list[str], **environment: str) -> Iterator[str]:
    """Run a program. Yields its first line."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@contextmanager
def receiver(log: Path) -> Iterator[int]:
    """Run a receiver that writes each request to ``log``. Yields its port."""
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=file)
    try:
        until(lambda: log.read_text().endswith("\n"))
        yield int(log.read_text())
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def engine(data_dir: Path) -> Iterator[str]:
    """Run an engine. Yields its URL."""
    settings = {
        "RTSTREAM_DATA_DIR": str(data_dir),
        "RTSTREAM_API_KEY": KEY,
        "RTSTREAM_ALLOW_NETWORKS": "loopback",
        "RTSTREAM_WEBHOOK_ALLOW_NETWORKS": "loopback",
    }
    command = [sys.executable, "-m", "rtstream_mcp", "serve", "--port", "0"]
    process = subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    file = data_dir / "engine.json"
    try:
        until(file.exists)
        yield json.loads(file.read_text())["url"]
    finally:
        stop(data_dir)
        process.wait(20)


def until(ready: Any) -> None:
    """Wait for a program."""
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("a program of the benchmark did not start")
        time.sleep(0.05)


def latencies(folder: Path, webhooks: list[tuple[float, dict[str, Any]]]) -> dict[str, list[float]]:
    """Milliseconds per webhook, from three points in its life."""
    with sqlite3.connect(folder / "data" / "rtstream.db") as db:
        scenes = {
            round(end, 2): (created_at, end, json.loads(detail)["frame_times"][-1])
            for end, created_at, detail in db.execute("SELECT end, created_at, detail FROM scenes")
        }
    found: dict[str, list[float]] = {
        "scene written -> webhook received": [],
        "end of window -> webhook received": [],
        "last picture looked at, on the wire -> webhook received": [],
    }
    for at, body in webhooks:
        moments = scenes[round(datetime.fromisoformat(body["end_time"]).timestamp(), 2)]
        for values, moment in zip(found.values(), moments, strict=True):
            values.append((at - moment) * 1000)
    return found


if __name__ == "__main__":
    main()
