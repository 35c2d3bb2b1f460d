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
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows

KEY = "sk-test-key-of-the-api-tests"


@pytest.fixture
def engine_settings() -> dict[str, Any]:
    """Settings of ``engine`` besides those every test needs. A module may override them."""
    return {}


@pytest.fixture
async def engine(tmp_path: Path, engine_settings: dict[str, Any]) -> AsyncIterator[Engine]:
    """An engine without streams."""
    config = EngineConfig(data_dir=tmp_path / "data", api_key=KEY, local_vision=False, **engine_settings)
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
    """Store a stopped stream; gives its id."""

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
    """Store a stopped scene index with ``scenes`` scenes of one second each from time 1000; gives its id."""

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
