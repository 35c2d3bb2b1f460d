"""Nothing is lost or delayed by killed processes, cut connections and readers that stopped reading."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ReadResourceResult

from rtstream.client import RTStreamClient
from server.mcp_server import McpEndpoint, create_mcp_server
from server.protocol_versions import MAX_SUBSCRIPTIONS
from server.settings import Settings
from tests.server.engine_process import EngineProcess, engine_process, way
from tests.server.mcp_servers import KEY, LIMIT_S, Era, Heard, call, connected, program, serving, subscribed
from tests.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")]

EVENTS = 30_000


class Followed:
    """The numbers of the entries that a client has seen, in the order of their arrival."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.cursor = 0
        self._grown = anyio.Event()

    def take(self, page: dict[str, Any]) -> bool:
        """Remember a page. Returns whether more entries follow."""
        self.seqs += [event["seq"] for event in page["events"]]
        self.cursor = page["cursor"]
        grown, self._grown = self._grown, anyio.Event()
        grown.set()
        return page["has_more"]

    async def until(self, seqs: list[int]) -> None:
        """Wait until all of these were seen, or something else was."""
        with anyio.move_on_after(LIMIT_S):
            while len(self.seqs) < len(seqs):
                await self._grown.wait()
        assert self.seqs == seqs


@pytest.mark.parametrize("era", [pytest.param("legacy", marks=pytest.mark.long), "auto"])
async def test_a_subscriber_and_a_waiter_miss_and_repeat_nothing_through_cuts_and_kills(
    tmp_path: Path, era: Era
) -> None:
    folder, params = tmp_path / "data", program()
    reader, waiter, heard = Followed(), Followed(), Heard()
    written: list[int] = []

    async def happen(engine: EngineProcess, stream_id: str) -> None:
        for _ in range(3):
            written.append(await engine.do("happen", "alert", stream_id, label=f"n{len(written)}"))

    async with way() as between, engine_process(folder) as (engine, url):
        port = between.target = int(url.rpartition(":")[2])
        assert params.env is not None
        params.env["RTSTREAM_API_URL"] = f"http://127.0.0.1:{between.port}"
        stream_id = await engine.do("add_stream")
        uri = f"rtstream://streams/{stream_id}/alerts"
        options: dict[str, Any] = {"mode": era, "message_handler": heard, "read_timeout_seconds": 60, "cache": None}
        async with (
            Client(stdio_client(params), **options) as client,
            subscribed(client, era, heard, uri),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_read, client, uri, heard, reader)
            tasks.start_soon(_wait, client, waiter)
            await happen(engine, stream_id)
            await reader.until(written)
            await between.cut()
            await happen(engine, stream_id)
            await reader.until(written)
            await engine.kill()
            async with engine_process(folder, port) as (again, _):
                await happen(again, stream_id)
                await reader.until(written)
                await waiter.until(written)
                tasks.cancel_scope.cancel()
    assert len(written) == 9


async def _read(client: Client, uri: str, heard: Heard, reader: Followed) -> None:
    """Read on with the cursor whenever the resource is said to have changed, as an application does."""
    told = 0
    while True:
        await heard.until_more(told)
        told, more = len(heard.uris), True
        while more:
            found = await eventually(partial(_read_or_none, client, f"{uri}?since={reader.cursor}"), every_s=0.1)
            assert found is not None
            more = reader.take(json.loads(found.contents[0].text))  # pyright: ignore[reportAttributeAccessIssue]


async def _read_or_none(client: Client, uri: str) -> ReadResourceResult | None:
    """The resource, or nothing while the engine is away."""
    try:
        return await client.read_resource(uri)
    except MCPError:
        return None


async def _wait(client: Client, waiter: Followed) -> None:
    """Call again and again with the cursor, as an assistant does."""
    while True:
        arguments = {"since": waiter.cursor, "channels": ["alerts"], "timeout_s": 20}
        found = await client.call_tool("wait_for_events", arguments)
        if isinstance(found, CallToolResult) and found.structured_content:
            waiter.take(found.structured_content)


async def test_a_reader_that_stopped_holds_up_nobody_and_costs_no_memory(tmp_path: Path) -> None:
    """Over HTTP, as an older client: it subscribes to all it may, opens its stream and takes nothing from it."""
    endpoints: list[McpEndpoint] = []

    def patient_for_a_second(settings: Settings, client: RTStreamClient) -> McpEndpoint:
        endpoint = create_mcp_server(settings, client)
        endpoint.notifier.send_timeout_s = 1.0
        endpoint.notifier.interest = _everything
        endpoints.append(endpoint)
        return endpoint

    stalled = [f"test://{number}/{'x' * 1500}" for number in range(MAX_SUBSCRIPTIONS)]
    heard = Heard()
    async with (
        serving(tmp_path / "data", create_server=patient_for_a_second) as served,
        _stalled_reader(served.url, stalled),
        connected(served, "http", "auto") as other,
    ):
        (endpoint,) = endpoints
        assert endpoint.notifier.subscribed() == set(stalled)
        async with subscribed(other, "auto", heard, "test://other"):
            slowest = 0.0
            for number in range(EVENTS):
                began = time.perf_counter()
                await endpoint.notifier.publish(stalled[number % len(stalled)])
                if number % 1000 == 0:
                    await endpoint.notifier.publish("test://other")
                slowest = max(slowest, time.perf_counter() - began)
                assert endpoint.notifier.pending() <= MAX_SUBSCRIPTIONS
                if number % 100 == 0:
                    await anyio.lowlevel.checkpoint()
            with anyio.fail_after(LIMIT_S):
                while len(heard.uris) < EVENTS // 1000:
                    await heard.something.wait()
                assert (await call(other, "list_streams"))["total"] == 0
            # Only the one that stalled is dropped.
            await eventually(lambda: endpoint.notifier.subscribed() == {"test://other"})
            assert endpoint.notifier.pending() == 0
            assert slowest < 0.5


async def _everything(uris: list[str]) -> list[str]:
    return uris


@asynccontextmanager
async def _stalled_reader(url: str, uris: list[str]) -> AsyncIterator[None]:
    accept = {"accept": "application/json, text/event-stream", "x-access-token": KEY}
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with httpx.AsyncClient(base_url=url, headers=accept, timeout=LIMIT_S) as http:

        async def ask(method: str, params: dict[str, Any], number: int | None = 1) -> httpx.Response:
            message = {"jsonrpc": "2.0", "method": method, "params": params}
            answer = await http.post("/mcp", json=message if number is None else {**message, "id": number})
            assert answer.is_success
            return answer

        session = (await ask("initialize", initialize)).headers["mcp-session-id"]
        http.headers.update({"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"})
        await ask("notifications/initialized", {}, None)
        for uri in uris:
            await ask("resources/subscribe", {"uri": uri})
        headers = "".join(f"{name}: {value}\r\n" for name, value in http.headers.items() if name != "host")
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((host, int(port)))
            reader.sendall(f"GET /mcp HTTP/1.1\r\nHost: {host}:{port}\r\n{headers}\r\n".encode())
            yield
