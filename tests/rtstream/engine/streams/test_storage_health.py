"""A database or a disk that fails is shown on every stream, and costs no result."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import DatabaseUnavailable
from rtstream.models import ConnectStream, CreateAlert, CreateEvent, CreateIndex, Page, Scene
from rtstream.store.journal import Filter
from tests.rtstream.engine.streams.disks import abort, fill, image_disk, memory_disk
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


STORAGE = ("database_unavailable", "disk_full", "disk_error")


async def codes(engine: Engine, stream_id: str) -> list[str]:
    """The codes of the storage in the health of a stream. A busy machine may add others."""
    health = (await engine.streams.get(stream_id)).health
    return [reason.code for reason in health.reasons if reason.code in STORAGE]


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
        found = next(reason for reason in stream.health.reasons if reason.code in STORAGE)
        assert "locked by another program" in found.text
        assert found.next_step
        assert [reason.code for reason in (await engine.info()).reasons] == ["database_unavailable"]
        with pytest.raises(DatabaseUnavailable):
            await engine.streams.update(stream.id, name="Other")
        await eventually(lambda: engine.queue.waiting, lambda count: count >= 8, what="results in the queue")
        assert len(await scenes(engine, stream.id, index_id)) == before

    await eventually(lambda: codes(engine, stream.id), lambda seen: not seen, what="the end of the problem")
    assert "locked" not in (await engine.streams.get(stream.id)).health.reason
    await eventually(lambda: engine.queue.waiting, lambda count: not count)
    after = await scenes(engine, stream.id, index_id)
    assert len(after) >= before + 4
    (progress,) = (await engine.streams.get(stream.id)).indexes
    windows = sum(round(later.start - scene.start) for scene, later in pairwise(after))
    assert (
        windows - (len(after) - 1) <= progress.windows_skipped + progress.windows_waiting
    )  # a busy machine may skip some, and counts them

    async def decided() -> int:
        found, _ = await engine.alerts.list_decisions(stream.id, index_id, alert.alert_id, Page(page_size=500))
        return len(found)

    # The evaluation pauses for some seconds after a failure.
    await eventually(decided, lambda count: count >= before + 4, what="the decisions")
    page = await engine.journal.read(0, Filter(channels=["health"]), limit=500)
    told = [
        [reason["code"] for reason in entry.data.get("reasons", []) if reason["code"] in STORAGE]
        for entry in page.entries
    ]
    assert [codes for codes, _ in groupby(told)][-2:] == [["database_unavailable"], []]
    # One range without a gap, from before the lock until after it.
    (recorded,) = await eventually(
        lambda: ranges(engine, stream.id), lambda found: len(found) == 1 and found[0][1] >= after[-1].start
    )
    assert recorded[1] - recorded[0] >= 4


async def ranges(engine: Engine, stream_id: str) -> list[tuple[float, float]]:
    return (await engine.streams.get(stream_id)).recorded


@asynccontextmanager
async def running(data: Path, **settings: float) -> AsyncIterator[Engine]:
    given = {"data_dir": data, "allow_networks": "loopback", "segment_s": 1.0, "min_free_gb": 0.002, **settings}
    config = EngineConfig.model_validate(given)
    async with Engine(config) as engine:
        yield engine


async def segments(engine: Engine, stream_id: str) -> float:
    return (await engine.streams.get(stream_id)).recorded_bytes


async def test_an_engine_survives_a_full_disk_reports_it_and_continues(
    live_source: LiveSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.streams.storage_health.DISK_EVERY_S", 0.2)
    with memory_disk(tmp_path / "disk", "24m") as disk:
        async with running(disk) as engine:
            stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
            await eventually(lambda: segments(engine, stream.id), what="a segment")
            assert (disk / "reserve").stat().st_size >= 1 << 20
            ballast = fill(disk)
            seen = await eventually(lambda: codes(engine, stream.id), what="the health")
            assert seen == ["disk_full"]
            assert [reason.code for reason in (await engine.info()).reasons] == ["disk_full"]
            assert not (disk / "reserve").exists()
            await engine.streams.update(stream.id, name="Still here")  # the reserve is room for this
            page = await engine.journal.read(0, Filter(channels=["health"]), limit=500)
            told = [reason["code"] for reason in page.entries[-1].data["reasons"] if reason["code"] in STORAGE]
            assert told == ["disk_full"]
            ballast.unlink()
            await eventually(lambda: codes(engine, stream.id), lambda now: not now, what="the end of the problem")
            before = await segments(engine, stream.id)
            await eventually(lambda: segments(engine, stream.id), lambda now: now > before, what="more segments")
            assert (disk / "reserve").exists()


async def test_a_disk_that_fills_costs_the_oldest_recordings_where_a_bound_allows_it(
    live_source: LiveSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.streams.storage_health.DISK_EVERY_S", 0.2)
    with memory_disk(tmp_path / "disk", "24m") as disk:
        async with running(disk) as engine:
            stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
            assert stream.storage is not None
            assert "80 %" in stream.storage.text
            first = (await eventually(lambda: ranges(engine, stream.id), what="a recording"))[0]
            await engine.streams.stop(stream.id)
            await engine.streams.start(stream.id)
            await eventually(lambda: ranges(engine, stream.id), lambda found: len(found) == 2, what="the second one")
            fill(disk, but=1 << 20)  # less than recordings need to continue
            later = await eventually(lambda: ranges(engine, stream.id), lambda found: found[0][0] > first[0] + 0.5)
            assert len(later) == 1
            (disk / "ballast").unlink()
            await eventually(lambda: codes(engine, stream.id), lambda now: not now, what="the end of the problem")


async def test_an_older_data_folder_keeps_everything_on_a_full_disk(
    live_source: LiveSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.streams.storage_health.DISK_EVERY_S", 0.2)
    with memory_disk(tmp_path / "disk", "24m") as disk:
        (disk / "media").mkdir()
        async with running(disk) as engine:
            stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
            assert stream.storage is not None
            assert "keeps everything" in stream.storage.text
            first = (await eventually(lambda: ranges(engine, stream.id), what="a recording"))[0]
            await engine.streams.stop(stream.id)
            fill(disk, but=1 << 20)
            await eventually(lambda: problems(engine), lambda seen: seen == ["disk_full"])
            await engine.retention.make_room()
            assert (await ranges(engine, stream.id))[0][0] == first[0]


async def test_a_file_system_that_becomes_read_only_stops_nothing_else(live_source: LiveSource, tmp_path: Path) -> None:
    with image_disk(tmp_path / "disk", 96 << 20) as disk:
        async with running(disk) as engine:
            stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
            await eventually(lambda: segments(engine, stream.id), what="a segment")
            abort(disk)
            seen = await eventually(lambda: codes(engine, stream.id), lambda found: len(found) == 2, what="two reasons")
            assert sorted(seen) == ["database_unavailable", "disk_error"]
            with pytest.raises(DatabaseUnavailable):
                await engine.streams.update(stream.id, name="Other")
            assert (await engine.pictures.frame(stream.id, None)).jpeg


async def test_a_storage_of_videos_that_disappears_is_a_problem_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.streams.storage_health.DISK_EVERY_S", 0.1)
    async with running(tmp_path) as engine:
        (tmp_path / "videos").rename(tmp_path / "elsewhere")
        await eventually(lambda: problems(engine), lambda seen: seen == ["storage_unavailable"])
        assert "exported videos" in engine.health.problems[0].text
        assert engine.health.problems[0].next_step
        (tmp_path / "elsewhere").rename(tmp_path / "videos")
        await eventually(lambda: problems(engine), lambda seen: not seen)


async def test_a_mount_that_never_responds_is_a_problem_and_occupies_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.streams.storage_health.DISK_EVERY_S", 0.05)
    monkeypatch.setattr("rtstream.engine.streams.storage_health.RESPONSE_S", 0.1)
    asked, released = [], threading.Event()
    usage = shutil.disk_usage

    def stuck(path: Path) -> object:
        if Path(path).name in ("media", "videos") and not released.is_set():
            asked.append(Path(path).name)
            assert released.wait(30)
        return usage(path)

    async with running(tmp_path) as engine:
        monkeypatch.setattr(shutil, "disk_usage", stuck)
        await eventually(lambda: engine.health.problems, lambda seen: any("recordings" in each.text for each in seen))
        await eventually(lambda: engine.health.problems, lambda seen: any("videos" in each.text for each in seen))
        released.set()
        await eventually(lambda: problems(engine), lambda seen: not seen)
    assert asked.count("videos") == 1  # the storage of recordings is also asked by retention


@pytest.mark.parametrize("damage", ["garbage", pytest.param("cut", marks=pytest.mark.long), "removed", "replaced"])
async def test_a_database_that_another_program_destroys_stops_nothing_else(
    live_source: LiveSource, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.streams.storage_health.DISK_EVERY_S", 0.2)
    async with running(tmp_path) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url, store=True))
        await eventually(lambda: segments(engine, stream.id), what="a segment")
        path = tmp_path / "rtstream.db"
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        await engine.db.examine()
        match damage:
            case "garbage":
                with path.open("r+b") as file:
                    file.write(os.urandom(path.stat().st_size))
                (tmp_path / "rtstream.db-wal").write_bytes(os.urandom(100_000))
            case "cut":
                os.truncate(path, 5000)
            case "removed":
                path.unlink()
            case _:
                (tmp_path / "other").write_bytes(b"not a database" * 1000)
                (tmp_path / "other").rename(path)
        seen = await eventually(lambda: problems(engine), what="the problem")
        assert seen == ["database_unavailable"]
        (reason,) = engine.health.problems
        assert "db repair" in reason.next_step
        if damage in ("garbage", "cut"):
            await eventually(lambda: engine.health.problems[0].text, lambda told: "while the engine ran" in told)
        for read in (engine.collections.list, partial(engine.journal.read, 0), partial(engine.streams.get, stream.id)):
            with suppress(DatabaseUnavailable):
                await read()
        before = media_bytes(tmp_path)
        await eventually(lambda: media_bytes(tmp_path), lambda now: now > before, what="the recording to continue")


def media_bytes(data: Path) -> int:
    return sum(path.stat().st_size for path in data.glob("media/*/*/*.m4s"))


def problems(engine: Engine) -> list[str]:
    return [reason.code for reason in engine.health.problems]
