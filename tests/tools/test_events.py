"""Events through the tools: defined, listed and changed."""

from __future__ import annotations

import pytest
from mcp import Client

from tests.server.mcp_servers import call, refusal

pytestmark = pytest.mark.anyio


async def test_an_event_is_defined_and_changed(client: Client) -> None:
    event = await call(client, "create_event", event_prompt="the door opens", label="door", rule={"text": "OPEN"})
    assert (event["matching"], event["label"]) == ("rule", "door")
    changed = await call(client, "update_event", event_id=event["event_id"], label="gate", rule={})
    assert (changed["label"], changed.get("rule"), changed["matching"]) == ("gate", None, "needs_model")
    assert "model" in changed["note"]
    [listed] = (await call(client, "list_events"))["events"]
    assert (listed["event_id"], listed["prompt"]) == (event["event_id"], "the door opens")


async def test_with_a_rule_no_prompt_is_needed_because_no_model_reads_one(client: Client) -> None:
    event = await call(client, "create_event", label="paid", rule={"text": "Paid", "when": "appears"})
    assert event["matching"] == "rule"
    [listed] = (await call(client, "list_events"))["events"]
    assert (listed["prompt"], listed["rule"]) == ('"Paid" appears', {"text": "Paid", "when": "appears"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"event_prompt": "", "label": "x"}, "event_prompt"),
        ({"label": "x"}, "or pass a rule"),
        ({"event_prompt": "x", "label": ""}, "label"),
        ({"event_prompt": "x", "label": "y", "rule": {"regex": "("}}, "regular expression"),
        ({"event_prompt": "x", "label": "y", "rule": {"sound": "bang"}}, "rule"),
    ],
)
async def test_an_impossible_event_gets_a_sentence(client: Client, arguments: dict[str, object], words: str) -> None:
    assert words in await refusal(client, "create_event", **arguments)
