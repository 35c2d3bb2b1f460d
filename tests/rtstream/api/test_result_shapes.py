"""The JSON of results that the API returns: playback, videos, search and journal.

Accept a deliberate change with ``pytest tests/rtstream/api/test_result_shapes.py --inline-snapshot=fix``.
"""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
from inline_snapshot import snapshot

from rtstream.engine.engine import Engine
from rtstream.store import recordings as recording_rows
from rtstream.store import videos as video_rows
from rtstream.store.journal import Entry
from tests.fixtures.shapes import shape

from .conftest import AddStream

pytestmark = pytest.mark.anyio


async def body(api: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
    return shape((await api.request(method, path, **request)).json())


async def add_recording(engine: Engine, stream_id: str) -> None:
    """Store the rows of two recordings of four seconds, with a gap of two seconds from 1004."""

    def write(conn: Any) -> None:
        for number, start in enumerate((1000.0, 1006.0)):
            recording_id = f"rec-{number}"
            about = {"recording_id": recording_id, "stream_id": stream_id, "started_at": start}
            recording_rows.insert(conn, **about, init=b"init", codecs="avc1.42c01e")
            place = {"path": f"{recording_id}.m4s", "offset": 0, "length": 1}
            recording_rows.add_segment(conn, stream_id, start=start, duration=4.0, recording_id=recording_id, **place)

    await engine.db.write(write)


async def test_the_playback_of_a_window(api: httpx.AsyncClient, engine: Engine, add_stream: AddStream) -> None:
    stream_id = await add_stream()
    await add_recording(engine, stream_id)
    assert await body(api, "GET", f"/rtstream/{stream_id}/stream", params={"start": 1002, "end": 1008}) == snapshot(
        {
            "success": True,
            "data": {
                "stream_url": "http://api.test/m/<link>/index.m3u8",
                "player_url": "http://api.test/watch?v=<link>",
                "start": 1002.0,
                "end": 1008.0,
                "covered": [[1002.0, 1004.0], [1006.0, 1008.0]],
                "gaps": [[1004.0, 1006.0]],
            },
        }
    )


async def test_a_video(api: httpx.AsyncClient, engine: Engine) -> None:
    values = {"id": "m-1", "collection_id": "default", "stream_id": "rts-0123456789abcdef", "name": "Door"}
    detail = {"key": "rec-1", "size": 4711, "covered": [[1000.0, 1004.0], [1006.0, 1010.0]]}
    times = {"start": 1000.0, "duration": 8.0, "created_at": 2000.0}
    await engine.db.write(lambda conn: video_rows.insert(conn, path="m-1", detail=detail, **values, **times))
    assert await body(api, "GET", "/video/m-1") == snapshot(
        {
            "success": True,
            "data": {
                "id": "m-1",
                "collection_id": "default",
                "stream_url": "http://api.test/m/<link>/index.m3u8",
                "player_url": "http://api.test/watch?v=<link>",
                "name": "Door",
                "description": "",
                "thumbnail_url": "http://api.test/p/<link>",
                "length": 8.0,
                "transcript": None,
                "transcript_text": None,
                "download_url": "http://api.test/m/<link>/video.mp4",
                "file": "",
                "rtstream_id": "<stream>",
                "start": 1000.0,
                "end": 1010.0,
                "covered": [[1000.0, 1004.0], [1006.0, 1010.0]],
                "gaps": [[1004.0, 1006.0]],
                "size": 4711,
                "created_at": 2000.0,
            },
        }
    )
    assert await body(api, "POST", "/video/m-1/stream", json={"timeline": [[0, 2], [5, 6.5]]}) == snapshot(
        {
            "success": True,
            "data": {
                "stream_url": "http://api.test/m/<link>/index.m3u8",
                "player_url": "http://api.test/watch?v=<link>",
            },
        }
    )
    assert await body(api, "GET", "/video") == snapshot(
        {
            "success": True,
            "data": {
                "videos": [
                    {
                        "id": "m-1",
                        "collection_id": "default",
                        "stream_url": "http://api.test/m/<link>/index.m3u8",
                        "player_url": "http://api.test/watch?v=<link>",
                        "name": "Door",
                        "description": "",
                        "thumbnail_url": "http://api.test/p/<link>",
                        "length": 8.0,
                        "transcript": None,
                        "transcript_text": None,
                        "download_url": "http://api.test/m/<link>/video.mp4",
                        "file": "",
                        "rtstream_id": "<stream>",
                        "start": 1000.0,
                        "end": 1010.0,
                        "covered": [[1000.0, 1004.0], [1006.0, 1010.0]],
                        "gaps": [[1004.0, 1006.0]],
                        "size": 4711,
                        "created_at": 2000.0,
                    }
                ]
            },
        }
    )


async def test_the_hits_of_a_search(
    api: httpx.AsyncClient, engine: Engine, add_stream: AddStream, add_index: AddStream
) -> None:
    stream_id = await add_stream()
    await add_index(stream_id, scenes=1)
    with anyio.fail_after(10):
        await engine.search.caught_up()
    assert await body(api, "POST", f"/rtstream/{stream_id}/search", json={"query": "scene 0"}) == snapshot(
        {
            "success": True,
            "data": {
                "results": [
                    {
                        "rtstream_id": "<stream>",
                        "rtstream_name": "Door",
                        "start": 1000.0,
                        "end": 1001.0,
                        "text": "scene 0",
                        "score": 1.0,
                        "scene_index_id": "<index>",
                        "scene_index_name": "scene",
                        "metadata": {"model": "local"},
                        "kind": "visual",
                        "medium": "",
                        "clip_start": None,
                        "clip_end": None,
                        "ref": 1,
                    }
                ],
                "by": "words",
                "note": "<sentence>",
            },
        }
    )


async def test_the_journal(api: httpx.AsyncClient, engine: Engine) -> None:
    state = {"state": "connected", "reason": ""}
    await engine.journal.append(Entry("health", state, "rts-0123456789abcdef", "Door"))
    assert await body(api, "GET", "/rtstream/journal", params={"since": 0}) == snapshot(
        {
            "success": True,
            "data": {
                "entries": [
                    {
                        "channel": "health",
                        "timestamp": "<iso time>",
                        "rtstream_id": "<stream>",
                        "rtstream_name": "Door",
                        "data": {"state": "connected", "reason": ""},
                        "seq": 1,
                    }
                ],
                "cursor": 1,
                "has_more": False,
                "truncated": False,
            },
        }
    )
