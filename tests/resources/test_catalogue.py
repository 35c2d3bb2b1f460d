"""The catalogue lists every stream once, page by page, and never starts an engine."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from resources import catalogue, uris
from rtstream.client import Feed, RTStreamClient
from rtstream.errors import NotFound, Unavailable
from tests.server.mcp_servers import KEY, Served

pytestmark = pytest.mark.anyio


@pytest.fixture
def api(served: Served) -> RTStreamClient:
    return RTStreamClient(served.url, KEY)


async def test_the_list_has_each_stream_with_its_channels_once(
    served: Served, api: RTStreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "PAGE", 2)
    ids = [await served.add_stream(f"Camera {number}") for number in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await catalogue.list_resources(api, cursor)
        found += [str(one.uri) for one in page.resources]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found[0] == uris.STREAMS
    assert found[1] == uris.JOBS
    assert [uri for uri in found if uri.count("/") == 3] == [uris.stream(one) for one in ids]
    assert len(found) == len(set(found)) == 2 + 7 * 5
    for bad in ("-1", "x", "9" * 10, "²"):
        with pytest.raises(MCPError, match="Invalid cursor"):
            await catalogue.list_resources(api, bad)
    await api.aclose()


async def test_a_stream_is_described_with_the_uris_of_its_channels(served: Served, api: RTStreamClient) -> None:
    stream_id = await served.add_stream()
    feed = Feed(api)
    async with feed.running():
        described = await catalogue.stream(api, feed, stream_id)
        assert described["uri"] == uris.stream(stream_id)
        assert described["channels"]["alerts"] == uris.channel(stream_id, "alerts")
        assert "secret" not in str(described)
        assert [one["id"] for one in (await catalogue.streams(api, feed))["streams"]] == [stream_id]
        with pytest.raises(NotFound):
            await catalogue.stream(api, feed, "rts-0")
    assert await catalogue.subscribable(api, uris.channel(stream_id, "health"))
    for uri in (uris.stream("rts-0"), "rtstream://other"):
        assert not await catalogue.subscribable(api, uri)
    await api.aclose()


async def test_without_an_engine_only_the_catalogue_is_listed() -> None:
    started: list[bool] = []

    async def nowhere(start: bool) -> Any:
        started.append(start)
        raise Unavailable("No engine is running.")

    page = await catalogue.list_resources(RTStreamClient.located_by(nowhere), None)
    assert [str(one.uri) for one in page.resources] == [uris.STREAMS, uris.JOBS]
    assert started == [False]
