"""Completions of ids and channels, in both protocol eras, against a real engine."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client
from mcp_types import PromptReference, ResourceTemplateReference

from resources.uris import CHANNEL_TEMPLATE, STREAM_TEMPLATE
from rtstream.client import RTStreamClient
from rtstream.errors import Unavailable
from server.mcp_server import create_endpoint
from tests.server.mcp_servers import Served, call

pytestmark = pytest.mark.anyio


async def completed(client: Client, ref: Any, name: str, value: str = "", **given: str) -> list[str]:
    found = await client.complete(ref, {"name": name, "value": value}, given or None)
    return found.completion.values


async def test_ids_are_completed_from_what_the_engine_has(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Front door"), await served.add_stream("Yard")
    index_id = await served.add_index(door, "a porch")
    event = await call(client, "create_event", event_prompt='"Invoice" is on the screen', label="invoice")
    stream = ResourceTemplateReference(type="ref/resource", uri=STREAM_TEMPLATE)
    channel = ResourceTemplateReference(type="ref/resource", uri=CHANNEL_TEMPLATE)
    prompt = PromptReference(type="ref/prompt", name="what_did_i_miss")
    for ref in (stream, channel, prompt):
        assert set(await completed(client, ref, "stream_id")) == {door, yard}
        assert await completed(client, ref, "stream_id", door) == [door]
        assert await completed(client, ref, "stream_id", "DOOR") == [door]
        assert await completed(client, ref, "stream_id", "nothing like it") == []
    assert await completed(client, channel, "channel", "al") == ["alerts"]
    assert await completed(client, prompt, "index_id", stream_id=door) == [index_id]
    assert await completed(client, prompt, "index_id", stream_id=yard) == []
    assert await completed(client, prompt, "index_id", stream_id="../x") == []
    assert await completed(client, prompt, "index_id") == []
    watch = PromptReference(type="ref/prompt", name="watch_stream")
    assert await completed(client, watch, "event_id", "invo") == [event["event_id"]]
    assert await completed(client, watch, "what", "a") == []
    elsewhere = ResourceTemplateReference(type="ref/resource", uri="other://{stream_id}")
    assert await completed(client, elsewhere, "stream_id") == []


async def test_more_than_a_hundred_values_are_cut_and_said_to_be(served: Served, client: Client) -> None:
    for number in range(101):
        await served.add_stream(f"Camera {number}")
    ref = ResourceTemplateReference(type="ref/resource", uri=STREAM_TEMPLATE)
    found = (await client.complete(ref, {"name": "stream_id", "value": ""})).completion
    assert (len(found.values), found.total, found.has_more) == (100, 101, True)


async def test_a_completion_starts_no_engine() -> None:
    started: list[bool] = []

    async def nowhere(start: bool) -> Any:
        started.append(start)
        raise Unavailable("No engine is running.")

    async with Client(create_endpoint(RTStreamClient.located_by(nowhere)).mcp) as client:
        for name in ("stream_id", "event_id", "index_id"):
            ref = PromptReference(type="ref/prompt", name="watch_stream")
            assert await completed(client, ref, name, stream_id="rts-1") == []
    assert started == [False, False, False]
