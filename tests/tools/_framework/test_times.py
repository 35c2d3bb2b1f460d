"""Time arguments of tools, read with the zone of the engine and the recordings of a stream."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest
from tests.server.mcp_servers import KEY, Served
from tools._framework.clock import Clock
from tools._framework.definition import Live, ToolContext
from tools._framework.times import Time, joined, moment, window

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine_settings() -> dict[str, Any]:
    return {"timezone": "Asia/Tokyo"}


@pytest.fixture
def ctx(served: Served) -> ToolContext:
    client = RTStreamClient(served.url, KEY)
    state = Live(client, cast(Any, None), Clock(client))
    return cast(ToolContext, SimpleNamespace(request_context=SimpleNamespace(lifespan_context=state)))


async def test_the_zone_is_that_of_the_engine_and_each_reading_is_told(ctx: ToolContext) -> None:
    found = await window(ctx, "14:05", "14:10")
    assert found.start is not None
    assert found.end == found.start + 300
    assert found.note is not None
    assert found.note.count("(Asia/Tokyo)") == 2
    relative = await window(ctx, "-10m", None)
    assert relative.start == pytest.approx(time.time() - 600, abs=5)
    assert (relative.end, relative.note) == (None, None)
    assert await window(ctx, None, None) == await window(ctx, None, None)
    assert await moment(ctx, None) is None


async def test_start_means_the_newest_recording_of_the_stream(ctx: ToolContext, served: Served) -> None:
    stream_id = await served.add_stream()
    with pytest.raises(InvalidRequest, match="there is none"):
        await window(ctx, "start", "now", stream=stream_id)
    with pytest.raises(InvalidRequest, match="Name one stream"):
        await moment(ctx, "start")


def test_numbers_are_accepted_where_the_schema_says_string() -> None:
    adapter = TypeAdapter(Time)
    assert adapter.validate_python(1795863600) == "1795863600"
    assert adapter.validate_python(1795863600.5) == "1795863600.5"
    assert adapter.validate_python("14:05") == "14:05"
    assert adapter.json_schema()["anyOf"] == [{"type": "string"}, {"type": "null"}]
    with pytest.raises(ValueError, match="string"):
        adapter.validate_python(True)


def test_notes_are_joined_to_one_text() -> None:
    assert joined(None, "", "one.", "two.") == "one. two."
    assert joined(None) is None
