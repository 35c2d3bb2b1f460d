"""The API client on a real engine and on a service without our additions: results, errors, retries."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from rtstream.client import Endpoint, RTStreamClient
from rtstream.errors import InvalidRequest, NotFound, Unauthorized, Unavailable
from rtstream.models import ConnectStream, CreateAlert
from tests.rtstream.client.hosted import Hosted, hosted_service
from tests.server.mcp_servers import KEY, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hosted() -> AsyncIterator[Hosted]:
    async with hosted_service() as service:
        yield service


async def test_every_operation_gives_the_objects_of_the_api(served: Served, client: RTStreamClient) -> None:
    info = await client.info()
    assert info is not None
    assert info.engine == "rtstream"
    created = await client.create_collection("Doors", "All of them")
    assert (await client.update_collection(created.id, name="Gates")).name == "Gates"
    assert "Gates" in [collection.name for collection in await client.list_collections()]
    assert (await client.get_collection()).id
    stream_id = await served.add_stream()
    streams, total = await client.list_streams(limit=5, ordering="created_at")
    assert ([stream.id for stream in streams], total) == ([stream_id], 1)
    assert (await client.stop_stream(stream_id)).status == "stopped"
    index_id = await served.add_index(stream_id, "first", "second")
    assert [index.rtstream_index_id for index in await client.indexes.list(stream_id)] == [index_id]
    assert (await client.indexes.update(stream_id, index_id, prompt="What changed?")).prompt == "What changed?"
    assert (await client.indexes.stop(stream_id, index_id)).status == "stopped"
    page = await client.indexes.list_scenes(stream_id, index_id, page_size=1)
    assert ([scene.text for scene in page.scenes], page.next_page) == (["second"], True)
    event = await client.alerts.create_event('"Invoice" is on the screen', "invoice")
    assert [e.event_id for e in await client.alerts.list_events()] == [event.event_id]
    alert = await client.alerts.create_alert(
        stream_id, index_id, CreateAlert.model_validate({"event_id": event.event_id})
    )
    await client.alerts.disable_alert(stream_id, index_id, alert.alert_id)
    assert [a.status for a in await client.alerts.list_alerts(stream_id, index_id)] == ["disabled"]
    await client.alerts.enable_alert(stream_id, index_id, alert.alert_id)
    seq = await served.happen("alert", stream_id, label="invoice", text="x")
    assert [message.seq for message in (await client.journal(seq - 1)).entries] == [seq]


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


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a?b", "rts 1", "ä"])
async def test_an_id_that_is_none_reaches_no_route(served: Served, client: RTStreamClient, bad: str) -> None:
    with pytest.raises(NotFound, match="Invalid id"):
        await client.get_stream(bad)


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


async def test_the_hosted_service_is_told_by_what_it_does_not_have(hosted: Hosted) -> None:
    client = RTStreamClient(hosted.url, KEY)
    assert await client.info() is None
    assert (await client.alerts.create_event("A person is there", "person")).label == "person"
    request = CreateAlert.model_validate({"event_id": "3c9a1f0e7b5d2468", "ws_connection_id": "wsc-1"})
    assert (await client.alerts.create_alert("rts-1", "7f3a", request)).alert_id == "a1b2"
    assert hosted.asked[-1][2] == {"callback_url": None, "event_id": "3c9a1f0e7b5d2468", "ws_connection_id": "wsc-1"}
    scenes = (await client.indexes.list_scenes("rts-1", "7f3a")).scenes
    assert [(scene.text, scene.description) for scene in scenes] == [("An empty porch.", "An empty porch.")]
    with pytest.raises(NotFound) as refused:
        await client.get_stream("rts-2")
    assert refused.value.message == "Not found: ***"
    await client.aclose()


async def test_a_slow_answer_ends_with_a_sentence() -> None:
    async with anyio.create_task_group() as tasks:
        silent = await anyio.create_tcp_listener(local_host="127.0.0.1")

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
