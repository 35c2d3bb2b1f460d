"""Typed calls for scene indexes, on a real engine."""

from __future__ import annotations

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import CreateIndex
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def test_an_index_is_created_started_stopped_and_changed(served: Served, client: RTStreamClient) -> None:
    stream_id = await served.add_stream()
    calls = client.indexes
    request = CreateIndex.model_validate({"prompt": "What is there?", "extraction_config": {"time": 5}})
    made = await calls.create(stream_id, request)
    assert (made.rtstream_id, made.prompt, made.status) == (stream_id, "What is there?", "connected")
    index_id = made.rtstream_index_id
    assert (await calls.stop(stream_id, index_id)).status == "stopped"
    assert (await calls.start(stream_id, index_id)).state == "running"
    assert (await calls.update(stream_id, index_id, prompt="Who?")).prompt == "Who?"
    assert [one.prompt for one in await calls.list(stream_id)] == ["Who?"]
    with pytest.raises(NotFound):
        await calls.get(stream_id, "scene-idx-000000000000")
    with pytest.raises(InvalidRequest):
        await calls.create(stream_id, CreateIndex.model_validate({"prompt": "x", "extraction_config": {"time": -1}}))


async def test_scenes_are_read_by_page_and_range(served: Served, client: RTStreamClient) -> None:
    stream_id = await served.add_stream()
    index_id = await served.add_index(stream_id, "first", "second", "third")
    page = await client.indexes.list_scenes(stream_id, index_id, page_size=2)
    assert ([scene.text for scene in page.scenes], page.next_page) == (["third", "second"], True)
    page = await client.indexes.list_scenes(stream_id, index_id, start=1000.5, end=1002.0)
    assert [(scene.text, scene.description) for scene in page.scenes] == [("second", "second"), ("first", "first")]
