"""Growth, losses and skipped work of an engine that does everything at once for a long time.

``python -m benchmarks.soak [--minutes 20] [--streams 8] [--readers 50] [--clients 10]`` runs an engine with live
streams (half of them over RTSP) that number their frames and sentences. Each has an index of one window every 2 s, a
transcript and two alerts with webhooks. WebSocket readers read every message, and MCP clients call tools without a
pause. Memory, descriptors and threads of the engine and of the recorders are sampled. At the end, a checker that knows
nothing of the engine compares files, rows and results with the frames and sentences that were sent. It needs Linux.

With ``--changing 20``, it runs ``benchmarks.changes`` instead: 20 sources that change in mid-stream.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from mcp import Client
from mcp.client.stdio import stdio_client
from websockets.asyncio.client import connect

from benchmarks import changes
from benchmarks._options import parse
from benchmarks.mcp import ours, over_http
from benchmarks.recording import pss
from rtstream.client import RTStreamClient
from tests.faults.footage import reading
from tests.faults.rig import Rig, running
from tests.faults.run import Report, perform
from tests.integration.recorder_processes import KEY, recorder_of

EVERY_S = 2.0
GOAL = 0.03
POOLED = 2
"""Threads and descriptors by which the pools of a process may differ at two moments. One thread of 17 is 6 %."""
OVER_STDIO = 2
"""Number of MCP clients that start a server of their own."""


@dataclass
class Sample:
    """One look at the engine and at all recorders together."""

    memory: float
    """MB of the processes themselves, in which pages shared with other processes count by their share."""
    mapped: float
    """MB of files that are mapped into memory. They grow with the database; the system drops them when it needs to."""
    descriptors: int
    threads: int


@dataclass
class Load:
    """Samples of the processes, and the messages and responses that readers and clients received."""

    engine: list[Sample] = field(default_factory=list)
    recorders: list[Sample] = field(default_factory=list)
    readers: list[list[int]] = field(default_factory=list)
    """Journal numbers that each WebSocket reader received."""
    calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument(
        "--warm", type=float, default=4.0, help="minutes in which pools and caches fill, which are not compared"
    )
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--changing", type=int, default=0, help="number of sources that change in mid-stream, instead")
    parser.add_argument("--seed", type=int, default=None, help="of the changes; default: a random one")
    parser.add_argument("--keep", type=Path, help="a new folder for everything, which is kept")
    options = parse(parser, minutes=0.2, warm=0.1, streams=1, readers=2, clients=3)
    if options.changing:
        arguments = ["--minutes", str(options.minutes), "--sources", str(options.changing)]
        changes.main(arguments + ([] if options.seed is None else ["--seed", str(options.seed)]))
    if options.keep:
        options.keep.mkdir(parents=True)
    place = nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory()
    with place as folder, running(Path(folder), options.streams, small=False) as rig:
        load = anyio.run(run, rig, options)
        with reading(rig.data_dir) as db:
            written = [seq for (seq,) in map(tuple, db.execute("select seq from journal order by seq"))]
        report = perform(rig, [], print, rebuild=False)
    show(load, report, written, options)


async def run(rig: Rig, options: argparse.Namespace) -> Load:
    """Load the engine and sample it."""
    load = Load()
    client = RTStreamClient(str(rig.engine.client.base_url), KEY)
    url = f"{await client.websocket_url()}&scope=all"
    await client.aclose()
    with anyio.move_on_after(60 * options.minutes):
        async with anyio.create_task_group() as tasks:
            for _ in range(options.readers):
                load.readers.append([])
                tasks.start_soon(read, url, load.readers[-1])
            for number in range(options.clients):
                tasks.start_soon(call, rig, load, number < OVER_STDIO)
            await sample(rig, load)
    return load


async def read(url: str, got: list[int]) -> None:
    """Read every message, as a WebSocket client."""
    async with connect(url, proxy=None) as socket:
        await socket.recv()  # the hello
        async for message in socket:
            seq = json.loads(message).get("seq")
            if seq is not None:  # texts that are not final have none
                got.append(seq)


async def call(rig: Rig, load: Load, stdio: bool) -> None:
    """Call tools one after the other, as an MCP client."""
    async with mcp_client(str(rig.engine.client.base_url).rstrip("/"), stdio) as client:
        while True:
            for stream in rig.streams:
                for tool, arguments in (
                    ("list_streams", {}),
                    ("get_stream", {"stream_id": stream.id}),
                    ("get_transcript", {"stream_id": stream.id}),
                    ("wait_for_events", {"timeout_s": 5}),
                ):
                    result = await client.call_tool(tool, arguments)
                    load.calls[tool] += 1
                    if result.is_error:
                        load.failures[f"{tool}: {str(result.content)[:200]}"] += 1


@asynccontextmanager
async def mcp_client(url: str, stdio: bool) -> AsyncIterator[Client]:
    """An MCP client, over HTTP or with a server of its own."""
    async with AsyncExitStack() as stack:
        made = Client(stdio_client(ours(url, KEY)), cache=None) if stdio else over_http(f"{url}/mcp", key=KEY)
        yield await stack.enter_async_context(made)


async def sample(rig: Rig, load: Load) -> None:
    """Sample until cancelled."""
    pids = [recorder_of(rig.data_dir, one.id) or 0 for one in rig.streams]
    while True:
        await anyio.sleep(EVERY_S)
        load.engine.append(await anyio.to_thread.run_sync(look, [rig.engine.process.pid]))
        load.recorders.append(await anyio.to_thread.run_sync(look, pids))


def look(pids: Sequence[int]) -> Sample:
    """Sample some processes together."""
    folders = [Path(f"/proc/{pid}") for pid in pids]
    mapped = sum(pss(pid, "Pss_File") for pid in pids)
    return Sample(
        sum(pss(pid) for pid in pids) - mapped,
        mapped,
        sum(len(list((folder / "fd").iterdir())) for folder in folders),
        sum(len(list((folder / "task").iterdir())) for folder in folders),
    )


def show(load: Load, report: Report, written: list[int], options: argparse.Namespace) -> None:
    """Print the table."""
    print(
        f"\n{options.minutes:g} minutes, {options.streams} streams, {options.readers} WebSocket readers, "
        f"{options.clients} MCP clients; medians of the first and last quarter after {options.warm:g} minutes\n"
    )
    print("| | first | last | change | goal: within 3 % (or 2 threads or descriptors) |\n|---|---|---|---|---|")
    for name, samples in (("engine", load.engine), ("recorders", load.recorders)):
        after = samples[round(60 * options.warm / EVERY_S) :] or samples
        quarter = max(1, len(after) // 4)
        for what in ("memory", "mapped", "descriptors", "threads"):
            values = [getattr(one, what) for one in after]
            first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
            change = last / first - 1
            unit = " MB" if what in ("memory", "mapped") else ""
            pooled = not unit and abs(last - first) <= POOLED
            met = "" if what == "mapped" else "met" if abs(change) <= GOAL or pooled else "missed"
            print(f"| {name}: {what} | {first:.4g}{unit} | {last:.4g}{unit} | {100 * change:+.1f} % | {met} |")
    footage = report.footage.values()
    expected = [sum(got[0] <= seq <= got[-1] for seq in written) if got else 1 for got in load.readers]
    lost = sum(abs(count - len(got)) for count, got in zip(expected, load.readers, strict=True))
    totals = {
        "frames sent / lost / twice": " / ".join(
            str(sum(values))
            for values in (
                [one.sent for one in footage],
                [len(one.missing) for one in footage],
                [len(one.twice) for one in footage],
            )
        ),
        **{
            f"{name} recorded / not analysed / of these unexplained": (
                f"{some.expected} / {some.missing.total()} / {some.unexplained}"
            )
            for name, some in (("windows", report.windows), ("sentences", report.sentences))
        },
        "decisions / firings / webhooks received": (
            f"{report.decided.decisions} / {report.decided.firings} / {report.decided.webhooks}"
        ),
        "WebSocket messages received / lost or repeated": f"{sum(map(len, load.readers))} / {lost}",
        "MCP calls / failed": f"{load.calls.total()} / {load.failures.total()}",
        "frames in playlists and exports": report.played.frames,
        "broken promises": len(report.violations()),
    }
    print("\n| | |\n|---|---|")
    print(*(f"| {name} | {value} |" for name, value in totals.items()), sep="\n")
    print(*report.violations(), *load.failures, sep="\n")


if __name__ == "__main__":
    main()
