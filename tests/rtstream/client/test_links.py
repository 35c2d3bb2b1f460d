"""Typed calls for playback links, on a real engine."""

from __future__ import annotations

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import NotFound
from rtstream.rules.link_targets import window_target
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def test_links_are_listed_by_page_and_revoked(served: Served, client: RTStreamClient) -> None:
    door, yard = await served.add_stream("Door"), await served.add_stream("Yard")
    targets = [window_target(stream_id, start, start + 5) for stream_id in (door, yard) for start in (100.0, 200.0)]
    ids = await served.engine.links.create(targets, "sdk")
    page = await client.links.list(limit=3)
    assert (len(page.links), page.count) == (3, 4)
    of_door = (await client.links.list(door)).links
    assert {link.id for link in of_door} == set(ids[:2])
    await client.links.revoke(ids[0])
    with pytest.raises(NotFound):
        await client.links.revoke("x" * 22)
    assert await client.links.revoke_all(stream_id=door) == 1
    assert await client.links.revoke_all(stream_id=door) == 0
