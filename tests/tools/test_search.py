"""A model searches, reads a hit, and knows how to play it."""

from __future__ import annotations

import anyio
import pytest
from mcp import Client

from tests.server.mcp_servers import Served, call

pytestmark = pytest.mark.anyio


async def test_a_moment_is_found_in_all_streams_or_in_some(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Door"), await served.add_stream("Yard")
    index = await served.add_index(door, "A courier puts a parcel on the step")
    await served.add_index(yard, "A fox eats the parcel")
    with anyio.fail_after(5):
        await served.engine.search.caught_up()
    found = await call(client, "search", query="parcels")
    assert {hit["stream_name"] for hit in found["hits"]} == {"Door", "Yard"}
    assert found["by"] == "words"
    assert "generate_stream" in found["next"]
    found = await call(client, "search", query="parcels", streams=[door], kinds=["visual"], limit=5)
    [hit] = found["hits"]
    assert (hit["stream_id"], hit["index_id"], hit["kind"]) == (door, index, "visual")
    assert hit["untrusted_text"] == "A courier puts a parcel on the step"
    assert hit["end"] > hit["start"] > 0
    nothing = await call(client, "search", query="parcels", end=1.0)
    assert nothing["hits"] == []
