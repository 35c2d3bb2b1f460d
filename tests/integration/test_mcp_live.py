"""The main job through MCP: a chat client starts the program, and a real live stream becomes scenes and an alert."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, ImageContent

from server.engine_file import read_engine_file
from tests.server.mcp_servers import KEY, call, engine_ended, program

pytestmark = pytest.mark.anyio

LIMIT_S = 60.0


async def test_a_stream_is_connected_seen_described_and_alerted_on_over_stdio(clip_720p: Path, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="reading screen text needs the extra 'local'")
    from rtstream.testsource import LiveSource

    data_dir = tmp_path / "data"
    params = program(RTSTREAM_DATA_DIR=str(data_dir), RTSTREAM_ALLOW_NETWORKS="loopback", RTSTREAM_SEGMENT_S="1")
    with LiveSource(clip_720p) as source, engine_ended(data_dir):
        async with Client(stdio_client(params), read_timeout_seconds=LIMIT_S) as client:
            stream = await call(client, "connect_stream", url=source.rtsp_url, name="Desk")
            stream_id = stream["stream_id"]
            assert (stream["health"], stream["media"].split(",")[0]) == ("connected", "h264 1280x720 30 fps")

            seen = await client.call_tool("look", {"stream_id": stream_id, "max_side": 640})
            assert isinstance(seen, CallToolResult)
            image = seen.content[0]
            assert isinstance(image, ImageContent)
            assert base64.b64decode(image.data).startswith(b"\xff\xd8")
            assert seen.structured_content is not None
            assert (seen.structured_content["width"], seen.structured_content["height"]) == (640, 360)
            assert abs(seen.structured_content["times"][0] - time.time()) < 5
            asked = time.time()
            same = await call(client, "look", stream_id=stream_id, at="now")  # not stored yet
            assert abs(same["times"][0] - asked) < 5

            index = await call(
                client,
                "index_visuals",
                stream_id=stream_id,
                prompt="What is on screen?",
                batch_config={"type": "time", "value": 2, "frame_count": 2},
            )
            prompt = '"Invoice 4711" is on the screen'
            event = await call(client, "create_event", event_prompt=prompt, label="invoice")
            watched = {"streams": [stream_id], "index_id": index["index_id"], "event_id": event["event_id"]}
            alert = await call(client, "create_alert", **watched)
            fired: list[dict[str, object]] = []
            since = alert["cursor"]
            with anyio.fail_after(LIMIT_S):
                while not fired:
                    found = await call(client, "wait_for_events", streams=[stream_id], since=since, timeout_s=20)
                    since = found["cursor"]
                    fired = [event for event in found["events"] if event["channel"] == "alerts"]
            assert fired[0]["label"] == "invoice"
            scenes = await call(client, "get_scenes", stream_id=stream_id, index_id=index["index_id"])
            assert any("4711" in scene["untrusted_text"] for scene in scenes["scenes"])

            clip = await call(
                client, "generate_stream", stream_id=stream_id, start=fired[0]["start"], end=fired[0]["end"]
            )
            assert clip["covered"]
            async with httpx.AsyncClient() as http:
                assert (await http.get(str(fired[0]["player_url"]))).status_code == 200
                playlist = await http.get(clip["stream_url"])
                assert playlist.text.startswith("#EXTM3U")
            [stopped] = (await call(client, "update_stream", running=False))["streams"]
            assert stopped["status"] == "stopped"
        url = read_engine_file(data_dir)["url"]
        async with httpx.AsyncClient(headers={"x-access-token": KEY}) as http:
            assert (await http.get(f"{url}/rtstream")).json()["data"]["count"] == 1
