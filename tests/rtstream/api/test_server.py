"""The server around the API: its address, its start and its end."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import socket
import time
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import Unavailable

from .conftest import KEY, Served

pytestmark = pytest.mark.anyio


async def test_the_free_port_that_was_taken_is_told(served: Served) -> None:
    assert served.url.startswith("http://127.0.0.1:")
    assert not served.url.endswith(":0")
    assert served.engine.base_url == served.url
    async with served.client() as client:
        assert (await client.get("/health")).json() == {"success": True}


async def test_answers_do_not_wait_for_the_clients_acknowledgement(served: Served) -> None:
    async with served.client() as client:
        took: list[float] = []
        for _ in range(20):
            begin = time.monotonic()
            await client.get("/health")
            took.append(time.monotonic() - begin)
    # With Nagle's algorithm every answer on a kept connection takes the 40 ms of a delayed acknowledgement.
    assert min(took[1:]) < 0.03
    assert sorted(took)[10] < 0.03


async def test_a_taken_port_is_a_clear_error(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"Cannot listen on 127\.0\.0\.1 port {port}: .* Choose another port"):
            await serve(engine, host="127.0.0.1", port=port)
    with pytest.raises(Unavailable, match=r"Cannot listen on no\.such\.host\.invalid port 0"):
        await serve(engine, host="no.such.host.invalid", port=0)


async def test_a_cancelled_server_closes_in_order(engine: Engine) -> None:
    ready: list[str] = []
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def on_ready(url: str) -> None:
                async with httpx.AsyncClient(base_url=url) as client:
                    assert (await client.get("/health")).status_code == 200
                ready.append(url)
                tasks.cancel_scope.cancel()

            await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready)
    [url] = ready
    async with httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")


async def test_open_polls_streams_and_connections_do_not_hold_up_the_end(engine: Engine) -> None:
    stop, ready, streaming = anyio.Event(), anyio.Event(), anyio.Event()
    urls: list[str] = []

    async def endless(_request: Request) -> Response:
        async def lines():
            while True:
                yield b"line\n"
                streaming.set()
                await anyio.sleep(0.05)

        return StreamingResponse(lines())

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    polled: list[int] = []

    async def poll(client: httpx.AsyncClient) -> None:
        polled.append((await client.get("/rtstream/journal?since=0&wait_s=30")).status_code)

    async def stream(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.TransportError):
            await client.get("/endless")

    async with (
        anyio.create_task_group() as server,
        httpx.AsyncClient(headers={"x-access-token": KEY}, timeout=60) as client,
    ):

        async def run() -> None:
            routes = [Route("/endless", endless)]
            await serve(engine, host="127.0.0.1", port=0, extra_routes=routes, on_ready=on_ready, should_exit=stop)

        server.start_soon(run)
        with anyio.fail_after(10):
            await ready.wait()
            client.base_url = urls[0]
            async with anyio.create_task_group() as calls:
                calls.start_soon(poll, client)
                calls.start_soon(stream, client)
                await streaming.wait()
                begin = time.monotonic()
                stop.set()
    assert time.monotonic() - begin < 3.5
    assert polled == [200]


async def test_the_public_address_wins_over_any_host_header(tmp_path: Path) -> None:
    config = EngineConfig(data_dir=tmp_path, api_key=KEY, local_vision=False, public_url="https://cam.example.org/rts/")
    async with Engine(config) as engine, anyio.create_task_group() as tasks:
        ready = anyio.Event()
        urls: list[str] = []
        stop = anyio.Event()

        async def run() -> None:
            def on_ready(url: str) -> None:
                urls.append(url)
                ready.set()

            await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=stop)

        tasks.start_soon(run)
        with anyio.fail_after(5):
            await ready.wait()
        assert engine.base_url == "https://cam.example.org/rts"
        headers = {"x-access-token": KEY, "host": "evil.example", "x-forwarded-host": "evil.example"}
        async with httpx.AsyncClient(base_url=urls[0], headers=headers) as client:
            ws = (await client.get("/collection/default/websocket")).json()["data"]["websocket_url"]
            assert ws.startswith("wss://cam.example.org/rts/ws?ticket=")
            for _ in range(2):
                await client.post("/rtstream/event", json={"event_prompt": "a", "label": "a"})
            listed = await client.get("/rtstream?limit=1")
            assert "evil" not in listed.text
        stop.set()
