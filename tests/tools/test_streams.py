"""Streams through the tools: listed, renamed, limited, stopped, and deleted once the user has agreed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from rtstream.client import RTStreamClient
from rtstream.messages import RecorderHealth, RecorderStats
from rtstream.models import Page
from rtstream.store import streams as rows
from rtstream.testsource import ClipSpec, LiveSource
from server.mcp_server import create_endpoint
from tests.rtstream.perception.speech.test_server import serving as speech_server
from tests.rtstream.perception.speech.test_server import verbose
from tests.server.mcp_servers import KEY, Served, call, refusal, serving
from tests.waiting import eventually
from tools import streams

pytestmark = pytest.mark.anyio


async def test_streams_are_listed_and_shown_without_their_credentials(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Front door"), await served.add_stream("Yard")
    found = await call(client, "list_streams", name="door")
    assert ([one["stream_id"] for one in found["streams"]], found["total"]) == ([door], 1)
    assert (await call(client, "list_streams", limit=1))["total"] == 2
    shown = await call(client, "get_stream", stream_id=yard)
    assert (shown["status"], shown["health"], shown["recorded"]) == ("stopped", "stopped", [])
    assert "secret" not in str(shown)
    assert found["streams"][0]["recorded"] == []
    first = await call(client, "list_streams", limit=1, ordering="name")
    assert ([one["name"] for one in first["streams"]], first["next_cursor"]) == (["Front door"], "1")
    rest = await call(client, "list_streams", limit=1, ordering="name", cursor=first["next_cursor"])
    assert ([one["name"] for one in rest["streams"]], "next_cursor" in rest) == (["Yard"], False)
    assert rest["engine"]["timezone"]
    assert rest["now_at"].startswith("20")
    [stopped] = (await call(client, "update_stream", stream_id="yard", running=False))["streams"]
    assert stopped["status"] == "stopped"
    assert "Nothing to update" in await refusal(client, "update_stream", stream_id=yard)
    assert "paid can only be false" in await refusal(client, "update_stream", stream_id=yard, paid=True)
    unpaid = await call(client, "update_stream", stream_id="all", paid=False)
    assert [one.get("stopped") for one in unpaid["streams"]] == [None, None]
    assert (await call(client, "list_streams", status="paid"))["total"] == 0
    assert "cannot have one name" in await refusal(client, "update_stream", stream_id="all", name="x")


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


async def test_a_stream_is_shown_with_its_sub_stream_without_credentials(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Front door")
    await served.engine.db.write(rows.update_stream, stream_id, detect_url="rtsp://admin:s3cret@h/sub")
    shown = await call(client, "get_stream", stream_id=stream_id)
    assert shown["url"].endswith(" (analysed: rtsp://h/sub)")


async def test_a_limit_is_set_changed_and_removed_by_itself(served: Served, client: Client) -> None:
    stream_id = await served.add_stream()
    [both] = (await call(client, "update_stream", name="Gate", keep_days=2, keep_gb=1.5))["streams"]
    assert (both["name"], both["keep_days"], both["keep_gb"]) == ("Gate", 2, 1.5)
    [one] = (await call(client, "update_stream", stream_id=stream_id, keep_days=0))["streams"]
    assert (one.get("keep_days"), one["keep_gb"], one["name"]) == (None, 1.5, "Gate")
    assert "keep_gb" in await refusal(client, "update_stream", stream_id=stream_id, keep_gb=-1)


async def test_the_question_before_a_deletion_names_what_goes(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Front door")
    await call(client, "create_alert", event_prompt="the stream is lost", label="opened")
    asked = await refusal(client, "delete", kind="stream", id=stream_id)
    assert "Front door" in asked
    assert "opened" in asked
    assert await call(client, "delete", kind="stream", id=stream_id, confirm=True) == {
        "kind": "stream",
        "id": stream_id,
        "deleted": True,
    }
    assert "no stream" in await refusal(client, "get_stream", stream_id=stream_id)


async def test_a_source_that_may_not_be_opened_is_explained_without_its_credentials(client: Client) -> None:
    said = await refusal(client, "connect_stream", url="rtsp://user:secret@10.0.0.1/live")
    assert "RTSTREAM_ALLOW_NETWORKS" in said
    assert "secret" not in said


async def test_streams_with_a_problem_are_listed_by_themselves(served: Served, client: Client) -> None:
    door, yard = await served.add_stream("Front door"), await served.add_stream("Yard")
    for stream_id in (door, yard):
        await served.engine.db.write(lambda conn, one=stream_id: rows.update_stream(conn, one, desired="running"))
        served.engine.health.add(stream_id, "x", "rtsp://h/x")
        await served.engine.recorder_events.handle(stream_id, RecorderHealth("connected", ""))
    silent = RecorderHealth("connected", "the source sends no audio at present", code="track_silent")
    await served.engine.recorder_events.handle(yard, silent)
    found = await call(client, "list_streams", status="problem")
    assert [one["stream_id"] for one in found["streams"]] == [yard]
    assert found["streams"][0]["problems"] == ["track_silent: the source sends no audio at present"]


async def test_a_collection_is_found_by_its_name(served: Served, client: Client) -> None:
    await served.add_stream("Front door")
    collection = await served.engine.collections.create("Yard cameras", "", False)
    assert (await call(client, "list_streams", collection="yard cameras"))["total"] == 0
    assert (await call(client, "list_streams", collection="default"))["total"] == 1
    assert collection.id in await refusal(client, "list_streams", collection="Cellar")


async def test_a_source_is_connected_once_with_everything_that_was_asked_for(
    client: Client, live_source: LiveSource
) -> None:
    results: list[dict[str, Any]] = []

    async def connect(url: str, **more: Any) -> None:
        results.append(await call(client, "connect_stream", url=url, **more))

    url = live_source.rtsp_url.replace("localhost", "127.0.0.1")
    assert "127.0.0.1" in url
    async with anyio.create_task_group() as tasks:  # calls of a model may run at the same time
        tasks.start_soon(lambda: connect(url, name="Desk", index_prompt=""))
        tasks.start_soon(lambda: connect(url.replace("127.0.0.1", "localhost"), index_prompt=""))
    new, old = sorted(results, key=lambda one: one.get("already_connected", False))
    assert old["already_connected"]
    assert "already_connected" not in new
    assert new["stream_id"] == old["stream_id"]
    assert "h264" in new["media"]
    assert new["started"][0] == "recording"
    assert new["index_id"] == old["index_id"]
    assert f"index {new['index_id']}" in new["started"][1]
    assert "was connected already" in old["next"]
    assert (await call(client, "list_streams"))["total"] == 1

    await call(client, "update_stream", running=False)
    again = await call(client, "connect_stream", url=url, store=True, enable_transcript=True)
    assert (again["already_connected"], again["status"]) == (True, "connected")
    assert again["stream_id"] == new["stream_id"]
    assert any(text.startswith("transcript") for text in [*again["started"], *again.get("not_started", [])])
    await call(client, "update_stream", stream_id="all", running=False)
    shown = await call(client, "get_stream")
    assert [index["index_id"] for index in shown["indexes"]] == [new["index_id"]]
    assert shown["status"] == "stopped"


async def test_a_new_stream_is_seen_and_heard_from_its_first_sample_on(
    tmp_path: Path, clip_of: Callable[[ClipSpec], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "DEFAULT_WINDOW", {"time": 0.5, "frame_count": 1})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    reading = clip_of(ClipSpec(width=320, height=180, seconds=20, gop=15, bitrate=300_000, voice="reading"))
    async with speech_server(verbose) as speech:
        heard_by = {"speech_engine": "openai:whisper-1", "speech_base_url": speech.url}
        with LiveSource(reading) as source:
            async with (
                serving(tmp_path / "data", **heard_by) as served,
                Client(create_endpoint(RTStreamClient(served.url, KEY)).mcp) as client,
            ):
                made = await call(client, "connect_stream", url=source.http_url, transcribe=True, index_prompt="")
                assert made["started"] == ["recording", "transcript", f"index {made['index_id']}"]
                shown = await eventually(
                    lambda: call(client, "get_stream"),
                    lambda one: one["indexes"][0]["done"] > 8 and not one["indexes"][0]["waiting"],
                    what="all windows",
                )
                listed = served.engine.indexes.list_scenes(made["stream_id"], made["index_id"], Page(page_size=100))
                starts = [scene.start for scene in (await listed)[0]][::-1]
                begin = shown["recorded"][0][0]
                await eventually(
                    lambda: call(client, "get_transcript"),
                    lambda found: found["said"] and found["said"][0]["start"] < begin + 1.5,
                    what="the first words",
                )
    assert begin - 0.5 < starts[0] <= begin
    assert [round(start - starts[0], 3) for start in starts] == [number * 0.5 for number in range(len(starts))]
