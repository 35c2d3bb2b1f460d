"""Streams through the tools: listed, renamed, limited, stopped, and deleted once the user has agreed."""

from __future__ import annotations

import pytest
from mcp import Client

from rtstream.messages import RecorderHealth, RecorderStats
from tests.server.mcp_servers import Served, call, refusal

pytestmark = pytest.mark.anyio


async def test_streams_are_listed_and_shown_without_their_credentials(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Front door"), await served.add_stream("Yard")
    found = await call(client, "list_streams", name="door")
    assert ([one["stream_id"] for one in found["streams"]], found["total"]) == ([door], 1)
    assert (await call(client, "list_streams", limit=1))["total"] == 2
    shown = await call(client, "get_stream", stream_id=yard)
    assert (shown["status"], shown["health"], shown["recorded"]) == ("stopped", "stopped", [])
    assert "secret" not in str(shown)
    assert (await call(client, "stop_stream", stream_id=yard))["status"] == "stopped"


async def test_a_stream_is_shown_with_its_problems_and_the_packets_of_its_tracks(
    served: Served, client: Client
) -> None:
    stream_id = await served.add_stream("Front door")
    served.engine.health.add(stream_id, "Front door", "rtsp://h/x")
    silent = RecorderHealth("connected", "the source sends no audio at present", code="track_silent")
    await served.engine.recorder_events.handle(stream_id, silent)
    tracks = {"video": {"received": 90, "stored": 80, "dropped": {"before_keyframe": 10}}}
    await served.engine.recorder_events.handle(stream_id, RecorderStats(0.25, {}, tracks))
    shown = await call(client, "get_stream", stream_id=stream_id)
    assert shown["problems"] == ["track_silent: the source sends no audio at present"]
    assert shown["packets"] == ["video: 90 received, 80 stored, 10 dropped (before_keyframe)"]


async def test_a_limit_is_set_changed_and_removed_by_itself(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    both = await call(client, "update_stream", stream_id=stream_id, name="Gate", keep_days=2, keep_gb=1.5)
    assert (both["name"], both["keep_days"], both["keep_gb"]) == ("Gate", 2, 1.5)
    one = await call(client, "update_stream", stream_id=stream_id, keep_days=0)
    assert (one.get("keep_days"), one["keep_gb"], one["name"]) == (None, 1.5, "Gate")
    assert "keep_gb" in await refusal(client, "update_stream", stream_id=stream_id, keep_gb=-1)


async def test_the_question_before_a_deletion_names_what_goes(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Front door")
    index_id = await served.add_index(stream_id)
    event = await call(client, "create_event", event_prompt='"OPEN" is on the screen', label="opened")
    await call(client, "create_alert", stream_id=stream_id, index_id=index_id, event_id=event["event_id"])
    asked = await refusal(client, "delete_stream", stream_id=stream_id)
    assert "Front door" in asked
    assert "opened" in asked
    assert await call(client, "delete_stream", stream_id=stream_id, confirm=True) == {
        "stream_id": stream_id,
        "deleted": True,
    }
    assert "no stream" in await refusal(client, "get_stream", stream_id=stream_id)


async def test_a_source_that_may_not_be_opened_is_explained_without_its_credentials(client: Client) -> None:
    said = await refusal(client, "connect_stream", url="rtsp://user:secret@10.0.0.1/live")
    assert "RTSTREAM_ALLOW_NETWORKS" in said
    assert "secret" not in said
