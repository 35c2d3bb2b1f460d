"""The API client on a real engine and on a service without our additions: results, errors, retries."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import NotFound
from rtstream.models import CreateAlert
from tests.rtstream.client.hosted import Hosted
from tests.server.mcp_servers import KEY, Served

pytestmark = pytest.mark.anyio


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
    detail = await client.get_stream_detail(stream_id)
    assert [index.rtstream_index_id for index in detail.stream.indexes] == [index_id]
    assert ([group.label for group in detail.alerts], detail.paid, detail.links) == (["invoice"], [], 0)
    assert detail.transcript is not None
    with pytest.raises(NotFound, match="no stream"):
        await client.get_stream_detail("rts-0000000000000000")
    seq = await served.happen("alert", stream_id, label="invoice", text="x")
    assert [message.seq for message in (await client.journal(seq - 1)).entries] == [seq]


async def test_the_hosted_service_is_told_by_what_it_does_not_have(hosted: Hosted) -> None:
    client = RTStreamClient(hosted.url, KEY)
    assert await client.info() is None
    assert (await client.alerts.create_event("A person is there", "person")).label == "person"
    request = CreateAlert.model_validate({"event_id": "3c9a1f0e7b5d2468", "ws_connection_id": "wsc-1"})
    assert (await client.alerts.create_alert("rts-1", "7f3a", request)).alert_id == "a1b2"
    assert hosted.asked[-1][2] == {"callback_url": None, "event_id": "3c9a1f0e7b5d2468", "ws_connection_id": "wsc-1"}
    scenes = (await client.indexes.list_scenes("rts-1", "7f3a")).scenes
    assert [(scene.text, scene.description) for scene in scenes] == [("An empty porch.", "An empty porch.")]
    plain = await client.get_stream_detail("rts-1")
    assert (plain.stream.name, plain.transcript, plain.alerts, plain.links) == ("Door", None, [], None)
    with pytest.raises(NotFound) as refused:
        await client.get_stream("rts-2")
    assert refused.value.message == "Not found: ***"
    await client.aclose()
