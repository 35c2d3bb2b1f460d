"""Clients of both protocol versions are notified of changes to the streams and indexes they subscribed to."""

from __future__ import annotations

import json

import httpx
import pytest
from mcp import Client

from resources.uris import JOBS, STREAMS, stream
from rtstream.client import RTStreamClient
from rtstream.models import CreateIndex
from server.mcp_server import create_endpoint
from tests.server.mcp_servers import KEY, Era, Heard, Served, subscribed

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")]


async def listed(client: Client) -> list[str]:
    return [str(resource.uri) for resource in (await client.list_resources()).resources]


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_streams_and_indexes_that_come_and_go_change_the_list(served: Served, era: Era) -> None:
    stream_id = await served.add_stream()
    heard, api = Heard(), RTStreamClient(served.url, KEY)
    async with (
        httpx.AsyncClient(base_url=served.url, headers={"x-access-token": KEY}) as http,
        Client(create_endpoint(RTStreamClient(served.url, KEY)).mcp, mode=era, message_handler=heard) as client,
        subscribed(client, era, heard, STREAMS, stream(stream_id)),
    ):
        if era == "legacy":
            await heard.until("")  # the feed connected: whatever was before may have been missed
        assert stream(stream_id) in await listed(client)

        heard.lists, heard.uris = 0, []
        index = await api.indexes.create(stream_id, CreateIndex.model_validate({"prompt": "What is there?"}))
        await heard.until("")
        await heard.until(stream(stream_id))

        heard.lists, heard.uris = 0, []
        assert (await http.delete(f"/rtstream/{stream_id}")).is_success
        await heard.until("")
        await heard.until(STREAMS)
        assert await listed(client) == [STREAMS, JOBS]
        content = (await client.read_resource(STREAMS)).contents[0]
        assert json.loads(content.text)["streams"] == []  # pyright: ignore[reportAttributeAccessIssue]
        assert index.rtstream_id == stream_id
    await api.aclose()
