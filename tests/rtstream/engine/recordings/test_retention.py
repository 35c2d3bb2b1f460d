"""The disk is bounded, evidence stays, and table and disk agree after a crash."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.recordings import DiskBound, RecordingProjection, Retention
from rtstream.states import PinKind
from rtstream.storage.folder import FolderStorage
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio

STREAM = "rts-1"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)
    await db.write(stream_rows.ensure_default_collection, 0.0)
    await db.write(
        lambda conn: stream_rows.insert(
            conn,
            id=STREAM,
            name="s",
            url="u",
            collection_id="default",
            created_at=0,
            media_types=[],
            sample_rate=1,
            store=True,
            enable_transcript=False,
            desired="stopped",
            health={},
        )
    )
    yield db
    await db.aclose()


async def record(db: Database, media: Path, files: int, *, age_s: float, size: int = 1000) -> list[Path]:
    """``files`` files of one minute, the oldest ``age_s`` old."""
    begin = time.time() - age_s
    await db.write(
        lambda conn: rows.insert(
            conn, recording_id="rec-1", stream_id=STREAM, started_at=begin, init=b"", codecs="avc1"
        )
    )
    paths = []
    for n in range(files):
        path = media / STREAM / "rec-1" / f"{n:06}.m4s"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x01" * size)
        paths.append(path)
        for part in range(2):
            await db.write(
                lambda conn, n=n, part=part: rows.add_segment(
                    conn,
                    STREAM,
                    start=begin + n * 60 + part * 30,
                    duration=30.0,
                    recording_id="rec-1",
                    path=f"rec-1/{n:06}.m4s",
                    offset=part * size // 2,
                    length=size // 2,
                )
            )
    await db.write(rows.close, "rec-1")
    return paths


def retention(db: Database, media: Path, **settings: float) -> Retention:
    return Retention(EngineConfig.model_validate(settings), db, RecordingProjection(db, FolderStorage(media)))


def left(paths: list[Path]) -> list[bool]:
    return [path.exists() for path in paths]


async def test_what_is_older_than_the_limit_goes_with_its_rows(db: Database, tmp_path: Path) -> None:
    paths = await record(db, tmp_path, 4, age_s=86400 + 90)
    assert await retention(db, tmp_path, retain_days=1).round() == 1
    assert left(paths) == [False, True, True, True]
    assert (await db.read(stream_rows.get, STREAM)).recorded_bytes == 3000
    [(start, _)] = await db.read(rows.ranges, STREAM)
    assert start == pytest.approx(time.time() - 86400 - 30, abs=5)


async def test_over_the_limit_of_bytes_the_oldest_go(db: Database, tmp_path: Path) -> None:
    paths = await record(db, tmp_path, 4, age_s=600)
    await retention(db, tmp_path, retain_gb=2100 / 1e9).round()
    assert left(paths) == [False, False, True, True]


async def test_a_streams_own_limits_come_before_the_engines(db: Database, tmp_path: Path) -> None:
    paths = await record(db, tmp_path, 4, age_s=600)
    await db.write(lambda conn: stream_rows.update_stream(conn, STREAM, retention={"max_bytes": 1000}))
    await retention(db, tmp_path).round()
    assert left(paths) == [False, False, False, True]


async def test_evidence_of_an_alert_outlives_all_limits(db: Database, tmp_path: Path) -> None:
    paths = await record(db, tmp_path, 3, age_s=10 * 86400)
    start = time.time() - 10 * 86400
    await db.write(lambda conn: rows.pin(conn, STREAM, start + 70, start + 80, PinKind.ALERT, "alert-1"))
    await retention(db, tmp_path, retain_days=1, retain_gb=1e-9).round()
    assert left(paths) == [False, True, False]


async def test_segments_without_bytes_are_forgotten_and_no_file_is_deleted(db: Database, tmp_path: Path) -> None:
    paths = await record(db, tmp_path, 3, age_s=600)
    paths[0].unlink()
    paths[1].write_bytes(b"\x01" * 700)
    stray = tmp_path / STREAM / "rec-0" / "000000.m4s"
    stray.parent.mkdir()
    stray.write_bytes(b"half a segment")
    result = await RecordingProjection(db, FolderStorage(tmp_path)).scan()
    assert stray.exists()
    assert result.missing == 3
    found = await db.read(rows.segments_between, STREAM, 0.0, time.time())
    assert [(row.path, row.offset) for row in found] == [
        ("rec-1/000001.m4s", 0),
        ("rec-1/000002.m4s", 0),
        ("rec-1/000002.m4s", 500),
    ]
    assert (await db.read(stream_rows.get, STREAM)).recorded_bytes == 1500


class SmallDisk(FolderStorage):
    """A storage whose free space is set by the test."""

    available = 0

    async def free(self) -> int:
        return self.available


async def bounded(db: Database, media: Path, free: int, *, percent: float = 80, copies: int = 0) -> Retention:
    disk = SmallDisk(media)
    disk.available = free
    config = EngineConfig(min_free_gb=1000 / 1e9, retain_percent=percent)
    bound = DiskBound(config, db, disk, lambda: copies)
    return Retention(config, db, RecordingProjection(db, disk), bound)


@pytest.mark.parametrize(
    ("free", "copies", "gone"),
    [
        (10_000, 0, 0),
        (2000, 0, 0),  # 4000 of 6000 are below 80 %
        (1300, 0, 0),
        (1200, 0, 1),  # less than 125 % of the minimum
        (250, 0, 1),
        (1600, 9000, 2),  # copies of the database count
    ],
)
async def test_the_oldest_go_before_the_disk_is_full(
    db: Database, tmp_path: Path, free: int, copies: int, gone: int
) -> None:
    paths = await record(db, tmp_path, 4, age_s=600)
    await (await bounded(db, tmp_path, free, copies=copies)).round()
    assert left(paths) == [False] * gone + [True] * (4 - gone)


async def test_without_a_share_nothing_goes_for_a_full_disk(db: Database, tmp_path: Path) -> None:
    paths = await record(db, tmp_path, 4, age_s=600)
    await (await bounded(db, tmp_path, 0, percent=0)).round()
    assert all(left(paths))


async def test_for_a_full_disk_evidence_goes_last_and_what_is_being_exported_stays(
    db: Database, tmp_path: Path
) -> None:
    paths = await record(db, tmp_path, 5, age_s=600)
    start = time.time() - 600
    await db.write(lambda conn: rows.pin(conn, STREAM, start + 5, start + 10, PinKind.ALERT, "alert-1"))
    await db.write(lambda conn: rows.pin(conn, STREAM, start + 65, start + 70, PinKind.EXPORT, "m-1"))
    await (await bounded(db, tmp_path, 300)).round()  # 950 bytes are missing
    assert left(paths) == [True, True, False, True, True]
    await (await bounded(db, tmp_path, 0)).round()
    await (await bounded(db, tmp_path, 0)).round()
    assert left(paths) == [False, True, False, False, False]


async def test_footage_is_removed_although_the_log_cannot_be_written(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = await record(db, tmp_path, 3, age_s=10 * 86400)
    log = tmp_path / STREAM / "rec-1" / "recording.log"
    log.write_bytes(b"")
    disk = FolderStorage(tmp_path)
    append = disk.append
    refusals = iter([OSError(28, "No space left on device")])

    async def full(key: str, data: bytes) -> None:
        for refusal in refusals:
            raise refusal
        assert not paths[0].exists()  # room was made first
        await append(key, data)

    monkeypatch.setattr(disk, "append", full)
    config = EngineConfig(retain_days=1)
    await Retention(config, db, RecordingProjection(db, disk)).round()
    assert left(paths) == [False] * 3
    assert not log.exists()  # nothing is left of the recording
