"""Deletions: each shows everything that goes with the item, and needs permission."""

from __future__ import annotations

import pytest
from mcp import Client

from tests.server.mcp_servers import Served, call, refusal

pytestmark = pytest.mark.anyio


async def alert_on(client: Client, stream_id: str, index_id: str, label: str) -> str:
    """An alert of a new event with this label."""
    watched = {"streams": [stream_id], "index_id": index_id, "event_prompt": "the stream is lost", "label": label}
    return (await call(client, "create_alert", **watched))["alert_id"]


async def test_an_index_is_deleted_with_its_scenes_and_alerts(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Front door")
    index_id, kept = await served.add_index(stream_id, "a parcel"), await served.add_index(stream_id, "a cat")
    alert_id = await alert_on(client, stream_id, index_id, "opened")
    asked = await refusal(client, "delete", kind="index", id=index_id)
    for word in ("Front door", index_id, "opened", "Nothing was done"):
        assert word in asked
    deleted = await call(client, "delete", kind="index", id=index_id, confirm=True)
    assert deleted == {"kind": "index", "id": index_id, "deleted": True}
    stream = await call(client, "get_stream", stream_id=stream_id)
    assert [index["index_id"] for index in stream["indexes"]] == [kept]
    assert "no alert" in await refusal(client, "delete", kind="alert", id=alert_id)
    assert "no index" in await refusal(client, "delete", kind="index", id=index_id)


async def test_an_alert_is_found_by_its_id_or_its_unique_label(served: Served, client: Client) -> None:
    ids = [await served.add_stream(name) for name in ("Front", "Back")]
    alerts = [await alert_on(client, one, await served.add_index(one), "opened") for one in ids]
    asked = await refusal(client, "delete", kind="alert", id="opened")
    assert all(alert in asked for alert in alerts)
    assert "2 items" in asked
    asked = await refusal(client, "delete", kind="alert", id="opened", stream_id="Back")
    assert '"opened"' in asked
    assert alerts[1] in asked
    deleted = await call(client, "delete", kind="alert", alert_id=alerts[0], confirm=True)
    assert deleted["id"] == alerts[0]
    assert (await call(client, "delete", kind="alert", id="opened", confirm=True))["id"] == alerts[1]


async def test_nothing_is_deleted_without_an_exact_name(served: Served, client: Client) -> None:
    await served.add_stream("Front door")
    for kind in ("stream", "index", "alert", "event", "video"):
        said = await refusal(client, "delete", kind=kind, id="Front", confirm=True)
        assert f"There is no {kind}" in said
        assert "id is empty" in await refusal(client, "delete", kind=kind, id=" ", confirm=True)
    assert "kind" in await refusal(client, "delete", kind="everything", id="Front door", confirm=True)
    assert (await call(client, "list_streams"))["total"] == 1
