"""A database that cannot be used is one sentence, and usable again as soon as the cause is gone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from rtstream.errors import DatabaseUnavailable
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio


def insert(conn: Connection) -> None:
    conn.execute(
        text("INSERT INTO collections (id, name, description, is_public, created_at) VALUES ('c', 'c', '', 0, 0)")
    )


def count(conn: Connection) -> int:
    return conn.execute(text("SELECT count(*) FROM collections")).scalar_one()


async def test_a_database_locked_by_another_program_is_unavailable_until_it_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.store.database.BUSY_S", 0.05)
    db = Database.below(tmp_path)
    with closing(sqlite3.connect(tmp_path / "rtstream.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked by another program") as refused:
            await db.write(insert)
        assert (refused.value.status, refused.value.retry_after_s > 0) == (503, True)
        assert await db.read(count) == 0
        other.execute("ROLLBACK")
    await db.write(insert)
    assert await db.read(count) == 1
    await db.aclose()


async def test_a_damaged_page_is_one_sentence_for_the_caller(tmp_path: Path) -> None:
    db = Database.below(tmp_path)
    await db.write(insert)
    await db.aclose()
    path = tmp_path / "rtstream.db"
    with closing(sqlite3.connect(path)) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'collections'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    db = Database.below(tmp_path)
    with pytest.raises(DatabaseUnavailable, match="damaged"):
        await db.read(lambda conn: conn.execute(text("SELECT name FROM collections")).all())
    await db.aclose()


async def test_a_fault_of_a_query_is_not_taken_for_a_failing_database(tmp_path: Path) -> None:
    db = Database.below(tmp_path)
    with pytest.raises(DBAPIError):
        await db.read(lambda conn: conn.execute(text("SELECT nothing FROM nowhere")))
    await db.aclose()


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
@pytest.mark.parametrize("other", ["nothing", "empty", "database"])
async def test_no_connection_opens_another_file_that_took_the_place_of_the_database(
    tmp_path: Path, other: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would create an empty database, or mix the rows of two. Connections are opened when they are needed."""
    Database.below(tmp_path / "other").close()
    db = Database.below(tmp_path)
    path = tmp_path / "rtstream.db"

    def replace() -> None:
        if other == "nothing":
            path.unlink()
        else:
            source = tmp_path / "other" / "rtstream.db"
            if other == "empty":
                source.write_bytes(b"")
            source.replace(path)

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        monkeypatch.undo()
        replace()
        return sqlite3.connect(*args, **options)

    db._engine.dispose()
    if moment == "before":
        replace()
    else:
        monkeypatch.setattr(db._engine.dialect, "connect", connect)
    with pytest.raises(DatabaseUnavailable, match=r"was (removed|replaced) while the engine ran.*db repair"):
        await db.read(count)
    with pytest.raises(DatabaseUnavailable):
        await db.write(insert)
    assert db.failure is not None
    assert db.failure.damaged
    if other == "nothing":
        assert not path.exists() or (moment == "meanwhile" and not path.stat().st_size)
    await db.aclose()


OTHER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
print(db.execute("SELECT count(*) FROM collections").fetchone()[0])
db.close()
"""


def seen_by_another_program(path: Path) -> int:
    """The number of collections that a program finds that opens the database and closes it again."""
    done = subprocess.run([sys.executable, "-c", OTHER, str(path)], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.parametrize("look", ["nothing", "examine", "check"])
async def test_a_program_that_opens_and_closes_the_database_removes_no_log(tmp_path: Path, look: str) -> None:
    """SQLite removes it with the last connection, and it knows of ours by a lock that must not be released."""
    db = Database.below(tmp_path)
    before = await db.read(count)
    if look == "examine":
        await db.examine()
    elif look == "check":
        db.checked = False
        await db.check(5.0)
    assert seen_by_another_program(tmp_path / "rtstream.db") == before
    assert (tmp_path / "rtstream.db-wal").exists()
    await db.write(insert)
    assert seen_by_another_program(tmp_path / "rtstream.db") == before + 1
    await db.aclose()
    assert seen_by_another_program(tmp_path / "rtstream.db") == before + 1
