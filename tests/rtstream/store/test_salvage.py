"""A damaged database is rebuilt from its readable rows; a backup fills only what cannot be read."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rtstream.store.integrity import quick_check
from rtstream.store.salvage import rebuild
from tests.rtstream.store.damaged import SENTENCES, filled, names_of, overwrite, pages_of, sentences_of


def test_every_row_outside_the_damaged_pages_is_kept(tmp_path: Path) -> None:
    path, new = filled(tmp_path), tmp_path / "new.db"
    pages = pages_of(path, "transcript_segments")
    for page in (pages[10], pages[40], pages[41], pages[80]):
        overwrite(path, page)
    report = rebuild(path, None, new)
    left = sentences_of(new)
    assert SENTENCES - 4 * 40 <= len(left) < SENTENCES
    assert names_of(new) == ["Door", "Yard"]
    assert report.incomplete == ["transcript_segments"]
    assert quick_check(new, 60) == ""


def test_a_backup_fills_the_rows_that_cannot_be_read_and_brings_no_deleted_stream_back(tmp_path: Path) -> None:
    path, new, backup = filled(tmp_path), tmp_path / "new.db", tmp_path / "backup.db"
    shutil.copyfile(path, backup)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM streams WHERE name = 'Yard'")
        db.commit()
    overwrite(path, pages_of(path, "transcript_segments")[10])
    report = rebuild(path, backup, new)
    assert sentences_of(new) == list(range(SENTENCES))
    assert names_of(new) == ["Door"]
    assert 0 < report.from_backup <= 80


@pytest.mark.parametrize("damage", ["magic", "header", "garbage", "empty", "missing"])
def test_a_file_that_is_no_database_is_replaced_by_the_backup(tmp_path: Path, damage: str) -> None:
    path, new, backup = filled(tmp_path), tmp_path / "new.db", tmp_path / "backup.db"
    shutil.copyfile(path, backup)
    match damage:
        case "magic":
            with path.open("r+b") as file:
                file.write(os.urandom(16))
        case "header":
            with path.open("r+b") as file:
                file.write(os.urandom(4096))
        case "garbage":
            path.write_bytes(os.urandom(100_000))
        case "empty":
            path.write_bytes(b"")
        case _:
            path.unlink()
    report = rebuild(path, backup, new)
    assert sentences_of(new) == list(range(SENTENCES))
    assert names_of(new) == ["Door", "Yard"]
    assert bool(report.incomplete) == (damage != "magic")


def test_without_a_backup_an_unreadable_database_becomes_an_empty_one(tmp_path: Path) -> None:
    path, new = filled(tmp_path), tmp_path / "new.db"
    path.write_bytes(os.urandom(100_000))
    rebuild(path, None, new)
    assert names_of(new) == []
    assert quick_check(new, 60) == ""


def test_numbers_of_the_journal_are_not_used_again(tmp_path: Path) -> None:
    path, new = filled(tmp_path, 10), tmp_path / "new.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('journal', 4711)")
        db.commit()
    rebuild(path, None, new)
    with closing(sqlite3.connect(new)) as db:
        assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone() == (4711,)
