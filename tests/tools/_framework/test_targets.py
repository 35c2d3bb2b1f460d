"""Streams of a call: by id, by unique name, the only one, or all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, NotFound
from tests.server.mcp_servers import KEY, Served
from tools._framework.clock import Clock
from tools._framework.definition import Live, ToolContext
from tools._framework.targets import stream_of, streams_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def ctx(served: Served) -> ToolContext:
    client = RTStreamClient(served.url, KEY)
    state = Live(client, cast(Any, None), Clock(client))
    return cast(ToolContext, SimpleNamespace(request_context=SimpleNamespace(lifespan_context=state)))


async def test_the_only_stream_needs_no_id(ctx: ToolContext, served: Served) -> None:
    with pytest.raises(NotFound, match="No stream is connected"):
        await stream_of(ctx, None)
    door = await served.add_stream("Front door")
    assert await stream_of(ctx, None) == await stream_of(ctx, "") == door
    yard = await served.add_stream("Yard")
    with pytest.raises(InvalidRequest, match=r"There are 2 streams\. Pass stream_id") as refused:
        await stream_of(ctx, None)
    assert door in refused.value.message
    assert yard in refused.value.message


async def test_a_unique_name_means_its_stream(ctx: ToolContext, served: Served) -> None:
    door, other = await served.add_stream("Front door"), await served.add_stream("front Door")
    yard, strange = await served.add_stream("Yard"), await served.add_stream("rts-1 100%_\u202eed")
    assert await stream_of(ctx, yard) == await stream_of(ctx, " yard ") == yard
    assert await stream_of(ctx, "Front door") == door
    assert await stream_of(ctx, "front Door") == other
    assert await stream_of(ctx, "rts-1 100%_ed") == strange
    with pytest.raises(InvalidRequest, match="2 streams are called") as refused:
        await stream_of(ctx, "FRONT DOOR")
    assert door in refused.value.message
    assert other in refused.value.message
    for unknown in ("Front", "rts-none", "no such/id"):
        with pytest.raises(NotFound, match="There is no stream"):
            await stream_of(ctx, unknown)


async def test_an_id_comes_before_a_name(ctx: ToolContext, served: Served) -> None:
    door = await served.add_stream("Front door")
    await served.add_stream(door)
    assert await stream_of(ctx, door) == door


async def test_several_streams_are_named_and_all_includes_later_ones(ctx: ToolContext, served: Served) -> None:
    door, yard = await served.add_stream("Front door"), await served.add_stream("Yard")
    assert await streams_of(ctx, [door, "yard", "Front door"]) == [door, yard]
    assert await streams_of(ctx, None) is None
    assert await streams_of(ctx, []) is None
    assert await streams_of(ctx, ["all"]) is None
    with pytest.raises(NotFound, match="There is no stream"):
        await streams_of(ctx, [door, "Cellar"])
