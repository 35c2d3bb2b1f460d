"""A real engine on an empty data folder, its API in process and on a listening socket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from rtstream import ids
from rtstream.api.app import create_app
from rtstream.api.server import serve
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.rules.link_targets import window_target
from rtstream.store import indexes as index_rows
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows

KEY = "sk-test-key-of-the-api-tests"
BYTES = bytes(range(256)) * 1000


@pytest.fixture
def engine_settings() -> dict[str, Any]:
    """Settings of ``engine`` besides those every test needs. A module may override them."""
    return {}


@pytest.fixture
async def engine(tmp_path: Path, engine_settings: dict[str, Any]) -> AsyncIterator[Engine]:
    """An engine without streams."""
    given = {"local_vision": False, "embedding_model": "none", **engine_settings}
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, **given)
    async with Engine(config) as running:
        yield running


@pytest.fixture
async def api(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """The API, called in process with the key."""
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api.test", headers={"x-access-token": KEY}
    ) as client:
        yield client


@dataclass
class Served:
    """A listening server. ``stop`` makes it close."""

    url: str
    engine: Engine
    stop: anyio.Event
    closed: anyio.Event

    def client(self, **options: Any) -> httpx.AsyncClient:
        """An HTTP client with the key."""
        return httpx.AsyncClient(base_url=self.url, headers={"x-access-token": KEY}, **options)

    async def ws_url(self, **query: Any) -> str:
        """A WebSocket address with a fresh ticket."""
        async with self.client() as client:
            answer = await client.get("/collection/default/websocket")
        url = answer.json()["data"]["websocket_url"]
        return "&".join([url, *(f"{key}={value}" for key, value in query.items())])


@pytest.fixture
async def served(engine: Engine) -> AsyncIterator[Served]:
    """The API on a port of its own; a WebSocket client that stalls is dropped after one second."""
    stop, closed, ready = anyio.Event(), anyio.Event(), anyio.Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    async def run() -> None:
        await serve(engine, host="127.0.0.1", port=0, on_ready=on_ready, should_exit=stop, stall_timeout_s=1.0)
        closed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(5):
            await ready.wait()
        yield Served(urls[0], engine, stop, closed)
        stop.set()


AddStream = Callable[..., Any]


@pytest.fixture
def add_stream(engine: Engine) -> AddStream:
    """Store a stopped stream. Returns its id."""

    async def add(name: str = "Door", *, created_at: float | None = None) -> str:
        stream_id = ids.stream_id()
        values: dict[str, Any] = {
            "id": stream_id,
            "name": name,
            "url": "rtsp://user:secret@192.0.2.1/door",
            "collection_id": "default",
            "created_at": created_at or time.time(),
            "media_types": ["video"],
            "sample_rate": 30.0,
            "store": True,
            "enable_transcript": False,
            "desired": "stopped",
            "health": {"state": "stopped", "since": time.time()},
        }
        await engine.db.write(lambda conn: stream_rows.insert(conn, **values))
        return stream_id

    return add


@pytest.fixture
def add_index(engine: Engine) -> AddStream:
    """Store a stopped scene index with ``scenes`` scenes of one second each from time 1000. Returns its id."""

    async def add(stream_id: str, *, scenes: int = 0) -> str:
        index_id = ids.index_id()

        def write(conn: Any) -> None:
            index_rows.insert(
                conn,
                id=index_id,
                stream_id=stream_id,
                name="scene",
                extraction_type="time",
                extraction_config={"time": 2, "frame_count": 5},
                prompt="Describe the scene",
                model_name=None,
                model_config={},
                status="stopped",
                counters={},
                created_at=time.time(),
            )
            for number in range(scenes):
                index_rows.add_scene(
                    conn,
                    index_id=index_id,
                    stream_id=stream_id,
                    start=1000.0 + number,
                    end=1001.0 + number,
                    text=f"scene {number}",
                    status="ok",
                    model="local",
                    data=None,
                    detail={},
                    created_at=time.time(),
                )

        await engine.db.write(write)
        return index_id

    return add


@pytest.fixture
async def player(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A player: it has no key."""
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@pytest.fixture
async def recorded(engine: Engine, add_stream: AddStream, tmp_path: Path) -> tuple[str, str]:
    """A stream with one recorded segment of four seconds from time 1000; its id and that of a link to it."""
    stream_id = await add_stream()
    folder = tmp_path / "data" / "media" / stream_id
    folder.mkdir(parents=True)
    (folder / "1000.mp4").write_bytes(b"before" + BYTES + b"after")

    def write(conn: Any) -> None:
        rows.insert(
            conn, recording_id="rec-1", stream_id=stream_id, started_at=1000.0, init=b"init", codecs="avc1.64001f"
        )
        place = {"path": "1000.mp4", "offset": 6, "length": len(BYTES)}
        rows.add_segment(conn, stream_id, start=1000.0, duration=4.0, recording_id="rec-1", **place)

    await engine.db.write(write)
    [link_id] = await engine.links.create([window_target(stream_id, 1000.0, 1004.0, "Door")], "sdk")
    return stream_id, link_id
