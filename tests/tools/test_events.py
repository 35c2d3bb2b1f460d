"""Events through the tools: defined, changed, and deleted once the user has agreed."""

from __future__ import annotations

import pytest
from mcp import Client

from tests.server.mcp_servers import Served, call, refusal

pytestmark = pytest.mark.anyio


async def test_an_event_is_defined_and_changed(client: Client) -> None:
    event = await call(client, "create_event", event_prompt="the door opens", label="door", rule={"text": "OPEN"})
    assert (event["matching"], event["label"]) == ("rule", "door")
    changed = await call(client, "update_event", event_id=event["event_id"], label="gate", rule={})
    assert (changed["label"], changed.get("rule"), changed["matching"]) == ("gate", None, "needs_model")
    assert "model" in changed["note"]
    [listed] = (await call(client, "list_events"))["events"]
    assert (listed["event_id"], listed["prompt"]) == (event["event_id"], "the door opens")


async def test_the_question_before_a_deletion_names_the_streams_with_alerts(served: Served, client: Client) -> None:
    event = await call(client, "create_event", event_prompt='"OPEN" is on the screen', label="door")
    for name in ("Front", "Back", "Yard"):
        stream_id = await served.add_stream(name)
        index_id = await served.add_index(stream_id)
        if name != "Yard":
            watched = {"stream_id": stream_id, "index_id": index_id, "event_id": event["event_id"]}
            await call(client, "create_alert", **watched)
    asked = await refusal(client, "delete_event", event_id=event["event_id"])
    assert "Front" in asked
    assert "Back" in asked
    assert "Yard" not in asked
    removed = await call(client, "delete_event", event_id=event["event_id"], confirm=True)
    assert removed == {"removed": event["event_id"]}
    assert "no event" in await refusal(client, "delete_event", event_id=event["event_id"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"event_prompt": "", "label": "x"}, "event_prompt"),
        ({"event_prompt": "x", "label": ""}, "label"),
        ({"event_prompt": "x", "label": "y", "rule": {"regex": "("}}, "regular expression"),
        ({"event_prompt": "x", "label": "y", "rule": {"sound": "bang"}}, "rule"),
    ],
)
async def test_an_impossible_event_gets_a_sentence(client: Client, arguments: dict[str, object], words: str) -> None:
    assert words in await refusal(client, "create_event", **arguments)
