"""Backups are whole, private, made beside writers, and bounded in number."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from rtstream.errors import Unavailable
from rtstream.store import backups
from rtstream.store.integrity import quick_check
from tests.rtstream.store.damaged import filled, overwrite, pages_of, sentences_of


def test_a_backup_is_one_state_of_a_database_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "STEP_PAGES", 4)
    path = filled(tmp_path)
    done = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            at = 10_000
            while not done.is_set():
                at += 2
                db.execute("BEGIN IMMEDIATE")
                for number in (at, at + 1):  # always in pairs
                    db.execute(
                        'INSERT INTO transcript_segments (stream_id, engine, start, "end", text, kind, detail, '
                        "created_at) VALUES ('rts-door', 'local', ?, 0, '', 'speech', '{}', 0)",
                        (number,),
                    )
                db.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copied = backups.backup(path, pause_s=0.001)
    finally:
        done.set()
        writer.join()
    assert quick_check(copied, 60) == ""
    assert len([at for at in sentences_of(copied) if at >= 10_000]) % 2 == 0
    assert len(sentences_of(copied)) >= 4000
    assert copied.stat().st_mode & 0o777 == 0o600
    assert copied.parent.stat().st_mode & 0o777 == 0o700
    assert [found.name for found in copied.parent.iterdir()] == [copied.name]


def test_no_backup_is_stored_of_a_damaged_database_or_without_room(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with pytest.raises(Unavailable, match="no room"):
        backups.backup(path, room=1 << 60)
    overwrite(path, pages_of(path, "transcript_segments")[20])
    with pytest.raises(Unavailable, match="damaged"):
        backups.backup(path)
    assert backups.stored(tmp_path) == []


def stamped(data: Path, *ages_h: float) -> None:
    folder = data / backups.FOLDER
    folder.mkdir()
    for age in ages_h:
        at = time.time() - age * 3600
        path = folder / time.strftime(backups.FORMAT, time.gmtime(at))
        path.write_bytes(b"x" * 100)
        os.utime(path, (at, at))


def test_a_backup_is_due_after_a_day(tmp_path: Path) -> None:
    assert backups.due(tmp_path, time.time())
    stamped(tmp_path, 50, 23)
    assert not backups.due(tmp_path, time.time())
    assert backups.due(tmp_path, time.time() + 2 * 3600)
    assert backups.due(tmp_path, time.time() - 48 * 3600)  # the clock was wrong


@pytest.mark.parametrize(("keep", "deleted_h", "left"), [(3, 999, 3), (1, 999, 1), (3, 30, 2), (3, 1, 1), (9, 999, 4)])
def test_old_backups_and_those_with_deleted_content_are_removed(
    tmp_path: Path, keep: int, deleted_h: float, left: int
) -> None:
    stamped(tmp_path, 72, 48, 24, 0)
    upgraded = tmp_path / "rtstream.db.schema-0001-20260101T000000Z.bak"
    upgraded.write_bytes(b"x")
    at = time.time() - 40 * 3600
    os.utime(upgraded, (at, at))
    assert backups.total_bytes(tmp_path) == 401
    backups.trim(tmp_path, keep, time.time() - deleted_h * 3600)
    assert len(backups.stored(tmp_path)) == left
    assert upgraded.exists() == (deleted_h == 999)
