"""The cost of MCP: tool calls beside a no-op tool on a bare server, cues, and a thousand WebSocket subscribers.

``python -m benchmarks.mcp [--calls 400] [--entries 40]``. Servers and engine are processes of
their own. Compared calls alternate, so that a busy machine slows both.
"""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from benchmarks._options import parse
from rtstream.client import RTStreamClient

KEY = "sk-benchmark"
BARE = """
import sys
from mcp.server import MCPServer
mcp = MCPServer("bare", log_level="WARNING")
@mcp.tool()
async def noop(stream_id: str) -> dict[str, str]:
    "Do nothing"
    return {"stream_id": stream_id}
if len(sys.argv) > 1:
    mcp.run("streamable-http", port=int(sys.argv[1]))
else:
    mcp.run("stdio")
"""
PERCENTILES = (0.5, 0.95, 1.0)


# the engine


async def engine(folder: Path) -> None:
    """Run an engine that appends an entry for each line on its input, and prints the time of the commit."""
    from rtstream import ids
    from rtstream.engine.engine import Engine
    from rtstream.store import streams as stream_rows
    from rtstream.store.journal import Entry
    from server.http import serve_engine
    from server.settings import Settings

    settings = Settings(data_dir=folder, api_key=KEY, port=0, local_vision=False)
    stop = anyio.Event()
    stream: dict[str, Any] = {
        "id": ids.stream_id(),
        "name": "Door",
        "url": "rtsp://192.0.2.1/door",
        "collection_id": "default",
        "created_at": time.time(),
        "media_types": ["video"],
        "sample_rate": 30.0,
        "store": True,
        "enable_transcript": False,
        "desired": "stopped",
        "health": {"state": "stopped", "since": time.time()},
    }

    def ready(url: str) -> None:
        print(json.dumps([url, stream["id"]]), flush=True)

    async with Engine(settings) as running, anyio.create_task_group() as tasks:
        await running.db.write(lambda conn: stream_rows.insert(conn, **stream))
        tasks.start_soon(serve_engine, running, settings, stop, ready)
        async for line in anyio.wrap_file(sys.stdin):
            channel, stream_id, data, count = json.loads(line)
            seqs = await running.journal.append(*[Entry(channel, data, stream_id, "Door")] * count)
            print(json.dumps([seqs[-1], time.perf_counter()]), flush=True)
        stop.set()


class Engine:
    """The engine, seen from the measuring process."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._commands = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)

    async def answer(self) -> Any:
        with anyio.fail_after(60):
            return json.loads(await self._answers.receive_until(b"\n", 10_000))

    async def append(self, channel: str, stream_id: str, data: dict[str, Any], count: int = 1) -> tuple[int, float]:
        """Append ``count`` entries. Returns the number of the last one and its commit time (``perf_counter``)."""
        await self._commands.send(json.dumps([channel, stream_id, data, count]).encode() + b"\n")
        seq, at = await self.answer()
        return seq, at

    @property
    def megabytes(self) -> float:
        """Memory in use, resident."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@asynccontextmanager
async def running_engine(folder: Path) -> AsyncIterator[tuple[Engine, str, str]]:
    """An engine, its address and the id of a stream it has."""
    command = [sys.executable, "-m", "benchmarks.mcp", "engine", str(folder)]
    async with await anyio.open_process(command, stderr=None) as process:
        started = Engine(process)
        try:
            url, stream_id = await started.answer()
            yield started, url, stream_id
        finally:
            process.kill()


# tool calls


def ours(url: str, key: str = KEY) -> StdioServerParameters:
    env = {"RTSTREAM_API_URL": url, "RTSTREAM_API_KEY": key}
    return StdioServerParameters(command=sys.executable, args=["-m", "rtstream_mcp"], env=env)


@asynccontextmanager
async def over_http(url: str, mode: str = "auto", handler: Any = None, key: str = KEY) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, message_handler=handler, cache=None) as client,
    ):
        yield client


