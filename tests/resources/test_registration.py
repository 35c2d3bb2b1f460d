"""Resources are read as JSON, and failures are those of the protocol."""

from __future__ import annotations

import json

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from resources import uris
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def test_the_resources_and_templates_are_read_as_json(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("<b>Door</b>")
    seq = await served.happen("alert", stream_id, label="door", text="It opened.")
    templates = {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
    assert templates == {uris.STREAM_TEMPLATE, uris.CHANNEL_TEMPLATE, uris.JOB_TEMPLATE}
    for uri in (uris.STREAMS, uris.stream(stream_id), uris.channel(stream_id, "alerts")):
        [content] = (await client.read_resource(uri)).contents
        assert content.mime_type == "application/json"
        text = content.text  # pyright: ignore[reportAttributeAccessIssue]
        assert "<b>" not in text
        read = json.loads(text)
        assert read["cursor"] == seq
    assert [event["label"] for event in read["events"]] == ["door"]  # pyright: ignore[reportPossiblyUnboundVariable]
    later = await client.read_resource(f"{uris.channel(stream_id, 'alerts')}?since={seq}")
    assert json.loads(later.contents[0].text)["events"] == []  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("uri", ["rtstream://streams/rts-0", "rtstream://streams/rts-0/alerts", "rtstream://other"])
async def test_what_does_not_exist_is_an_error_of_the_protocol(client: Client, uri: str) -> None:
    with pytest.raises(MCPError):
        await client.read_resource(uri)


async def test_a_wrong_parameter_gets_a_sentence(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    with pytest.raises(MCPError, match="limit must be a whole number"):
        await client.read_resource(f"{uris.channel(stream_id, 'alerts')}?limit=many")
