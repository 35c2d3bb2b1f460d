"""The WebSocket on a listening server, with the client library the SDK uses."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from rtstream.engine.engine import Engine
from rtstream.store.journal import Entry
from tests.waiting import eventually

from .conftest import Served

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
    with anyio.fail_after(10):
        async with connect(url, proxy=None) as client:
            yield client, json.loads(await client.recv())


def scene(stream_id: str, index_id: str = "", text: str = "x", alert_id: str = "") -> Entry:
    channel = "alert" if alert_id else "scene_index"
    return Entry(channel, {"text": text}, stream_id=stream_id, index_id=index_id, alert_id=alert_id)


async def next_text(client: ClientConnection) -> str:
    return json.loads(await client.recv())["data"]["text"]


async def test_the_first_frame_names_the_connection_and_the_newest_number(served: Served) -> None:
    await served.engine.journal.append(scene("rts-1"))
    async with connected(await served.ws_url()) as (_, hello):
        assert hello["connection_id"].startswith("wsc-")
        assert hello["seq"] == 1
    async with connected(await served.ws_url()) as (_, other):
        assert other["connection_id"] != hello["connection_id"]


async def test_the_address_is_on_the_host_the_client_used(served: Served) -> None:
    port = urlsplit(served.url).port
    async with served.client() as client:
        answer = await client.get("/collection/default/websocket", headers={"host": f"localhost:{port}"})
        assert answer.json()["data"]["websocket_url"].startswith(f"ws://localhost:{port}/ws?ticket=")
        odd = await client.get("/collection/default/websocket", headers={"host": "evil.example/x?"})
        assert odd.json()["data"]["websocket_url"].startswith(f"ws://127.0.0.1:{port}/ws?ticket=")
        assert (await client.get("/collection/c-unknown/websocket")).status_code == 404


@pytest.mark.parametrize("ticket", ["", "x", "sk-test-key-of-the-api-tests", "ImRlZmF1bHQi.aaaaaa.bbbb"])
async def test_without_a_ticket_there_is_no_connection(served: Served, ticket: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(f"ws{served.url.removeprefix('http')}/ws?ticket={ticket}"):
            pass
    assert refused.value.response.status_code == 401
    assert "ticket" in json.loads(refused.value.response.body)["message"]


async def test_a_bad_since_is_refused_with_a_sentence(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(await served.ws_url(since="yesterday")):
            pass
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["message"].startswith("since: ")


async def test_a_connection_gets_what_was_bound_to_it_and_nothing_else(served: Served) -> None:
    engine = served.engine
    async with connected(await served.ws_url()) as (client, hello), connected(await served.ws_url()) as (other, second):
        mine = hello["connection_id"]
        await engine.subscriptions.bind(mine, "stream", "rts-1")
        await engine.subscriptions.bind(mine, "index", "idx-2")
        await engine.subscriptions.bind(second["connection_id"], "alert", "alert-3")
        await engine.journal.append(
            scene("rts-1", "idx-1", "by stream"),
            scene("rts-2", "idx-1", "nobody's"),
            scene("rts-2", "idx-2", "by index"),
            scene("rts-3", "idx-3", "by alert", alert_id="alert-3"),
            scene("rts-1", "idx-9", "by stream again"),
        )
        assert [await next_text(client) for _ in range(3)] == ["by stream", "by index", "by stream again"]
        assert await next_text(other) == "by alert"


async def test_a_binding_made_later_holds_from_then_on(served: Served) -> None:
    async with connected(await served.ws_url()) as (client, hello):
        await served.engine.journal.append(scene("rts-1", text="before"))
        await served.engine.subscriptions.bind(hello["connection_id"], "stream", "rts-2")
        await served.engine.journal.append(scene("rts-2", text="after"))
        assert await next_text(client) == "after"


async def test_scope_all_with_since_misses_nothing_across_a_reconnect(served: Served) -> None:
    journal = served.engine.journal
    async with connected(await served.ws_url(scope="all")) as (client, hello):
        await journal.append(*[scene("rts-1", text=str(number)) for number in range(3)])
        first = [json.loads(await client.recv()) for _ in range(3)]
    assert [message["seq"] for message in first] == [1, 2, 3]
    await journal.append(*[scene("rts-2", text=str(number)) for number in range(3, 40)])
    async with connected(await served.ws_url(scope="all", since=3)) as (client, hello):
        assert (hello["seq"], hello["truncated"]) == (40, False)
        await journal.append(scene("rts-1", text="40"))
        assert [await next_text(client) for _ in range(38)] == [str(number) for number in range(3, 41)]


async def test_a_number_from_the_future_starts_at_the_newest(served: Served) -> None:
    await served.engine.journal.append(scene("rts-1", text="old"))
    async with connected(await served.ws_url(scope="all", since=999)) as (client, hello):
        assert (hello["seq"], hello["truncated"]) == (1, True)
        await served.engine.journal.append(scene("rts-1", text="new"))
        assert await next_text(client) == "new"


async def test_an_earlier_connections_bindings_can_be_taken_up(served: Served) -> None:
    async with connected(await served.ws_url()) as (_, hello):
        await served.engine.subscriptions.bind(hello["connection_id"], "stream", "rts-1")
    await served.engine.journal.append(scene("rts-2", text="nobody's"), scene("rts-1", text="missed"))
    again = await served.ws_url(connection_id=hello["connection_id"], since=hello["seq"])
    async with connected(again) as (client, second):
        assert second["connection_id"] == hello["connection_id"]
        assert await next_text(client) == "missed"


async def test_what_clients_say_is_ignored(served: Served) -> None:
    async with connected(await served.ws_url(scope="all")) as (client, _):
        await client.send(json.dumps({"hello": "engine"}))
        await client.send(b"\x00\xff")
        await client.send("not json")
        await served.engine.journal.append(scene("rts-1", text="still here"))
        assert await next_text(client) == "still here"


def raw_websocket(url: str) -> socket.socket:
    """A client that shakes hands and then reads nothing, with as small a receive buffer as the system gives."""
    parts = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((parts.hostname, parts.port))
    raw.sendall(
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return raw


def read_to_the_end(raw: socket.socket) -> bytes:
    raw.settimeout(8)
    received = bytearray()
    with suppress(ConnectionResetError):
        while chunk := raw.recv(1 << 20):
            received += chunk
    return bytes(received)


async def test_a_client_that_stalls_is_dropped_and_holds_up_nobody(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    stalled = await anyio.to_thread.run_sync(raw_websocket, await served.ws_url(scope="all"))
    try:
        async with connected(await served.ws_url(scope="all")) as (client, _):
            for number in range(12):  # 6 MB: more than the kernel's buffers take
                await served.engine.journal.append(scene("rts-1", text=str(number) + "x" * 500_000))
                assert (await next_text(client)).startswith(str(number))

            await eventually(lambda: "read nothing" in caplog.text, limit_s=8)
            received = await anyio.to_thread.run_sync(read_to_the_end, stalled)
            # In the middle of a message: the server did not wait for it to read the rest.
            assert received.endswith(b"xxxx")
            await served.engine.journal.append(scene("rts-1", text="goes on"))
            assert await next_text(client) == "goes on"
    finally:
        stalled.close()


async def test_a_client_that_vanishes_in_the_middle_leaves_no_trace(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    gone = await anyio.to_thread.run_sync(raw_websocket, await served.ws_url(scope="all"))
    async with connected(await served.ws_url(scope="all")) as (client, _):
        for number in range(12):
            await served.engine.journal.append(scene("rts-1", text=str(number) + "x" * 500_000))
        assert (await next_text(client)).startswith("0")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a goodbye
        gone.close()
        for number in range(1, 12):
            assert (await next_text(client)).startswith(str(number))
    served.stop.set()
    with anyio.fail_after(5):
        await served.closed.wait()
    assert "Traceback" not in caplog.text
    assert "read nothing" not in caplog.text


async def test_closing_the_server_closes_connections_normally(served: Served) -> None:
    async with connected(await served.ws_url(scope="all")) as (client, _):
        served.stop.set()
        with pytest.raises(ConnectionClosedOK) as ended:
            await client.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1001


async def test_many_connections_share_one_reader(served: Served, engine: Engine) -> None:
    async with anyio.create_task_group() as tasks:
        texts: list[list[str]] = []

        async def listen(url: str, ready: anyio.Event) -> None:
            async with connected(url) as (client, _):
                ready.set()
                texts.append([await next_text(client) for _ in range(50)])

        for _ in range(20):
            ready = anyio.Event()
            tasks.start_soon(listen, await served.ws_url(scope="all"), ready)
            await ready.wait()
        for number in range(50):
            await engine.journal.append(scene("rts-1", text=str(number)))
    assert texts == [[str(number) for number in range(50)]] * 20
