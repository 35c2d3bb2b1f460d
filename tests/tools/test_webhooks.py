"""Webhooks through the tools: a receiver that is gone is shown with its attempts, and can be tried again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp import Client

from tests.server.mcp_servers import Served, call, refusal
from tests.tools.test_alerts import add_scene
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine_settings() -> dict[str, Any]:
    """Text on screen can be read, else no alert on it is accepted."""
    return {"local_vision": True}


async def test_a_receiver_that_is_gone_is_shown_with_its_attempts_and_can_be_tried_again(
    served: Served, client: Client
) -> None:
    stream_id = await served.add_stream()
    index_id = await served.add_index(stream_id)
    url = "http://127.0.0.1:1/services/T000/secret"
    wanted = {"event_prompt": '"OPEN" is on the screen', "index_id": index_id, "callback_url": url}
    made = await call(client, "create_alert", **wanted)
    # No link, because a model may have chosen it.
    assert made["told_by"][1] == "webhook http:∕∕127.0.0.1:1/…"
    await add_scene(served, stream_id, index_id, "OPEN")
    alert = {"alert_id": made["alert_id"]}
    found = await eventually(
        lambda: call(client, "list_deliveries", **alert),
        lambda found: found["deliveries"] and found["deliveries"][0]["tries"],
    )
    [delivery] = found["deliveries"]
    assert (delivery["state"], delivery["stream_id"]) == ("pending", stream_id)
    assert delivery["attempts"][0]["error"] == "the receiver could not be reached (ConnectionRefusedError)"
    explained = await call(client, "list_alerts", **alert)
    assert explained["deliveries"][0]["delivery_id"] == delivery["delivery_id"]
    [listed] = explained["alerts"]
    assert listed["webhooks"] == {"pending": 1}
    assert "could not be reached" in listed["webhook_error"]
    assert "secret" not in json.dumps([explained, found])
    assert (await call(client, "redeliver", **alert, delivery_id=delivery["delivery_id"]))["redelivered"] == 1
    assert (await call(client, "redeliver", **alert))["redelivered"] == 0
    assert "no delivery" in await refusal(client, "redeliver", **alert, delivery_id="msg_none")
    assert "no alert" in await refusal(client, "list_deliveries", alert_id="alert-none")
