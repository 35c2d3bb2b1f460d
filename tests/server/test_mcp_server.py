"""The product as clients see it: {stdio, HTTP} x {handshake era, 2026-07-28} against a real engine."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from tests.rtstream.engine.recordings.test_exports import add_recording, add_stream
from tests.server.mcp_servers import USUAL, WAYS, Era, Heard, Served, Transport, call, connected, refusal, subscribed

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed"),
    # Both transports and both eras are in the normal run, and all four pairs in the long one.
    pytest.mark.parametrize(
        ("transport", "era"),
        [pytest.param(*way, marks=() if way in USUAL else pytest.mark.long) for way in WAYS],
    ),
]


async def test_tools_work_on_what_the_engine_has(served: Served, transport: Transport, era: Era) -> None:
    stream_id = await served.add_stream("Front door")
    index_id = await served.add_index(stream_id, "an empty porch", "a courier\u202e with a parcel")
    async with connected(served, transport, era) as client:
        listed = await call(client, "list_streams")
        assert [(s["stream_id"], s["name"], s["health"]) for s in listed["streams"]] == [
            (stream_id, "Front door", "stopped")
        ]
        assert "secret" not in json.dumps(listed)
        scenes = await call(client, "get_scenes", stream_id=stream_id, index_id=index_id)
        assert [scene["untrusted_text"] for scene in scenes["scenes"]] == ["a courier with a parcel", "an empty porch"]
        event = await call(client, "create_event", event_prompt="the stream is lost", label="lost")
        assert event["matching"] == "rule"
        alert = await call(client, "create_alert", streams=["Front door"], event_id=event["event_id"])
        assert (alert["label"], alert["streams"]) == ("lost", [stream_id])
        alerts = await call(client, "list_alerts", streams=[stream_id])
        assert [alert["label"] for alert in alerts["alerts"]] == ["lost"]
        said = await refusal(client, "list_deliveries", alert_id=alert["alert_id"])
        assert said == "list_deliveries is not offered here. The user can add it: start the server with " + (
            "--toolsets default,webhooks."
        )
        said = await refusal(client, "delete_alert", alert_id=alert["alert_id"])
        assert said == "delete_alert is now delete with kind=alert and id=<alert_id>. Call that."


DRIVEN: dict[str, dict[str, Any]] = {
    # tool -> arguments, in which $tool.field is a field of an earlier result
    "list_streams": {"status": "stopped", "limit": 1},
    "get_stream": {},
    "update_stream": {"name": "Gate", "running": False},
    "look": {"at": "start"},
    "generate_stream": {"start": "start", "end": "now"},
    "export_stream": {"start": "start", "end": "now", "name": "Visit"},
    "jobs": {"limit": 5},
    "list_videos": {"name": "vis"},
    "index_visuals": {"prompt": "What is there?", "name": "door"},
    "index_audio": {"prompt": "What is said?", "name": "speech"},
    "update_index": {"index_id": "door", "running": False},
    "get_scenes": {"index_id": "door", "start": "-1h", "end": "now"},
    "transcribe": {"running": False},
    "get_transcript": {"start": "14:05", "end": "14:10"},
    "create_event": {"event_prompt": '"OPEN" is on the screen', "label": "open"},
    "create_alert": {"streams": ["Gate"], "event_prompt": "the stream is lost", "label": "lost"},
    "list_alerts": {"streams": ["all"]},
    "update_alert": {"alert_id": "$create_alert.alert_id", "enabled": False},
    "wait_for_events": {"streams": ["Gate"], "since": 0, "timeout_s": 0},
    "what_happened": {"streams": ["Gate"], "start": "-1h", "end": "now"},
    "search": {"query": "anything", "start": "-1h"},
    "connect_stream": {"url": "$source", "name": "Yard"},
    "delete": {"kind": "stream", "id": "Gate", "confirm": True},
}


@pytest.fixture(scope="module")
def source(clip: Path) -> Iterator[str]:
    """The URL of a source that all tests of this module share."""
    from rtstream.testsource import LiveSource

    with LiveSource(clip) as live:
        yield live.rtsp_url


async def test_every_default_tool_works_and_takes_null_for_what_is_left_out(
    served: Served, clip: Path, source: str, transport: Transport, era: Era
) -> None:
    await add_stream(served.engine)
    began = round(time.time()) - 60.0
    await add_recording(served.engine, clip, 1, began, seconds=6.0)
    results: dict[str, dict[str, Any]] = {"source": {"": source}}

    def filled(value: Any) -> Any:
        tool, _, name = value[1:].partition(".") if isinstance(value, str) and value.startswith("$") else ("", "", "")
        return results[tool][name] if tool else value

    async with connected(served, transport, era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(DRIVEN) == sorted(tools)
        for name, arguments in DRIVEN.items():
            nothing = dict.fromkeys(set(tools[name].input_schema["properties"]) - set(arguments))
            given = {key: filled(value) for key, value in arguments.items()}
            results[name] = await call(client, name, **given, **nothing)
        [left] = (await call(client, "list_streams"))["streams"]
    assert left["stream_id"] == results["connect_stream"]["stream_id"]
    assert results["look"]["times"] == [pytest.approx(began, abs=0.1)]
    assert results["generate_stream"]["covered"] == [[began, began + 6.0]]
    [video] = results["list_videos"]["videos"]
    assert video["video_id"] == results["export_stream"]["video_id"]
    assert video["duration_s"] == pytest.approx(6.0, abs=0.2)


async def test_a_failure_is_one_sentence_a_model_can_act_on(served: Served, transport: Transport, era: Era) -> None:
    stream_id = await served.add_stream()
    async with connected(served, transport, era) as client:
        assert "There is no stream" in await refusal(client, "get_stream", stream_id="no such/id")
        assert "Unknown tool" in await refusal(client, "get_weather")
        said = await refusal(client, "connect_stream", url="gopher://user:hunter2@192.0.2.1/x")
        assert "must begin with one of rtsp://" in said
        assert "hunter2" not in said
        said = await refusal(client, "generate_stream", stream_id=stream_id, start=2000, end=1000)
        assert "before its start" in said
        said = await refusal(client, "wait_for_events", timeout_s=3600)
        assert said.startswith("wait_for_events was not called, because its arguments are invalid. timeout_s:")
        assert "\n" not in said


async def test_a_subscriber_is_told_and_reads_what_happened(served: Served, transport: Transport, era: Era) -> None:
    stream_id = await served.add_stream()
    uri = f"rtstream://streams/{stream_id}/alerts"
    heard = Heard()
    async with connected(served, transport, era, heard) as client, subscribed(client, era, heard, uri):
        seq = await served.happen("alert", stream_id, label="invoice", confidence=0.9, text="Invoice 4711")
        await heard.until(uri)
        read = await client.read_resource(uri)
        content = json.loads(read.contents[0].text)  # pyright: ignore[reportAttributeAccessIssue]
        assert [(e["seq"], e["label"], e["untrusted_text"]) for e in content["events"]] == [
            (seq, "invoice", "Invoice 4711")
        ]
        later = await client.read_resource(f"{uri}?since={content['cursor']}")
        assert json.loads(later.contents[0].text)["events"] == []  # pyright: ignore[reportAttributeAccessIssue]
        await served.happen("catalogue", stream_id, change="added", kind="stream", id=stream_id)
        await heard.until("")


async def test_the_list_has_every_stream_and_nothing_else_is_found(
    served: Served, transport: Transport, era: Era
) -> None:
    ids = [await served.add_stream(f"Camera {number}") for number in range(21)]
    async with connected(served, transport, era) as client:
        await call(client, "list_streams")  # the list alone never starts an engine, so it waits for the first call
        page = await client.list_resources()
        uris = [str(resource.uri) for resource in page.resources]
        while page.next_cursor:
            page = await client.list_resources(cursor=page.next_cursor)
            uris += [str(resource.uri) for resource in page.resources]
        assert uris[:2] == ["rtstream://streams", "rtstream://jobs"]
        assert uris[2::7] == [f"rtstream://streams/{stream_id}" for stream_id in ids]
        assert len(uris) == len(set(uris)) == 2 + 7 * 21
        with pytest.raises(MCPError) as refused:
            await client.list_resources(cursor="elsewhere")
        assert refused.value.error.code == INVALID_PARAMS
        for uri in ("rtstream://streams/rts-none", f"rtstream://streams/{ids[0]}/smells", "rtstream://elsewhere"):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert refused.value.error.code == INVALID_PARAMS
            assert refused.value.error.data == {"uri": uri}


async def test_a_wait_ends_with_what_happened_and_reports_progress(
    served: Served, transport: Transport, era: Era
) -> None:
    stream_id = await served.add_stream()
    cursor = await served.happen("alert", stream_id, label="before", confidence=1.0, text="before")
    values: list[float] = []
    moving = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        values.append(progress)
        moving.set()

    async with connected(served, transport, era) as client, anyio.create_task_group() as tasks:
        results = []

        async def wait() -> None:
            arguments = {"channels": ["alerts"], "since": cursor, "timeout_s": 20, "min_confidence": 0.5}
            result = await client.call_tool("wait_for_events", arguments, progress_callback=on_progress)
            results.append(result.structured_content)

        tasks.start_soon(wait)
        with anyio.fail_after(15):
            await moving.wait()
        await served.happen("health", stream_id, state="connected", since=1.0)
        await served.happen("alert", stream_id, label="faint", confidence=0.1, text="faint")
        await served.happen("alert", stream_id, label="one", confidence=0.9, text="one")
        second = await served.happen("alert", stream_id, label="two", confidence=0.9, text="two")
    (found,) = results
    assert [event["label"] for event in found["events"]] == ["one", "two"]
    assert (found["cursor"], found["has_more"], found["timed_out"]) == (second, False, False)
    assert values == sorted(set(values))


async def test_a_client_that_was_away_goes_on_where_it_was(served: Served, transport: Transport, era: Era) -> None:
    stream_id = await served.add_stream()
    uri = f"rtstream://streams/{stream_id}/alerts"
    seen: list[int] = []
    written: list[int] = []
    cursor = 0
    for _ in range(2):
        written += [await served.happen("alert", stream_id, label="door") for _ in range(3)]
        async with connected(served, transport, era) as client:
            read = await client.read_resource(f"{uri}?since={cursor}&limit=2")
            first = json.loads(read.contents[0].text)  # pyright: ignore[reportAttributeAccessIssue]
            assert first["has_more"]
            rest = await call(client, "wait_for_events", streams=[stream_id], since=first["cursor"], timeout_s=0)
            seen += [event["seq"] for event in [*first["events"], *rest["events"]]]
            cursor = rest["cursor"]
    assert seen == written
