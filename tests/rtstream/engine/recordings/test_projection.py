"""Rows follow the logs of recordings: footage on the disk is entered once, and removed footage stays removed."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from unittest.mock import ANY

import anyio
import pytest

from rtstream import disk
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.recordings import RecordingProjection
from rtstream.errors import DatabaseUnavailable
from rtstream.messages import RecordingStarted, SegmentClosed
from rtstream.mp4.recovery import PAGE
from rtstream.rules.recording_log import LOG_FILE, RecordingOpened, decode, encode
from rtstream.storage.folder import FolderStorage
from rtstream.store import recording_logs, streams
from rtstream.store import recordings as recording_rows
from rtstream.store.database import Database
from rtstream.store.tables import recordings
from tests.rtstream.recorder.test_writer import START, picture_file, record, recording_of, segments_of

pytestmark = pytest.mark.anyio

STREAM = "rts-0123456789abcdef"


def config(data: Path) -> EngineConfig:
    return EngineConfig(data_dir=data, api_key="sk-projection-0123456789abcdef", local_vision=False, min_free_gb=0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds with a keyframe every second."""
    return picture_file(tmp_path_factory.mktemp("source") / "twenty.mkv", [n * 100 for n in range(200)], 10)


@pytest.fixture
def recorded(pictures: Path, tmp_path: Path) -> tuple[Path, RecordingStarted, list[SegmentClosed]]:
    """A data folder in which a recorder wrote while no engine was there."""
    folder = tmp_path / "data" / "media" / STREAM
    folder.mkdir(parents=True)
    sent = record(pictures, folder, segment_s=4.0)
    return tmp_path / "data", recording_of(sent), segments_of(sent)


async def rows_of(engine: Engine) -> list[tuple[float, float, str, int, int]]:
    found = await engine.db.read(recording_rows.oldest_segments, STREAM, 1000)
    return [(row.start, row.duration, row.path, row.offset, row.length) for row in found]


def rows_written(segments: list[SegmentClosed]) -> list[tuple[float, float, str, int, int]]:
    return [(one.start, one.duration, one.path, one.offset, one.length) for one in segments]


async def seconds(engine: Engine) -> float:
    return round(sum(row[1] for row in await rows_of(engine)), 1)


@pytest.fixture
async def known(recorded: tuple[Path, RecordingStarted, list[SegmentClosed]]) -> Path:
    """The data folder, with the stream in the database and everything entered."""
    async with Engine(config(recorded[0])) as engine:
        assert await rows_of(engine) == rows_written(recorded[2])
    return recorded[0]


async def test_what_was_recorded_without_an_engine_is_there_after_the_next_start(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]],
) -> None:
    data, _, segments = recorded
    async with Engine(config(data)) as engine:
        assert await rows_of(engine) == rows_written(segments)
        stream = await engine.streams.get(STREAM)
        assert (stream.name, stream.status, stream.url) == ("Door", "stopped", "rtsp://h/x")
        assert stream.recorded == [(segments[0].start, segments[-1].start + segments[-1].duration)]
        assert stream.recorded_bytes == sum(segment.length for segment in segments)


async def test_reading_logs_again_changes_nothing(known: Path) -> None:
    async with Engine(config(known)) as engine:
        before = await rows_of(engine), (await engine.streams.get(STREAM)).recorded_bytes
        assert (await engine.projection.scan()).segments == 0
        for log in known.glob(f"media/{STREAM}/*/{LOG_FILE}"):
            engine.projection.cue(STREAM, log.parent.name)
            await engine.projection.catch_up([(STREAM, log.parent.name)])
        await engine.projection.settle(STREAM)
        assert (await rows_of(engine), (await engine.streams.get(STREAM)).recorded_bytes) == before


@pytest.mark.parametrize("lines_lost", [1, 4])
async def test_fragments_behind_the_last_line_of_a_log_are_kept(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], lines_lost: int
) -> None:
    data, began, _ = recorded
    log = data / "media" / STREAM / began.recording_id / LOG_FILE
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-lines_lost]) + lines[-lines_lost][:15])  # killed in the middle of a line
    async with Engine(config(data)) as engine:
        assert await seconds(engine) == pytest.approx(20.0, abs=0.2)
        found, whole = decode(log.read_bytes())
        assert whole == log.stat().st_size
        assert found[-1].kind == "closed"
        await engine.projection.scan()
        assert await seconds(engine) == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize("lines_lost", [1, 2, 4])