async def calls(clients: list[Client], tool: str, stream_id: str, each: int) -> list[float]:
    """Seconds of every call; all clients call at the same time."""
    took: list[float] = []

    async def run(client: Client) -> None:
        for _ in range(each):
            began = time.perf_counter()
            result = await client.call_tool(tool, {"stream_id": stream_id})
            took.append(time.perf_counter() - began)
            assert not result.is_error, result

    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(run, client)
    return took


async def measure_calls(url: str, stream_id: str, total: int, at_once: int) -> None:
    print("\n| Tool call | clients | bare no-op, median (p95) | get_stream, median (p95) | ratio |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        port = free_port()
        command = [sys.executable, str(bare), str(port)]
        async with await anyio.open_process(command, stderr=None, stdout=None) as bare_http:
            await reachable(port)
            for transport in ("stdio", "HTTP"):
                for count in (1, at_once):
                    async with AsyncExitStack() as stack:
                        sides: dict[str, list[Client]] = {"noop": [], "get_stream": []}
                        for _ in range(count):
                            for tool, clients in sides.items():
                                if transport == "HTTP":
                                    place = f"http://127.0.0.1:{port}/mcp" if tool == "noop" else f"{url}/mcp"
                                    made = over_http(place)
                                else:
                                    local = StdioServerParameters(command=sys.executable, args=[str(bare)])
                                    made = Client(stdio_client(local if tool == "noop" else ours(url)), cache=None)
                                clients.append(await stack.enter_async_context(made))
                        took: dict[str, list[float]] = {tool: [] for tool in sides}
                        for tool, clients in sides.items():  # the first calls build what later ones use
                            await calls(clients, tool, stream_id, 3)
                        for _ in range(4):
                            for tool, clients in sides.items():
                                took[tool] += await calls(clients, tool, stream_id, max(1, total // count // 4))
                    (noop, noop95), (real, real95) = (shares(took[tool], 0.5, 0.95) for tool in sides)
                    cells = (transport, count, f"{noop} ms ({noop95})", f"{real} ms ({real95})", f"{real / noop:.1f}")
                    print(f"| {' | '.join(map(str, cells))} |", flush=True)
            bare_http.kill()


# cues


async def measure_cues(engine: Engine, url: str, stream_id: str, entries: int) -> None:
    print("\n| Journal entry → cue at the client | median | p95 | worst |")
    print("|---|---|---|---|")
    uri = f"rtstream://streams/{stream_id}/alerts"
    for transport in ("stdio", "HTTP"):
        for era in ("legacy", "auto"):
            told: list[float] = []
            async with AsyncExitStack() as stack:

                async def heard(message: Any, told: list[float] = told) -> None:
                    if getattr(message, "method", "") == "notifications/resources/updated":
                        told.append(time.perf_counter())

                handler = heard if era == "legacy" else None
                if transport == "HTTP":
                    made = over_http(f"{url}/mcp", era, handler)
                else:
                    made = Client(stdio_client(ours(url)), mode=era, message_handler=handler, cache=None)
                client = await stack.enter_async_context(made)
                if era == "legacy":
                    await client.subscribe_resource(uri)
                else:
                    subscription = await stack.enter_async_context(client.listen(resource_subscriptions=[uri]))
                    tasks = await stack.enter_async_context(anyio.create_task_group())

                    async def follow(subscription: Any = subscription, told: list[float] = told) -> None:
                        async for _ in subscription:
                            told.append(time.perf_counter())

                    tasks.start_soon(follow)
                await anyio.sleep(1)
                took = []
                for number in range(entries):
                    told.clear()
                    _, at = await engine.append("alert", stream_id, {"label": "door", "text": f"entry {number}"})
                    with anyio.fail_after(10):
                        while not told:
                            await anyio.sleep(0.0005)
                    took.append(told[0] - at)
                    await anyio.sleep(0.3)  # past the pause between two cues of one resource
                if era == "auto":
                    tasks.cancel_scope.cancel()
            row = [f"{ms} ms" for ms in shares(took, *PERCENTILES)]
            name = f"{transport}, {'handshake era' if era == 'legacy' else '2026-07-28'}"
            print(f"| {name} | {' | '.join(row)} |", flush=True)


# WebSocket


async def measure_websockets(engine: Engine, url: str, stream_id: str, entries: int, subscribers: int) -> None:
    from websockets.asyncio.client import connect

    client = RTStreamClient(url, KEY)
    old, _ = await engine.append("scene_index", stream_id, {"text": "x" * 100_000}, 100)  # what the stalled one wants
    address = await client.websocket_url() + "&scope=all"
    arrived: list[list[tuple[int, float]]] = [[] for _ in range(subscribers - 1)]
    before = engine.megabytes
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(connect(f"{address}&since={old}", proxy=None, ping_interval=None))
            for _ in range(subscribers - 1)
        ]
        stalled = stack.enter_context(stalled_socket(f"{address}&since=0"))
        connected = engine.megabytes
        tasks = await stack.enter_async_context(anyio.create_task_group())

        async def read(socket: Any, got: list[tuple[int, float]]) -> None:
            await socket.recv()  # the hello
            while True:
                message = json.loads(await socket.recv())
                got.append((message["seq"], time.perf_counter()))

        for one, got in zip(sockets, arrived, strict=True):
            tasks.start_soon(read, one, got)
        await anyio.sleep(2)
        committed: dict[int, float] = {}
        for number in range(entries):
            seq, at = await engine.append("scene_index", stream_id, {"text": f"scene {number}"})
            committed[seq] = at
            await anyio.sleep(0.5)
        with anyio.fail_after(60):
            while sum(map(len, arrived)) < len(committed) * len(sockets):
                await anyio.sleep(0.05)
        after = engine.megabytes
        assert stalled.fileno() > 0
        tasks.cancel_scope.cancel()
    took = [at - committed[seq] for got in arrived for seq, at in got]
    await client.aclose()
    print(f"\n| {subscribers} WebSocket subscribers, one stalled | |")
    print("|---|---|")
    median, p95, worst = shares(took, *PERCENTILES)
    print(
        f"| entry → all {len(sockets)} readers, {entries} entries: median, p95, worst | {median}, {p95}, {worst} ms |"
    )
    missed = len(committed) * len(sockets) - len(took)
    print(f"| missed or repeated | {missed} |")
    print(f"| engine's memory: before, connected, after | {before:.0f}, {connected:.0f}, {after:.0f} MB |")


def stalled_socket(address: str) -> socket.socket:
    """A subscriber that shakes hands and reads no more."""
    parts = urlsplit(address)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((parts.hostname, parts.port))
    request = (
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    made.sendall(request.encode())
    return made


# everything


def shares(seconds: list[float], *which: float) -> list[float]:
    """Percentiles in milliseconds."""
    ordered = sorted(seconds)
    return [round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for share in which]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


async def reachable(port: int) -> None:
    with anyio.fail_after(30):
        while True:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            except OSError:
                await anyio.sleep(0.1)


async def measure(options: argparse.Namespace) -> None:
    """Measure and print the tables."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with tempfile.TemporaryDirectory() as folder:
        async with running_engine(Path(folder) / "data") as (started, url, stream_id):
            await measure_calls(url, stream_id, options.calls, options.clients)
            await measure_cues(started, url, stream_id, options.entries)
            await measure_websockets(started, url, stream_id, options.entries, options.subscribers)


def main() -> None:
    """Read the options and measure, or be the engine process of a measurement."""
    if sys.argv[1:2] == ["engine"]:
        anyio.run(engine, Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400, help="calls of each tool")
    parser.add_argument("--clients", type=int, default=10, help="clients that call at the same time")
    parser.add_argument("--entries", type=int, default=40, help="journal entries")
    parser.add_argument("--subscribers", type=int, default=1000, help="WebSocket connections")
    anyio.run(measure, parse(parser, calls=8, clients=2, entries=2, subscribers=20))


if __name__ == "__main__":
    main()
