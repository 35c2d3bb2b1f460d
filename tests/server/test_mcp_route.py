"""MCP is loaded for its first request, and the API never waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest

from rtstream.client import RTStreamClient
from server.mcp_route import McpRoute
from server.mcp_server import McpEndpoint, create_mcp_server
from server.settings import Settings
from tests.server.mcp_servers import KEY, connected, serving

pytestmark = pytest.mark.anyio


async def test_the_api_serves_while_mcp_is_loaded_and_requests_to_mcp_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, load = anyio.Event(), McpRoute._load

    async def slow(self: McpRoute) -> McpEndpoint:
        await release.wait()
        return await load(self)

    monkeypatch.setattr(McpRoute, "_load", slow)
    async with serving(tmp_path / "data") as served, httpx.AsyncClient(base_url=served.url, trust_env=False) as http:
        assert (await http.get("/rtstream", headers={"x-access-token": KEY})).status_code == 200
        with anyio.move_on_after(0.3) as waiting:
            await http.post("/mcp", json={}, headers={"x-access-token": KEY})
        assert waiting.cancelled_caught
        release.set()
        async with connected(served, "http", "auto") as client:
            assert (await client.list_tools()).tools


async def test_mcp_is_tried_again_if_it_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.mcp_route.RETRY_S", 0.01)
    attempts = 0

    def fails_twice(settings: Settings, client: RTStreamClient) -> McpEndpoint:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise OSError(24, "Too many open files")
        return create_mcp_server(settings, client)

    async with (
        serving(tmp_path / "data", create_server=fails_twice) as served,
        connected(served, "http", "auto") as client,
    ):
        assert (await client.list_tools()).tools
    assert attempts == 3


async def test_an_engine_ends_while_mcp_is_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(McpRoute, "_load", lambda self: anyio.sleep_forever())
    async with serving(tmp_path / "data") as served:
        served.stop.set()
        with anyio.fail_after(10):
            await served.closed.wait()


def test_the_engine_starts_without_the_mcp_library() -> None:
    script = "import sys, server.http; print(*(name for name in sys.modules if name.startswith('mcp')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


async def test_mcp_is_loaded_for_the_first_request_to_it(tmp_path: Path) -> None:
    created: list[McpEndpoint] = []

    def create(settings: Settings, client: RTStreamClient) -> McpEndpoint:
        created.append(create_mcp_server(settings, client))
        return created[0]

    async with (
        serving(tmp_path / "data", create_server=create) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False) as http,
    ):
        assert (await http.get("/rtstream", headers={"x-access-token": KEY})).status_code == 200
        await anyio.wait_all_tasks_blocked()
        assert not created
        await http.post("/mcp", json={}, headers={"x-access-token": KEY})
        assert len(created) == 1
