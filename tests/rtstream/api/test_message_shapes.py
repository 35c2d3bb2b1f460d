"""The messages of the WebSocket, one of each channel that a live stream with an index and an alert produces.

Accept a deliberate change with ``pytest tests/rtstream/api/test_message_shapes.py --inline-snapshot=fix``.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from inline_snapshot import snapshot
from websockets.asyncio.client import connect

from rtstream.store import indexes as index_rows
from tests.fixtures.shapes import shape
from tests.modelserver import KEY as MODEL_KEY
from tests.modelserver import ModelServer, model_server

from .conftest import Served

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio

LIMIT_S = 60.0


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        running.says("A desk.")
        yield running


@pytest.fixture
def engine_settings(model: ModelServer) -> dict[str, Any]:
    vision = {"vision_model": "openai:eye-1", "model_base_url": model.url, "model_api_key": MODEL_KEY}
    return {"allow_networks": "loopback", "segment_s": 1.0, **vision}


async def test_the_messages_of_a_live_stream(served: Served, live_source: LiveSource) -> None:
    found: dict[str, Any] = {}
    async with served.client() as http, connect(await served.ws_url(scope="all"), proxy=None) as socket:
        hello = json.loads(await socket.recv())

        async def until(*channels: str) -> None:
            while not found.keys() >= set(channels):
                message = json.loads(await socket.recv())
                found.setdefault(message["channel"], message)

        with anyio.fail_after(LIMIT_S):
            source = {"url": live_source.rtsp_url, "name": "Door", "media_types": ["video"], "store": True}
            stream_id = (await http.post("/rtstream", json={**source, "collection_id": "default"})).json()["data"]["id"]
            config = {"extraction_type": "time", "extraction_config": {"time": 0.5, "frame_count": 1}, "prompt": "?"}
            index = (await http.post(f"/rtstream/{stream_id}/index/scene", json=config)).json()["data"]
            await until("catalogue", "health", "scene_index")
            event = {"event_prompt": "the shop opens", "label": "open", "rule": {"text": "OPEN"}}
            event_id = (await http.post("/rtstream/event", json=event)).json()["data"]["event_id"]
            index_id = index["rtstream_index_id"]
            path = f"/rtstream/{stream_id}/index/{index_id}/alert"
            assert (await http.post(path, json={"event_id": event_id})).is_success
            now = time.time()
            scene = {"start": now - 1, "end": now, "text": "OPEN", "status": "ok", "model": "local", "data": None}
            detail = {"lines": ["OPEN"], "changes": {"text_read": True}}
            about = {"index_id": index_id, "stream_id": stream_id, "detail": detail, "created_at": now}
            await served.engine.db.write(lambda conn: index_rows.add_scene(conn, **about, **scene))
            served.engine.evaluator.scene_stored(index_id)
            await until("alert")
        await http.delete(f"/rtstream/{stream_id}")
    told = found["alert"]["data"]["timestamp"]
    assert isinstance(told, int)
    assert abs(told / 1000 - time.time()) < 2 * LIMIT_S
    shapes = {channel: shape(message, measured=True) for channel, message in found.items()}
    assert shape(hello, measured=True) == snapshot({"connection_id": "<connection>", "seq": "<integer>"})
    assert shapes["catalogue"] == snapshot(
        {
            "channel": "catalogue",
            "timestamp": "<iso time>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Door",
            "data": {"change": "added", "kind": "stream", "id": "<stream>", "name": "Door"},
            "seq": "<integer>",
        }
    )
    assert shapes["health"] == snapshot(
        {
            "channel": "health",
            "timestamp": "<iso time>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Door",
            "data": {"state": "connected", "reason": "", "reasons": [], "since": "<number>", "attempts": "<integer>"},
            "seq": "<integer>",
        }
    )
    assert shapes["scene_index"] == snapshot(
        {
            "channel": "scene_index",
            "timestamp": "<iso time>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Door",
            "data": {
                "text": "A desk.",
                "start": "<number>",
                "end": "<number>",
                "rtstream_index_id": "<index>",
                "index_name": "",
                "scene_id": "<integer>",
                "model": "openai:eye-1",
                "status": "ok",
                "seen": "<number>",
            },
            "seq": "<integer>",
        }
    )
    assert shapes["alert"] == snapshot(
        {
            "channel": "alert",
            "timestamp": "<iso time>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Door",
            "data": {
                "alert_id": "<alert>",
                "event_id": "<event>",
                "label": "open",
                "event_label": "open",
                "triggered": True,
                "confidence": "<number>",
                "explanation": "<sentence>",
                "text": '"OPEN" was found in the line: OPEN.',
                "timestamp": "<integer>",
                "start": "<number>",
                "end": "<number>",
                "scene_id": "<integer>",
                "rtstream_index_id": "<index>",
                "index_name": "",
                "stream_url": "http://<engine>/m/<link>/index.m3u8",
                "player_url": "http://<engine>/watch?v=<link>",
            },
            "seq": "<integer>",
        }
    )
