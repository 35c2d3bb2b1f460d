"""``rtstream-mcp db``: a backup, a check and a repair, each with one sentence for what does not work."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from rtstream.store import backups
from rtstream.store.database import MARKER
from rtstream.store.integrity import quick_check
from server.__main__ import main
from server.engine_file import ENGINE_LOCK
from tests.rtstream.recorder.test_writer import picture_file, record, segments_of
from tests.rtstream.store.damaged import filled, names_of, overwrite, pages_of, sentences_of

STREAM = "rts-0123456789abcdef"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_file(tmp_path_factory.mktemp("source") / "eight.mkv", [n * 100 for n in range(80)], 10)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return status, shown.out, shown.err


def segments(data: Path) -> int:
    with closing(sqlite3.connect(data / "rtstream.db")) as db:
        return db.execute("SELECT count(*) FROM segments").fetchone()[0]


def test_a_backup_is_written_where_asked_and_never_over_another_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path)
    target = tmp_path / "elsewhere" / "copy.db"
    status, out, _ = run(capsys, "db", "backup", "--data-dir", str(tmp_path), "--to", str(target))
    assert (status, out.split(" (")[0]) == (0, str(target))
    assert names_of(target) == ["Door", "Yard"]
    status, _, err = run(capsys, "db", "backup", "--data-dir", str(tmp_path), "--to", str(target))
    assert (status, "exists already" in err) == (2, True)
    assert run(capsys, "db", "backup", "--data-dir", str(tmp_path))[0] == 0
    assert len(backups.stored(tmp_path)) == 1


def test_a_check_names_the_damage_and_the_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled(tmp_path)
    assert run(capsys, "db", "check", "--data-dir", str(tmp_path))[:2] == (0, f"{path} is whole.\n")
    overwrite(path, pages_of(path, "transcript_segments")[20])
    status, out, _ = run(capsys, "db", "check", "--data-dir", str(tmp_path))
    assert (status, "db repair" in out) == (1, True)


@pytest.mark.parametrize("damage", ["page", "header", "not a database", "missing"])
def test_a_repair_restores_rows_and_recordings_and_keeps_the_damaged_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pictures: Path, damage: str
) -> None:
    path = filled(tmp_path)
    backups.backup(path)
    folder = tmp_path / "media" / STREAM
    folder.mkdir(parents=True)
    recorded = len(segments_of(record(pictures, folder, segment_s=2.0)))
    match damage:
        case "page":
            overwrite(path, pages_of(path, "transcript_segments")[20])
        case "header":
            overwrite(path, 1)
        case "not a database":
            path.write_bytes(os.urandom(50_000))
        case _:
            path.unlink()
    (tmp_path / MARKER).touch()
    status, out, err = run(capsys, "db", "repair", "--data-dir", str(tmp_path))
    assert (status, err) == (0, "")
    assert f"{recorded} segments were entered" in out
    assert quick_check(path, 60) == ""
    assert len(sentences_of(path)) == 4000
    assert segments(tmp_path) == recorded
    assert not (tmp_path / MARKER).exists()
    (aside,) = tmp_path.glob("damaged-*")
    assert bool(list(aside.iterdir())) == (damage != "missing")
    before = out
    status, out, _ = run(capsys, "db", "repair", "--data-dir", str(tmp_path))
    assert (status, "nothing to repair" in out, before != out) == (0, True, True)


def test_a_repair_enters_recordings_again_whose_rows_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pictures: Path
) -> None:
    folder = tmp_path / "media" / STREAM
    folder.mkdir(parents=True)
    recorded = len(segments_of(record(pictures, folder, segment_s=2.0)))
    path = filled(tmp_path)
    assert run(capsys, "recordings", "scan", "--data-dir", str(tmp_path))[0] == 0
    assert segments(tmp_path) == recorded
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'segments'").fetchone()[0]
    overwrite(path, page)
    status, out, _ = run(capsys, "db", "repair", "--data-dir", str(tmp_path))
    assert (status, "segments" in out) == (0, True)
    assert segments(tmp_path) == recorded
    with closing(sqlite3.connect(path)) as db:
        total, used = db.execute(
            "SELECT (SELECT sum(length) FROM segments), recorded_bytes FROM streams WHERE id = ?", (STREAM,)
        ).fetchone()
    assert total == used


@pytest.mark.parametrize("arguments", [("db", "repair"), ("recordings", "scan")])
def test_nothing_is_changed_while_an_engine_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    path = filled(tmp_path)
    (tmp_path / "media").mkdir()
    overwrite(path, 1)
    before = path.read_bytes()
    with FileLock(tmp_path / ENGINE_LOCK):
        status, _, err = run(capsys, *arguments, "--data-dir", str(tmp_path))
    assert (status, "An engine runs" in err) == (2, True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("arguments", [("db", "check"), ("db", "backup"), ("db", "repair"), ("recordings", "list")])
def test_a_missing_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    status, out, err = run(capsys, *arguments, "--data-dir", str(tmp_path / "nowhere"))
    assert (status, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("damage", ["header", "page", "not a database"])
def test_an_engine_on_a_damaged_database_ends_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = filled(tmp_path)
    (tmp_path / MARKER).touch()
    match damage:
        case "header":
            overwrite(path, 1)
        case "page":
            overwrite(path, pages_of(path, "transcript_segments")[20])
        case _:
            path.write_bytes(b"hello, this is a text" * 100)
    status, out, err = run(capsys, "serve", "--data-dir", str(tmp_path), "--port", "0")
    assert (status, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("rtstream-mcp: ")]
    assert "rtstream-mcp db repair" in line