@pytest.mark.parametrize("left", ["nothing", "zeros", "zeros and the last line"])
async def test_lines_that_a_power_cut_takes_after_they_were_applied_cost_no_footage(
    known: Path, lines_lost: int, left: str
) -> None:
    (log,) = known.glob(f"media/{STREAM}/*/{LOG_FILE}")
    lines = log.read_bytes().splitlines(keepends=True)[:-1]  # the recorder had not ended
    rest = b"".join(lines[:-lines_lost])
    zeros = bytes(len(b"".join(lines)) - len(rest) - len(lines[-1]))
    log.write_bytes(rest + {"nothing": b"", "zeros": zeros, "zeros and the last line": zeros + lines[-1]}[left])
    with closing(sqlite3.connect(known / "rtstream.db")) as db, db:
        # The power was cut while it was recorded.
        db.execute("UPDATE recordings SET closed = 0, log_position = ?", [len(b"".join(lines))])
    async with Engine(config(known)) as engine:
        found = await rows_of(engine)
        assert all(round(a[0] + a[1], 3) == round(b[0], 3) for a, b in pairwise(found))
        assert await seconds(engine) == pytest.approx(20.0, abs=0.2)
        (file,) = known.glob(f"media/{STREAM}/*/*.m4s")
        assert found[-1][3] + found[-1][4] == file.stat().st_size
        assert (await engine.streams.get(STREAM)).recorded_bytes == sum(row[4] for row in found)


async def test_a_file_cut_short_costs_only_what_is_missing(known: Path) -> None:
    (file,) = known.glob(f"media/{STREAM}/*/*.m4s")
    async with Engine(config(known)) as engine:
        rows = await rows_of(engine)
    with file.open("r+b") as cut:
        cut.truncate(rows[3][3] + 10)
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == rows[:3]
        stream = await engine.streams.get(STREAM)
        assert stream.recorded == [(rows[0][0], rows[2][0] + rows[2][1])]
        assert stream.recorded_bytes == sum(row[4] for row in rows[:3])
    assert file.exists()


async def test_footage_is_found_again_when_the_database_is_gone(
    known: Path, recorded: tuple[Path, RecordingStarted, list[SegmentClosed]]
) -> None:
    for path in known.glob("rtstream.db*"):
        path.unlink()
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == rows_written(recorded[2])


async def test_a_missing_log_is_rebuilt_from_the_files(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]],
) -> None:
    data, began, segments = recorded
    (data / "media" / STREAM / began.recording_id / LOG_FILE).unlink()
    async with Engine(config(data)) as engine:
        assert await seconds(engine) == pytest.approx(20.0, abs=0.2)
        rows = await rows_of(engine)
        assert rows[0][0] == pytest.approx(segments[0].start, abs=0.2)
        assert sum(row[4] for row in rows) == sum(segment.length for segment in segments)
    assert opened_line(data, began.recording_id).init == began.payload  # without the edit list of a file


async def test_a_lost_log_of_a_known_recording_is_written_again_from_its_rows(known: Path) -> None:
    (log,) = known.glob(f"media/{STREAM}/*/{LOG_FILE}")
    async with Engine(config(known)) as engine:
        before = await rows_of(engine)
        kept = (await engine.streams.get(STREAM)).recorded_bytes
    log.unlink()
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == before
        assert (await engine.streams.get(STREAM)).recorded_bytes == kept
        assert await engine.db.read(recording_logs.positions, STREAM) == {log.parent.name: (log.stat().st_size, True)}
    for path in known.glob("rtstream.db*"):
        path.unlink()
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == before


@pytest.mark.parametrize("closed", [True, False])
async def test_a_recording_of_which_nothing_is_left_is_forgotten(known: Path, closed: bool) -> None:
    (log,) = known.glob(f"media/{STREAM}/*/{LOG_FILE}")
    shutil.rmtree(log.parent)
    with closing(sqlite3.connect(known / "rtstream.db")) as db, db:
        db.execute("UPDATE recordings SET closed = ?", [closed])
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == []
        assert await engine.db.read(recording_logs.positions, STREAM) == {}
        assert (await engine.streams.get(STREAM)).recorded_bytes == 0


