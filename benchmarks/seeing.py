"""End of a window -> scene delivered, without the model's own time; CPU per indexed stream.

Source, engine, model server and measuring client are processes of their own. The model server speaks OpenAI's chat
completions and answers after a known time. ``python -m benchmarks.seeing [--windows 60] [--streams 4]`` prints tables.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import websockets

from benchmarks._options import parse
from benchmarks.alerts import KEY, engine, program
from rtstream.client import RTStreamClient
from rtstream.models import ConnectStream, CreateIndex

MODEL_S = 0.2
GOAL_MS = 150
WINDOW = {"time": 2, "frame_count": 5}
MODEL = """
import asyncio, json, sys

ANSWER = json.dumps({
    "id": "1", "object": "chat.completion", "created": 1790000000, "model": "eye",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A desk."}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
}).encode()

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            size = next(int(l.split(b":")[1]) for l in head.lower().split(b"\\r\\n") if l.startswith(b"content-length"))
            await reader.readexactly(size)
            await asyncio.sleep(float(sys.argv[1]))
            head = f"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: {len(ANSWER)}\\r\\n\\r\\n"
            writer.write(head.encode() + ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--warm", type=int, default=3, help="windows before the first that is measured")
    parser.add_argument("--settle", type=float, default=6.0, help="seconds before CPU time is measured")
    parser.add_argument("--seconds", type=float, default=20.0, help="of measured CPU time")
    options = parse(parser, windows=2, warm=1, streams=1, settle=2.0, seconds=2.0)
    with source() as rtsp:
        for name, own_s in (("a model that takes 200 ms", MODEL_S), ("the embedded default", None)):
            with seeing(local=own_s is None) as (url, _):
                show_overhead(name, anyio.run(delivered, url, rtsp, options.windows, options.warm, own_s))
        print()
        print(f"| {options.streams} streams 1280x720, 30 pictures a second | CPU per stream, % of a core |")
        print("|---|---|")
        for name, index in (("received only", False), ("and indexed, 5 pictures every 2 s, by a model", True)):
            with seeing(local=False) as (url, pid):
                share = anyio.run(cpu, url, pid, rtsp, options.streams, index, options.settle, options.seconds)
            print(f"| {name} | {100 * share:.1f} |", flush=True)


@contextmanager
def source() -> Iterator[str]:
    """The RTSP address of 720p at 30 pictures a second."""
    with program([sys.executable, "-m", "rtstream.testsource", "--voice", "tones", "--seconds", "12"]) as line:
        yield json.loads(line)["rtsp_url"]


@contextmanager
def seeing(*, local: bool) -> Iterator[tuple[str, int]]:
    """Run an engine with a model server, or with the built-in model. Yields its URL and process."""
    with tempfile.TemporaryDirectory() as folder, program([sys.executable, "-c", MODEL, str(MODEL_S)]) as port:
        model = {} if local else {"VISION_MODEL": "openai:eye", "MODEL_BASE_URL": f"http://127.0.0.1:{port.strip()}"}
        os.environ.update({f"RTSTREAM_{name}": value for name, value in model.items()})
        try:
            data_dir = Path(folder) / "data"
            with engine(data_dir) as url:
                yield url, json.loads((data_dir / "engine.json").read_text())["pid"]
        finally:
            for name in model:
                del os.environ[f"RTSTREAM_{name}"]


async def delivered(url: str, rtsp: str, windows: int, warm: int, own_s: float | None) -> dict[str, list[float]]:
    """Milliseconds from the end of each window to its message on a WebSocket, and the parts they are made of.

    ``own_s``: seconds the model itself takes; None: what the engine measured (there is no server in between).
    """
    client = RTStreamClient(url, KEY)
    stream = await client.connect_stream(ConnectStream(url=rtsp))
    late: dict[float, float] = {}
    async with websockets.connect(f"{await client.websocket_url()}&scope=all") as feed:
        wanted = CreateIndex(prompt="What is seen?", extraction_config=WINDOW)
        index = await client.indexes.create(stream.id, wanted)
        while len(late) < warm + windows:
            message = json.loads(await feed.recv())
            if message.get("channel") == "scene_index":
                late[message["data"]["end"]] = time.time() - message["data"]["end"]
    page = await client.indexes.list_scenes(stream.id, index.rtstream_index_id, page_size=warm + windows)
    known = await client.indexes.get(stream.id, index.rtstream_index_id)
    await client.aclose()
    assert known.windows_failed == 0, known
    print(f"\n{known.windows_skipped} windows were skipped.")
    took = {scene.end: scene.latency_s or 0.0 for scene in page.scenes}
    ends = sorted(late)[warm:]
    found = {
        "whole": [1000 * late[end] for end in ends],
        "without the model's own time": [1000 * (late[end] - (own_s or took[end])) for end in ends],
    }
    if own_s is not None:
        found["of it: client library and HTTP"] = [1000 * (took[end] - own_s) for end in ends]
        found["of it: pictures, queue, database, WebSocket"] = [1000 * (late[end] - took[end]) for end in ends]
    return found


def show_overhead(name: str, found: dict[str, list[float]]) -> None:
    """One table."""
    print(f"\n| {name}: end of window -> WebSocket, {len(found['whole'])} windows | median ms | p95 ms | max ms |")
    print("|---|---|---|---|")
    for what, values in found.items():
        values = sorted(values)
        p95 = values[int(len(values) * 0.95)]
        print(f"| {what} | {statistics.median(values):.0f} | {p95:.0f} | {values[-1]:.0f} |", flush=True)


async def cpu(url: str, pid: int, rtsp: str, streams: int, index: bool, settle: float, seconds: float) -> float:
    """CPU seconds per second and stream, of the engine and all its child processes."""
    client = RTStreamClient(url, KEY)
    for _ in range(streams):
        stream = await client.connect_stream(ConnectStream(url=rtsp))
        if index:
            await client.indexes.create(stream.id, CreateIndex(prompt="What is seen?", extraction_config=WINDOW))
    await anyio.sleep(settle)
    before, began = spent(pid), time.monotonic()
    await anyio.sleep(seconds)
    used = (spent(pid) - before) / (time.monotonic() - began)
    await client.aclose()
    return used / streams


def spent(pid: int) -> float:
    """CPU seconds of a process and those below it so far (Linux)."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        process = int(folder.name)
        parents[process] = int(fields[1])
        seconds[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def below(process: int) -> bool:
        while process in parents:
            if process == pid:
                return True
            process = parents[process]
        return False

    return sum(value for process, value in seconds.items() if below(process))


if __name__ == "__main__":
    main()
