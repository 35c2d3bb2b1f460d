"""Typed calls for events and alerts, on a real engine."""

from __future__ import annotations

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import CreateAlert, EventTest, UpdateEvent
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def test_events_and_alerts_are_created_tried_changed_and_deleted(served: Served, client: RTStreamClient) -> None:
    calls = client.alerts
    stream_id = await served.add_stream()
    index_id = await served.add_index(stream_id, "the door is OPEN", "closed")
    event = await calls.create_event("the door opens", "door", {"text": "OPEN"})
    assert event.matching == "rule"
    tried = await calls.test_event(stream_id, EventTest(event_prompt="x", rule={"text": "OPEN"}))
    assert [decision.outcome for decision in tried] == ["no_match", "match"]
    changed = await calls.update_event(event.event_id, UpdateEvent(label="gate"))
    assert (changed.label, changed.rule) == ("gate", {"text": "OPEN"})

    alert = await calls.create_alert(stream_id, index_id, CreateAlert(event_id=event.event_id))
    assert (alert.rtstream_id, alert.label, alert.callback_url) == (stream_id, "gate", None)
    where = (stream_id, index_id, alert.alert_id)
    assert await calls.list_decisions(*where, page_size=1) == ([], False)
    assert (await calls.list_deliveries(*where), await calls.redeliver(*where)) == ([], 0)
    await calls.delete_alert(*where)
    await calls.delete_event(event.event_id)
    assert await calls.list_alerts(stream_id, index_id) == await calls.list_events() == []
    with pytest.raises(NotFound, match="no alert"):
        await calls.disable_alert(*where)


async def test_an_impossible_rule_is_refused_with_the_sentence_of_the_engine(client: RTStreamClient) -> None:
    with pytest.raises(InvalidRequest, match="rule"):
        await client.alerts.create_event("x", "y", {"colour": "red"})
