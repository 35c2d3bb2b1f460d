"""Before an upgrade, a copy of the database is placed beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from rtstream.errors import Unavailable
from rtstream.store.migrations import copies
from tests.rtstream.store.migrations.databases import older, rows, schema_of
from tests.rtstream.store.migrations.test_runner import copies_in
from tests.rtstream.store.test_schema import opened


def test_a_copy_of_the_old_state_lies_beside_an_upgraded_database(tmp_path: Path) -> None:
    path = older("0006", tmp_path)
    with closing(sqlite3.connect(path)) as holding:  # keeps the newest row in the write-ahead log
        holding.execute("PRAGMA wal_autocheckpoint=0")
        with holding:
            holding.execute("INSERT INTO events VALUES ('event-1', 'A parcel', 'parcel', NULL, 1.0)")
        before = rows(path)
        opened(tmp_path)
    (copied,) = copies_in(tmp_path)
    assert copied.name.startswith("rtstream.db.schema-0006-2")
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    assert rows(copied) == before
    assert [file.name for file in tmp_path.glob("*.part*")] == []


def test_a_copy_is_a_database_that_can_be_put_back_and_upgraded(tmp_path: Path) -> None:
    older("0003", tmp_path)
    upgraded = schema_of(opened(tmp_path))
    (copied,) = copies_in(tmp_path)
    (tmp_path / "again").mkdir()
    shutil.copy(copied, tmp_path / "again" / "rtstream.db")
    assert schema_of(opened(tmp_path / "again")) == upgraded


def test_few_copies_are_stored_and_the_newest_of_each_schema_stays(tmp_path: Path) -> None:
    path = tmp_path / "rtstream.db"
    for revision, day in (("0001", 1), ("0002", 2), ("0003", 3), ("0002", 4), ("0004", 5)):
        (tmp_path / f"{path.name}.schema-{revision}-2026010{day}T000000Z.bak").touch()
    copies.trim(path)
    assert [file.name[19:32] for file in copies_in(tmp_path)] == ["0002-20260104", "0003-20260103", "0004-20260105"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_without_room_for_the_copy_is_reported_and_nothing_changes(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine does not allow mounting")
    try:
        path = older("0006", folder)
        before = schema_of(path)
        with pytest.raises(Unavailable, match=r"no room for a copy of it: .* MB are needed and .* MB are free"):
            opened(folder)
        assert schema_of(path) == before
        assert {file.name for file in folder.iterdir()} == {"rtstream.db", "media"}
    finally:
        subprocess.run(["umount", str(folder)], check=True)
