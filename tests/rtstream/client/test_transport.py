"""Calls find the engine again, are repeated where that is harmless, and end with one sentence."""

from __future__ import annotations

import socket
from pathlib import Path

import anyio
import pytest

from rtstream.client import Endpoint, RTStreamClient
from rtstream.errors import InvalidRequest, NotFound, Unauthorized, Unavailable
from rtstream.models import ConnectStream
from tests.rtstream.client.hosted import Hosted
from tests.server.mcp_servers import KEY, Served, serving

pytestmark = pytest.mark.anyio


async def test_a_refusal_keeps_the_engines_sentence_and_its_kind(served: Served, client: RTStreamClient) -> None:
    with pytest.raises(NotFound, match="rts-0"):
        await client.get_stream("rts-0")
    with pytest.raises(InvalidRequest, match="must begin with one of"):
        await client.connect_stream(ConnectStream.model_validate({"url": "gopher://192.0.2.1"}))
    wrong = RTStreamClient(served.url, "sk-not-the-key")
    with pytest.raises(Unauthorized) as refused:
        await wrong.list_streams()
    assert "sk-not-the-key" not in refused.value.message
    await wrong.aclose()


async def test_nobody_there_is_said_in_a_sentence_without_credentials() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = RTStreamClient(f"http://user:hunter2@127.0.0.1:{port}", KEY)
    with pytest.raises(Unavailable) as refused:
        await client.list_streams()
    assert refused.value.message.startswith(f"No engine responds at http://127.0.0.1:{port}. Start it")
    assert "hunter2" not in refused.value.message


async def test_an_engine_that_came_back_elsewhere_is_found_again(tmp_path: Path) -> None:
    places: list[str] = []

    async def locate(start: bool) -> Endpoint:
        return Endpoint(places[-1], KEY)

    client = RTStreamClient.located_by(locate)
    for _ in range(2):
        async with serving(tmp_path / "data") as served:
            places.append(served.url)
            assert await client.list_streams() == ([], 0)
    assert places[0] != places[1]
    await client.aclose()


async def test_reading_is_tried_again_and_changing_is_not(hosted: Hosted) -> None:
    client = RTStreamClient(hosted.url, KEY)
    hosted.fail = 2
    assert (await client.get_stream("rts-1")).name == "Door"
    assert len(hosted.asked) == 3
    hosted.asked.clear()
    hosted.fail = 2
    with pytest.raises(Unavailable, match="busy"):
        await client.alerts.create_event("x is there", "x")
    assert len(hosted.asked) == 1
    hosted.asked.clear()
    hosted.fail = 9
    with pytest.raises(Unavailable, match="busy"):
        await client.get_stream("rts-1")
    assert len(hosted.asked) == 3
    await client.aclose()


async def test_a_slow_answer_ends_with_a_sentence() -> None:
    silent = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as tasks:

        async def say_nothing(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                await anyio.sleep_forever()

        tasks.start_soon(silent.serve, say_nothing)
        port = silent.extra(anyio.abc.SocketAttribute.local_port)
        client = RTStreamClient(f"http://127.0.0.1:{port}", KEY)
        with pytest.raises(Unavailable, match=r"did not respond within 0 s\. Try again"):
            await client._transport.data("GET", "/rtstream", timeout_s=0.1)
        await client.aclose()
        tasks.cancel_scope.cancel()
    await silent.aclose()
