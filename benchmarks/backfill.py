"""Lag of live results while a gap is looked at, beside the lag of the same streams without one.

``python -m benchmarks.backfill [--streams 4] [--gap 60] [--rounds 3]`` runs an engine with live streams, an index of
one window every 2 s, a transcript and alerts. In each round, the engine is killed for a time in which its recorders
continue. The next engine looks at that footage while it follows the streams. Then, for the same time, it only follows
them. The lag is the time from the end of a window or sentence to its message on a WebSocket. Goal: while the gap is
looked at, the 95th percentile is at most 10 % higher. It needs Linux.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from websockets.asyncio.client import ClientConnection, connect

from benchmarks._options import parse
from rtstream.client import RTStreamClient
from tests.faults.rig import WINDOW_S, Rig, running
from tests.integration.recorder_processes import KEY

GOAL = 0.10
CHANNELS = {"scene_index": "windows", "transcript": "sentences"}
SETTLED_S = 5.0
"""Seconds after the last late result before the comparison begins."""
LIMIT_S = 120.0
"""Longest analysis of a gap, beside the length of the gap."""


@dataclass
class Lags:
    """Seconds from the end of a window or sentence to its message."""

    live: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CHANNELS.values()})
    late: int = 0
    """Results about the gap that arrived meanwhile."""
    seconds: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--gap", type=float, default=60.0, help="seconds without an engine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--least", type=float, default=20.0, help="shortest comparison in seconds")
    options = parse(parser, streams=1, gap=6.0, rounds=1, least=4.0)
    during, without = Lags(), Lags()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), options.streams, small=False) as rig:
        for _ in range(options.rounds):
            rig.engine.kill()
            rig.ended()
            time.sleep(options.gap)
            rig.start()
            anyio.run(measure, rig, options, during, without)
    show(during, without, options)


async def measure(rig: Rig, options: argparse.Namespace, during: Lags, without: Lags) -> None:
    """One round: until the gap has been looked at, and then the comparison."""
    client = RTStreamClient(str(rig.engine.client.base_url), KEY)
    url = f"{await client.websocket_url()}&scope=all"
    await client.aclose()
    windows = int(options.gap / WINDOW_S) * options.streams
    async with connect(url, proxy=None) as socket:
        await socket.recv()  # the hello
        began = time.monotonic()
        await follow(socket, during, options.gap + LIMIT_S, windows)
        took = time.monotonic() - began
        await follow(socket, Lags(), SETTLED_S)
        await follow(socket, without, max(options.least, took))


async def follow(socket: ClientConnection, lags: Lags, limit_s: float, late_windows: int | None = None) -> None:
    """Read messages for a time, or until so many late windows have arrived."""
    began, late = time.monotonic(), 0
    with anyio.move_on_after(limit_s):
        async for text in socket:
            message = json.loads(text)
            name = CHANNELS.get(message.get("channel"))
            if name is None or message.get("seq") is None:
                continue
            data = message["data"]
            if data.get("late"):
                lags.late += 1
                late += name == "windows"
                if late == late_windows:
                    break
            else:
                lags.live[name].append(time.time() - data["end"])
    lags.seconds += time.monotonic() - began


def show(during: Lags, without: Lags, options: argparse.Namespace) -> None:
    """Print the table."""
    print(
        f"\n{options.streams} streams, {options.rounds} gaps of {options.gap:g} s: {during.late} late results in "
        f"{during.seconds:.0f} s, and {without.seconds:.0f} s without a gap\n"
    )
    print("| lag of live results | count | median | p95 | without a gap: count | median | p95 | p95, change | goal |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in CHANNELS.values():
        some, others = sorted(during.live[name]), sorted(without.live[name])
        if not some or not others:
            print(f"| {name} | {len(some)} | – | – | {len(others)} | – | – | – | – |")
            continue
        change = p95(some) / p95(others) - 1
        print(
            f"| {name} | {len(some)} | {statistics.median(some):.2f} s | {p95(some):.2f} s | {len(others)} | "
            f"{statistics.median(others):.2f} s | {p95(others):.2f} s | {100 * change:+.0f} % | "
            f"{'met' if change <= GOAL else 'missed'} |"
        )


def p95(values: list[float]) -> float:
    """The 95th percentile of sorted values."""
    return values[int(len(values) * 0.95)]


if __name__ == "__main__":
    main()
