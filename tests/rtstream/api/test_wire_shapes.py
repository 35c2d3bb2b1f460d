"""The JSON of the API's main objects. A change here changes the wire for every client.

Accept a deliberate change with ``pytest tests/rtstream/api/test_wire_shapes.py --inline-snapshot=fix``.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from inline_snapshot import snapshot

from rtstream.engine.engine import Engine
from rtstream.store import transcripts as transcript_rows
from tests.fixtures.shapes import shape

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def body(api: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
    return shape((await api.request(method, path, **request)).json())


async def test_a_stream(api: httpx.AsyncClient, add_stream: AddStream) -> None:
    stream_id = await add_stream()
    found = await body(api, "GET", f"/rtstream/{stream_id}")
    assert set(found["data"].pop("storage")) == {"gb_per_day", "measured", "bound_gb", "text"}  # depends on the disk
    assert found == snapshot(
        {
            "success": True,
            "data": {
                "id": "<stream>",
                "name": "Door",
                "collection_id": "default",
                "created_at": "<iso time>",
                "sample_rate": 30.0,
                "status": "stopped",
                "media_types": ["video"],
                "store": True,
                "enable_transcript": False,
                "channel_id": None,
                "stream_url": None,
                "player_url": None,
                "audio": True,
                "url": "rtsp://192.0.2.1/door",
                "health": {
                    "state": "stopped",
                    "reason": "",
                    "reasons": [],
                    "since": "<unix time>",
                    "attempts": 0,
                    "lag_s": None,
                    "skipped": {},
                    "packets": {},
                },
                "media": None,
                "recorded": [],
                "indexes": [],
                "tracks": None,
                "detect_url": None,
                "vocabulary": [],
                "retention": {"max_age_s": None, "max_bytes": None},
                "recorded_bytes": 0,
                "publish_urls": [],
                "existing": None,
            },
        }
    )
    assert await body(api, "GET", "/rtstream") == snapshot(
        {
            "success": True,
            "data": {
                "results": [
                    {
                        "id": "<stream>",
                        "name": "Door",
                        "collection_id": "default",
                        "created_at": "<iso time>",
                        "sample_rate": 30.0,
                        "status": "stopped",
                        "media_types": ["video"],
                        "store": True,
                        "enable_transcript": False,
                        "channel_id": None,
                        "stream_url": None,
                        "player_url": None,
                        "audio": True,
                        "url": "rtsp://192.0.2.1/door",
                        "health": {
                            "state": "stopped",
                            "reason": "",
                            "reasons": [],
                            "since": "<unix time>",
                            "attempts": 0,
                            "lag_s": None,
                            "skipped": {},
                            "packets": {},
                        },
                        "media": None,
                        "recorded": [],
                        "indexes": [],
                        "tracks": None,
                        "detect_url": None,
                        "vocabulary": [],
                        "retention": {"max_age_s": None, "max_bytes": None},
                        "recorded_bytes": 0,
                        "publish_urls": [],
                        "existing": None,
                        "storage": None,
                    }
                ],
                "count": 1,
                "next": None,
                "previous": None,
            },
        }
    )


async def test_a_collection(api: httpx.AsyncClient) -> None:
    assert await body(api, "GET", "/collection/default") == snapshot(
        {
            "success": True,
            "data": {"id": "default", "name": "Default", "description": "Default collection", "is_public": False},
        }
    )


async def test_a_scene_index_and_its_scenes(
    api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id, scenes=1)
    assert await body(api, "GET", f"/rtstream/{stream_id}/index/{index_id}") == snapshot(
        {
            "success": True,
            "data": {
                "rtstream_index_id": "<index>",
                "name": "scene",
                "status": "stopped",
                "state": "stopped",
                "status_reason": "",
                "model": "local",
                "windows_done": 0,
                "windows_skipped": 0,
                "skipped": {},
                "windows_waiting": 0,
                "windows_late": 0,
                "windows_failed": 0,
                "windows_unchanged": 0,
                "windows_capped": 0,
                "rtstream_id": "<stream>",
                "extraction_type": "time",
                "cost": None,
                "extraction_config": {"time": 2, "frame_count": 5},
                "prompt": "Describe the scene",
                "model_name": None,
                "sandbox_id": None,
                "model_calls": 0,
                "tokens_in": 0,
                "tokens_out": 0,
                "note": "<sentence>",
                "backfill": None,
            },
        }
    )
    assert await body(api, "GET", f"/rtstream/{stream_id}/index/scene/{index_id}") == snapshot(
        {
            "success": True,
            "data": {
                "scene_index_records": [
                    {
                        "start": 1000.0,
                        "end": 1001.0,
                        "text": "scene 0",
                        "description": "scene 0",
                        "id": 1,
                        "rtstream_index_id": "<index>",
                        "model": "local",
                        "status": "ok",
                        "data": None,
                        "frame_times": [],
                        "latency_s": None,
                        "data_error": "",
                        "unchanged": False,
                        "new": [],
                        "gone": [],
                        "picture": {},
                    }
                ],
                "next_page": False,
            },
        }
    )


async def test_an_event_and_an_alert(api: httpx.AsyncClient, add_stream: AddStream, add_index: AddStream) -> None:
    stream_id = await add_stream()
    index_id = await add_index(stream_id)
    made = await api.post("/rtstream/event", json={"event_prompt": '"OPEN" is on the screen', "label": "open"})
    assert shape(made.json()) == snapshot(
        {
            "success": True,
            "data": {
                "event_id": "<event>",
                "event_prompt": '"OPEN" is on the screen',
                "label": "open",
                "rule": None,
                "matching": "rule",
                "note": "<sentence>",
            },
        }
    )
    event_id = made.json()["data"]["event_id"]
    path = f"/rtstream/{stream_id}/index/{index_id}/alert"
    assert await body(api, "POST", path, json={"event_id": event_id}) == snapshot(
        {
            "success": True,
            "data": {
                "alert_id": "<alert>",
                "event_id": "<event>",
                "prompt": '"OPEN" is on the screen',
                "label": "open",
                "callback_url": None,
                "status": "enabled",
                "rtstream_id": "<stream>",
                "rtstream_index_id": "<index>",
                "matching": "cannot_decide",
                "note": "<sentence>",
                "fired": 0,
                "fired_late": 0,
                "fired_in_range": None,
                "options": {},
                "deliveries": {},
                "last_delivery_error": "",
            },
        }
    )
    assert await body(api, "GET", path) == snapshot(
        {
            "success": True,
            "data": {
                "alerts": [
                    {
                        "alert_id": "<alert>",
                        "event_id": "<event>",
                        "prompt": '"OPEN" is on the screen',
                        "label": "open",
                        "callback_url": None,
                        "status": "enabled",
                        "rtstream_id": "<stream>",
                        "rtstream_index_id": "<index>",
                        "matching": "cannot_decide",
                        "note": "<sentence>",
                        "fired": 0,
                        "fired_late": 0,
                        "fired_in_range": None,
                        "options": {},
                        "deliveries": {},
                        "last_delivery_error": "",
                    }
                ]
            },
        }
    )


async def test_a_transcript(api: httpx.AsyncClient, engine: Engine, add_stream: AddStream) -> None:
    stream_id = await add_stream()

    def write(conn: Any) -> None:
        said = {"stream_id": stream_id, "engine": "local", "text": "Hello.", "kind": "speech", "detail": {}}
        transcript_rows.add(conn, start=1000.0, end=1001.0, created_at=1001.5, **said)

    await engine.db.write(write)
    assert await body(api, "GET", f"/rtstream/{stream_id}/transcription") == snapshot(
        {
            "success": True,
            "data": {
                "transcription_records": [
                    {
                        "start": 1000.0,
                        "end": 1001.0,
                        "text": "Hello.",
                        "is_final": True,
                        "engine": "local",
                        "kind": "speech",
                        "confidence": None,
                        "low_confidence": False,
                        "late": False,
                        "heard": "",
                        "speaker": "",
                        "word_timestamps": [],
                    }
                ],
                "next_page": False,
                "total_count": 1,
                "page": 1,
                "page_size": 100,
            },
        }
    )


async def test_errors(api: httpx.AsyncClient) -> None:
    assert await body(api, "GET", "/rtstream/rts-none") == snapshot(
        {
            "success": False,
            "message": "<sentence>",
            "error_code": "NOT_FOUND",
        }
    )
    assert await body(api, "POST", "/rtstream", json={"url": 5}) == snapshot(
        {"success": False, "message": "<sentence>", "error_code": "INVALID_REQUEST"}
    )
    assert await body(api, "GET", "/rtstream", headers={"x-access-token": "wrong"}) == snapshot(
        {
            "success": False,
            "message": "<sentence>",
            "error_code": "UNAUTHORIZED",
        }
    )
    assert await body(api, "GET", "/nothing/here") == snapshot(
        {"success": False, "message": "<sentence>", "error_code": "NOT_FOUND"}
    )
