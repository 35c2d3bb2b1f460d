"""A database or a disk that fails is shown on every stream, and costs no result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import DatabaseUnavailable
from rtstream.models import ConnectStream, CreateAlert, CreateEvent, CreateIndex, Page, Scene
from rtstream.store.journal import Filter
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio

LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Another program holds the lock of the database."""
    command = [sys.executable, "-c", LOCK, str(data / "rtstream.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        assert other.stdin is not None
        other.stdin.close()
        other.wait(10)


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    monkeypatch.setattr("rtstream.store.database.BUSY_S", 0.5)
    config = EngineConfig(data_dir=tmp_path, allow_networks="loopback", segment_s=1.0, min_free_gb=0)
    async with Engine(config) as engine:
        yield engine


async def scenes(engine: Engine, stream_id: str, index_id: str) -> list[Scene]:
    found, more = await engine.indexes.list_scenes(stream_id, index_id, Page(page_size=1000))
    assert not more
    return sorted(found, key=lambda scene: scene.start)


async def codes(engine: Engine, stream_id: str) -> list[str]:
    return [reason.code for reason in (await engine.streams.get(stream_id)).health.reasons]


async def test_nothing_is_lost_while_another_program_holds_the_lock_of_the_database(
    engine: Engine, live_source: LiveSource, tmp_path: Path
) -> None:
    stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, name="Desk", store=True))
    index = await engine.indexes.create(
        stream.id, CreateIndex(prompt="Describe", extraction_config={"time": 1, "frame_count": 1})
    )
    event = await engine.alerts.create_event(
        CreateEvent(event_prompt="the text 'nowhere to be seen' appears", label="never")
    )
    index_id = index.rtstream_index_id
    alert = await engine.alerts.create_alert(stream.id, index_id, CreateAlert(event_id=event.event_id))
    await eventually(lambda: scenes(engine, stream.id, index_id), what="a scene")

    with locked(tmp_path):
        before = len(await scenes(engine, stream.id, index_id))
        reasons = await eventually(lambda: codes(engine, stream.id), what="the health")
        assert reasons == ["database_unavailable"]
        stream = await engine.streams.get(stream.id)
        assert (stream.health.state, stream.status) == ("connected", "connected")
        assert "locked by another program" in stream.health.reason
        assert stream.health.reasons[0].next_step
        assert [reason.code for reason in (await engine.info()).reasons] == ["database_unavailable"]
        with pytest.raises(DatabaseUnavailable):
            await engine.streams.update(stream.id, name="Other")
        await eventually(lambda: engine.queue.waiting, lambda count: count >= 6, what="results in the queue")
        assert len(await scenes(engine, stream.id, index_id)) == before

    await eventually(lambda: codes(engine, stream.id), lambda seen: not seen, what="the end of the problem")
    assert (await engine.streams.get(stream.id)).health.reason == ""
    await eventually(lambda: engine.queue.waiting, lambda count: not count)
    after = await scenes(engine, stream.id, index_id)
    assert len(after) >= before + 6
    assert all(abs(later.start - scene.end) < 1e-3 for scene, later in pairwise(after))
    (progress,) = (await engine.streams.get(stream.id)).indexes
    assert progress.windows_skipped == 0
    decided, _ = await engine.alerts.list_decisions(stream.id, index_id, alert.alert_id, Page(page_size=500))
    assert len(decided) >= before + 6
    page = await engine.journal.read(0, Filter(channels=["health"]), limit=500)
    told = [[reason["code"] for reason in entry.data.get("reasons", [])] for entry in page.entries]
    assert told[-2:] == [["database_unavailable"], []]
    (recorded,) = await eventually(lambda: ranges(engine, stream.id), lambda found: len(found) == 1)
    assert recorded[1] - recorded[0] >= 6


async def ranges(engine: Engine, stream_id: str) -> list[tuple[float, float]]:
    return (await engine.streams.get(stream_id)).recorded
