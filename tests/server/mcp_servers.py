"""A real engine that serves the API and MCP, and the ways a client connects to it: both transports, both eras."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from rtstream import ids
from rtstream.engine.engine import Engine
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store.journal import Entry
from server.engine_file import read_engine_file
from server.http import serve_engine
from server.mcp_server import create_mcp_server
from server.settings import Settings
from tests.waiting import eventually_sync

KEY = "sk-test-key-of-the-mcp-tests"
SCRIPT = Path(sys.executable).parent / "rtstream-mcp"
LIMIT_S = 45.0

Transport = Literal["stdio", "http"]
Era = Literal["legacy", "auto"]
WAYS: list[tuple[Transport, Era]] = [("stdio", "legacy"), ("stdio", "auto"), ("http", "legacy"), ("http", "auto")]
USUAL: list[tuple[Transport, Era]] = [("stdio", "auto"), ("http", "legacy")]
"""Pairs with which the normal run makes do."""


@dataclass
class Served:
    """A listening engine; ``url`` is its base URL."""

    url: str
    engine: Engine
    data_dir: Path
    stop: anyio.Event
    closed: anyio.Event = field(default_factory=anyio.Event)
    """Set once the server has ended after ``stop``."""

    async def add_stream(self, name: str = "Door", *, audio: bool = True) -> str:
        """Store a stopped stream. Returns its id."""
        stream_id = ids.stream_id()
        values: dict[str, Any] = {
            "id": stream_id,
            "name": name,
            "url": "rtsp://user:secret@192.0.2.1/door",
            "collection_id": "default",
            "created_at": time.time(),
            "media_types": ["video"],
            "audio": audio,
            "sample_rate": 30.0,
            "store": True,
            "enable_transcript": False,
            "desired": "stopped",
            "health": {"state": "stopped", "since": time.time()},
        }
        await self.engine.db.write(lambda conn: stream_rows.insert(conn, **values))
        return stream_id

    async def add_index(self, stream_id: str, *texts: str) -> str:
        """Store a stopped scene index with these scenes. Returns its id."""
        index_id = ids.index_id()
        index = {"id": index_id, "stream_id": stream_id, "name": "scene", "extraction_type": "time", "counters": {}}
        config = {"extraction_config": {"time": 2, "frame_count": 5}, "model_config": {}, "model_name": None}
        scene = {"index_id": index_id, "stream_id": stream_id, "status": "ok", "model": "local", "data": None}

        def write(conn: Any) -> None:
            index_rows.insert(conn, **index, **config, prompt="?", status="stopped", created_at=time.time())
            for number, text in enumerate(texts):
                times = {"start": 1000.0 + number, "end": 1001.0 + number, "created_at": time.time()}
                index_rows.add_scene(conn, **scene, **times, text=text, detail={})

        await self.engine.db.write(write)
        return index_id

    async def happen(self, channel: str, stream_id: str, **data: Any) -> int:
        """Write a journal entry as the engine does. Returns its number."""
        return (await self.engine.journal.append(Entry(channel, data, stream_id, "Door")))[0]


@asynccontextmanager
async def serving(folder: Path, create_server: Any = create_mcp_server, **settings: Any) -> AsyncIterator[Served]:
    """An engine on an empty folder, served on a port of its own."""
    given = {
        "data_dir": folder,
        "api_key": KEY,
        "port": 0,
        "local_vision": False,
        "embedding_model": "none",
        "allow_networks": "loopback",
        "webhook_allow_networks": "loopback",
    }
    config = Settings(**{**given, **settings})
    stop, ready, closed = anyio.Event(), anyio.Event(), anyio.Event()
    urls: list[str] = []

    def listening(url: str) -> None:
        urls.append(url)
        ready.set()

    async with Engine(config) as engine, anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_engine(engine, config, stop, listening, create_server)
            closed.set()

        tasks.start_soon(serve)
        with anyio.fail_after(LIMIT_S):
            await ready.wait()
        yield Served(urls[0], engine, folder, stop, closed)
        stop.set()


@dataclass
class Heard:
    """The notifications that a client received."""

    uris: list[str] = field(default_factory=list)
    lists: int = 0
    something: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, message: Any) -> None:
        """The client's handler of messages."""
        method = getattr(message, "method", "")
        if method == "notifications/resources/updated":
            self.hear(str(message.params.uri))
        elif method == "notifications/resources/list_changed":
            self.hear("")

    def hear(self, uri: str) -> None:
        """An update of ``uri``, or of the list when it is empty."""
        if uri:
            self.uris.append(uri)
        else:
            self.lists += 1
        something, self.something = self.something, anyio.Event()
        something.set()

    async def until_more(self, count: int) -> None:
        """Wait for more than ``count`` updates."""
        while len(self.uris) <= count:
            await self.something.wait()

    async def until(self, uri: str) -> None:
        """Wait until ``uri`` was updated, or the list changed when it is empty."""
        with anyio.fail_after(LIMIT_S):
            while not (uri in self.uris if uri else self.lists):
                await self.something.wait()


def program(*arguments: str, **environment: str) -> StdioServerParameters:
    """The command by which a host starts the program over stdio."""
    env = {"RTSTREAM_API_KEY": KEY, **environment}
    return StdioServerParameters(command=str(SCRIPT), args=list(arguments), env=env)


@asynccontextmanager
async def connected(
    served: Served, transport: Transport, era: Era, heard: Heard | None = None, key: str = KEY, **more: Any
) -> AsyncIterator[Client]:
    """A client of the engine's MCP server. ``more`` are further options of ``mcp.Client``."""
    import httpx2

    options: dict[str, Any] = {"mode": era, "message_handler": heard, "read_timeout_seconds": LIMIT_S, "cache": None}
    options |= more
    if transport == "stdio":
        async with Client(stdio_client(program(RTSTREAM_API_URL=served.url)), **options) as client:
            yield client
        return
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=LIMIT_S) as http,
        Client(streamable_http_client(f"{served.url}/mcp", http_client=http), **options) as client,
    ):
        yield client


async def call(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """The structured result of a tool that is to succeed."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refusal(client: Client, tool: str, /, **arguments: Any) -> str:
    """The sentence of a tool that is to fail."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    assert result.is_error, result.structured_content
    return "".join(getattr(part, "text", "") for part in result.content)


@asynccontextmanager
async def subscribed(client: Client, era: Era, heard: Heard, *uris: str) -> AsyncIterator[None]:
    """Subscribe in the way of the era while the block is open."""
    if era == "legacy":
        for uri in uris:
            await client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        yield
        for uri in uris:
            await client.unsubscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        return
    async with (
        client.listen(resources_list_changed=True, resource_subscriptions=uris) as subscription,
        anyio.create_task_group() as tasks,
    ):

        async def follow() -> None:
            async for event in subscription:
                heard.hear(getattr(event, "uri", ""))

        tasks.start_soon(follow)
        yield
        tasks.cancel_scope.cancel()


@contextmanager
def engine_ended(data_dir: Path) -> Iterator[None]:
    """Ends the engine of the folder, however it was started, and waits until it is gone."""
    try:
        yield
    finally:
        pid = read_engine_file(data_dir).get("pid")
        if pid:
            os.kill(pid, signal.SIGINT)  # with its recorders
            eventually_sync(lambda: not (data_dir / "engine.json").exists())