@pytest.mark.parametrize(
    ("boot", "codecs", "left"),
    [("another", "avc1.640028", 2), ("same", "avc1.640028", 5), ("another", "mp4v.61", 5), ("", "avc1.640028", 2)],
    ids=["a reboot", "no reboot", "a codec with zeros", "a system without an id"],
)
async def test_pages_that_never_reached_the_disk_are_no_media_after_a_reboot(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]],
    monkeypatch: pytest.MonkeyPatch,
    boot: str,
    codecs: str,
    left: int,
) -> None:
    data, _, segments = recorded
    monkeypatch.setattr(disk, "boot_id", lambda: "same")
    async with Engine(config(data)) as engine:
        await engine.db.write(lambda conn: conn.execute(recordings.update().values(codecs=codecs)))
    (file,) = data.glob(f"media/{STREAM}/*/*.m4s")
    page = -(-segments[2].offset // PAGE) * PAGE
    with file.open("r+b") as damaged:
        damaged.seek(page)
        damaged.write(bytes(PAGE))
    monkeypatch.setattr(disk, "boot_id", lambda: boot)
    for _ in range(2):
        async with Engine(config(data)) as engine:
            assert len(await rows_of(engine)) == left
    assert (file.stat().st_size == page) == (left == 2)


@pytest.mark.parametrize(("codecs", "left"), [("avc1.640028", 2), ("mp4v.61", 5)])
async def test_zeros_of_a_codec_are_kept_when_the_database_is_gone_as_well(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], codecs: str, left: int
) -> None:
    data, _, segments = recorded
    (file,) = data.glob(f"media/{STREAM}/*/*.m4s")
    log = file.with_name(LOG_FILE)
    lines, _ = decode(log.read_bytes())
    log.write_bytes(
        b"".join(encode(replace(one, codecs=codecs) if isinstance(one, RecordingOpened) else one) for one in lines)
    )
    with file.open("r+b") as damaged:
        damaged.seek(-(-segments[2].offset // PAGE) * PAGE)
        damaged.write(bytes(PAGE))
    async with Engine(config(data)) as engine:
        assert len(await rows_of(engine)) == left


async def test_a_recording_that_cannot_be_read_keeps_no_other_from_the_database(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, recording, segments = recorded
    folder = data / "media" / STREAM
    for name in ("2000-damaged", "2099-damaged"):
        (folder / name).mkdir()
        (folder / name / LOG_FILE).write_bytes(b"not read")
    read = FolderStorage.read

    async def failing(self: FolderStorage, key: str, offset: int = 0, length: int = -1) -> bytes:
        if "damaged" in key:
            raise OSError(errno.EIO, "Input/output error")
        return await read(self, key, offset, length)

    db = Database.below(data)
    try:
        await db.write(streams.ensure_default_collection, 1.0)
        projection = RecordingProjection(db, FolderStorage.create(data / "media"))
        with monkeypatch.context() as broken:
            broken.setattr(FolderStorage, "read", failing)
            with pytest.raises(OSError, match="Input/output"):
                await projection.scan()
        assert await db.read(recording_logs.positions, STREAM) == {recording.recording_id: (ANY, True)}
        assert len(await db.read(recording_rows.oldest_segments, STREAM, 1000)) == len(segments)
    finally:
        await db.aclose()


async def fail(*_: Any) -> None:
    raise RuntimeError("crash")


@pytest.mark.parametrize("crash", ["before the rows", "before the files", "never"])
async def test_removed_footage_never_comes_back(
    known: Path, recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], crash: str, tmp_path: Path
) -> None:
    (file,) = known.glob(f"media/{STREAM}/*/*.m4s")
    yesterday = tmp_path / "yesterday.db"
    with closing(sqlite3.connect(known / "rtstream.db")) as source, closing(sqlite3.connect(yesterday)) as backup:
        source.backup(backup)
        backup.execute("PRAGMA journal_mode=DELETE")

    async with Engine(config(known)) as engine:
        removing = engine.projection.remove(STREAM, [recorded[2][0].path])
        if crash == "never":
            await removing
        else:
            crashed = engine.db if crash == "before the rows" else engine.projection._media
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(crashed, "write" if crash == "before the rows" else "delete", fail)
                with pytest.raises(RuntimeError, match="crash"):
                    await removing
    if crash == "never":
        for path in known.glob("rtstream.db*"):
            path.unlink()
        shutil.copy(yesterday, known / "rtstream.db")
    else:
        assert file.exists()
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == []
        assert not file.exists()
        await engine.projection.scan()
        assert await rows_of(engine) == []


async def test_a_deleted_stream_never_comes_back(known: Path) -> None:
    async with Engine(config(known)) as engine:
        await engine.delete_stream(STREAM)
        assert (await engine.projection.scan()).streams == 0
        assert list((known / "media").iterdir()) == []


async def test_a_crash_while_a_stream_is_deleted_does_not_bring_its_footage_back(known: Path) -> None:
    (known / "media" / STREAM).rename(known / "media" / f"{STREAM}.deleted")
    async with Engine(config(known)) as engine:
        assert await rows_of(engine) == []
        await engine.delete_stream(STREAM)
    assert list((known / "media").iterdir()) == []


async def test_what_is_recorded_while_the_database_is_away_is_entered_afterwards(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, began, segments = recorded
    hidden = data / "later"
    (data / "media" / STREAM).rename(hidden)
    reasons: list[str] = []
    caught_up = anyio.Event()
    async with Engine(config(data)) as engine, anyio.create_task_group() as tasks:
        (hidden).rename(data / "media" / STREAM)
        await engine.db.write(recording_logs.add_found_stream, STREAM, opened_line(data, began.recording_id))
        failures = iter([True, True, False])

        class Flaky:
            """The engine's database, whose first writes fail."""

            read = engine.db.read

            async def write(self, *args: Any) -> Any:
                if next(failures, False):
                    raise DatabaseUnavailable("The database is locked.")
                return await engine.db.write(*args)

        async def on_failure(reason: str) -> None:
            reasons.append(reason)
            caught_up.set()

        monkeypatch.setattr("rtstream.engine.recordings.projection.RETRY_MAX_S", 0.01)
        projection = RecordingProjection(cast(Database, Flaky()), FolderStorage(data / "media"), on_failure)
        tasks.start_soon(projection.run)
        projection.cue(STREAM, began.recording_id)
        with anyio.fail_after(10):
            await caught_up.wait()
        tasks.cancel_scope.cancel()
        assert await rows_of(engine) == rows_written(segments)
    assert reasons == [""]  # the files did not fail


async def test_footage_is_behind_until_its_log_is_entered_unless_files_cannot_be_read(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, began, _ = recorded
    failed, works = anyio.Event(), anyio.Event()
    read_from = FolderStorage.read_from

    async def failing(self: FolderStorage, offsets: dict[str, int], length: int) -> dict[str, bytes]:
        if not works.is_set():
            raise OSError(errno.EIO, "Input/output error")
        return await read_from(self, offsets, length)

    async def on_failure(reason: str) -> None:
        failed.set() if reason else entered.set()

    async with Engine(config(data)) as engine, anyio.create_task_group() as tasks:
        entered = anyio.Event()
        projection = RecordingProjection(engine.db, FolderStorage(data / "media"), on_failure)
        assert projection.behind(STREAM)  # it has not looked at the disk yet
        await projection.scan()
        assert not projection.behind(STREAM)
        projection.cue(STREAM, began.recording_id)
        assert projection.behind(STREAM)
        assert not projection.behind("rts-other")
        monkeypatch.setattr(FolderStorage, "read_from", failing)
        monkeypatch.setattr("rtstream.engine.recordings.projection.RETRY_MAX_S", 0.01)
        tasks.start_soon(projection.run)
        with anyio.fail_after(10):
            await failed.wait()
            assert not projection.behind(STREAM)
            works.set()
            await entered.wait()
        assert not projection.behind(STREAM)
        tasks.cancel_scope.cancel()


def opened_line(data: Path, recording_id: str) -> RecordingOpened:
    lines, _ = decode((data / "media" / STREAM / recording_id / LOG_FILE).read_bytes())
    assert isinstance(lines[0], RecordingOpened)
    return lines[0]


async def test_of_two_recordings_of_one_moment_the_later_one_is_played(
    recorded: tuple[Path, RecordingStarted, list[SegmentClosed]], pictures: Path
) -> None:
    """The clock was set back by ten seconds after the first recording; the database was lost later."""
    data, first, _ = recorded
    folder = data / "media" / STREAM
    sent = record(pictures, folder, segment_s=4.0, start=START + 10.0)
    second = recording_of(sent)
    start = second.started_at
    async with Engine(config(data)) as engine:
        used = await engine.db.read(recording_rows.segments_between, STREAM, start + 1.0, start + 20.0)
        assert {row.recording_id for row in used if row.start > start} == {second.recording_id}
        assert {row.recording_id for row in used} <= {first.recording_id, second.recording_id}
        covered = await engine.db.read(recording_rows.segments_between, STREAM, first.started_at, start + 20.0)
        assert sum(row.duration for row in covered) >= 29.9
        newest = await engine.db.read(recording_rows.last_segment, STREAM)
        assert newest is not None
        assert newest.recording_id == second.recording_id
        third = recording_of(record(pictures, folder, segment_s=4.0, start=START - 100.0))
        await engine.projection.scan()
        newest = await engine.db.read(recording_rows.last_segment, STREAM)
        assert newest is not None
        assert (newest.recording_id, newest.start < start) == (third.recording_id, True)
