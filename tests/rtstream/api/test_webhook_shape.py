"""The webhook of an alert: its headers and its body.

Accept a deliberate change with ``pytest tests/rtstream/api/test_webhook_shape.py --inline-snapshot=fix``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from inline_snapshot import snapshot

from rtstream.engine.engine import Engine
from rtstream.store import indexes as index_rows
from tests.fixtures.shapes import shape
from tests.rtstream.engine.webhooks.test_service import Receiver, receiving

from .conftest import AddStream

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine_settings() -> dict[str, Any]:
    return {"webhook_allow_networks": "loopback"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


async def test_the_webhook_of_an_alert(
    api: httpx.AsyncClient, engine: Engine, add_stream: AddStream, add_index: AddStream, receiver: Receiver
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    event = {"event_prompt": "the shop opens", "label": "open", "rule": {"text": "OPEN"}}
    event_id = (await api.post("/rtstream/event", json=event)).json()["data"]["event_id"]
    alert = {"event_id": event_id, "callback_url": f"{receiver.url}/hook"}
    assert (await api.post(f"/rtstream/{stream_id}/index/{index_id}/alert", json=alert)).is_success
    now = time.time()
    scene = {"start": now - 1, "end": now, "text": "OPEN", "status": "ok", "model": "local", "data": None}
    detail = {"lines": ["OPEN"], "changes": {"text_read": True}}
    about = {"index_id": index_id, "stream_id": stream_id, "detail": detail, "created_at": now}
    await engine.db.write(lambda conn: index_rows.add_scene(conn, **about, **scene))
    engine.evaluator.scene_stored(index_id)
    await receiver.wait_for(lambda: len(receiver.got) == 1)
    headers, body = receiver.got[0]
    named = {name: value for name, value in headers.items() if name.startswith(("webhook-", "content-type", "user-"))}
    named |= {"webhook-timestamp": "<unix time>", "webhook-signature": headers["webhook-signature"][:3] + "<signature>"}
    assert shape(named) == snapshot(
        {
            "content-type": "application/json",
            "user-agent": "rtstream-webhooks/1",
            "webhook-id": "<delivery>",
            "webhook-timestamp": "<unix time>",
            "webhook-signature": "v1,<signature>",
        }
    )
    assert shape(body) == snapshot(
        {
            "event_id": "<event>",
            "label": "open",
            "confidence": 0.99,
            "explanation": "<sentence>",
            "timestamp": "<iso time>",
            "start_time": "<unix time>",
            "end_time": "<unix time>",
            "start_at": "<iso time>",
            "end_at": "<iso time>",
            "rtstream_index_id": "<index>",
            "alert_id": "<alert>",
            "stream_url": "http://<engine>/m/<link>/index.m3u8",
            "player_url": "http://<engine>/watch?v=<link>",
            "rtstream_id": "<stream>",
            "rtstream_name": "Door",
            "seq": 1,
        }
    )
