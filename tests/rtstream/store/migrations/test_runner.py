"""Upgrades are safe: copied first, all or nothing, refused with one sentence, and done once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rtstream.errors import Conflict, RTStreamError, Unavailable
from rtstream.store import schema
from rtstream.store.database import Database
from tests.rtstream.store.migrations.databases import older, rows, schema_of
from tests.rtstream.store.test_schema import opened

OPEN = """
import sys
from pathlib import Path
from rtstream.store.database import Database
sys.stdin.readline()
Database.below(Path(sys.argv[1])).close()
print([name for name in ("alembic", "mako") if name in sys.modules])
"""

# Ends itself like kill -9 at the given statement, or when the copy gets its name.
KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from rtstream.store.database import Database
at, seen = sys.argv[2], 0

@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    global seen
    seen += 1
    if at.isdigit() and seen == int(at):
        os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(Engine, "commit")
def committing(conn):
    if at == "commit" and seen > 10:
        os.kill(os.getpid(), signal.SIGKILL)

def audit(name, arguments):
    if name == at and (at != "os.rename" or "part" in str(arguments[0])):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(audit)
Database.below(Path(sys.argv[1])).close()
print(seen)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def copies_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("rtstream.db.schema-*.bak"))


def test_an_upgrade_that_fails_changes_nothing_and_leaves_no_copy(tmp_path: Path) -> None:
    path = older("0006", tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE search_places_new(x)")  # in the way of a migration
    before = rows(path), schema_of(path)
    with pytest.raises(Unavailable, match=r"could not be opened or upgraded: .*already exists.*Nothing"):
        opened(tmp_path)
    assert (rows(path), schema_of(path)) == before
    assert copies_in(tmp_path) == []


@pytest.mark.parametrize("change", ["UPDATE alembic_version SET version_num = '9999'", "PRAGMA user_version = 9999"])
def test_a_newer_database_is_refused_in_one_sentence_and_stays_as_it_is(tmp_path: Path, change: str) -> None:
    path = opened(tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        if "user_version" in change:
            db.execute("DROP TABLE alembic_version")
        db.execute(change)
    before = schema_of(path)
    with pytest.raises(Conflict) as refused:
        Database.below(tmp_path)
    assert "9999" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert schema_of(path) == before
    assert copies_in(tmp_path) == []


def test_a_program_from_before_the_migrations_refuses_an_upgraded_database(tmp_path: Path) -> None:
    # Those programs compare user_version with 1, and know nothing else of a schema.
    with closing(sqlite3.connect(opened(tmp_path))) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] > 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello, this is a text", "is not a database"),
        (b"\x00" * 8192, "is not a database"),
        (os.urandom(4096), "is not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 4080, "is not a database"),
    ],
    ids=["text", "zeros", "noise", "only a header"],
)
def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "rtstream.db"
    path.write_bytes(content)
    with pytest.raises(Conflict, match=said) as refused:
        Database.below(tmp_path)
    assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_a_damaged_database_is_reported_with_what_to_do(tmp_path: Path) -> None:
    path = older("0005", tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode=DELETE")
    content = bytearray(path.read_bytes())
    content[200:4096] = b"\xa5" * 3896
    path.write_bytes(content)
    with pytest.raises(RTStreamError, match="damaged"):
        Database.below(tmp_path)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "rtstream.db")) as db, db:
        db.execute("CREATE TABLE customers(id)")
    with pytest.raises(Conflict, match="not one of rtstream-mcp"):
        Database.below(tmp_path)
    assert copies_in(tmp_path) == []


def test_a_folder_in_the_place_of_the_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "rtstream.db").mkdir()
    with pytest.raises(Unavailable, match="cannot be opened"):
        Database.below(tmp_path)


def test_a_data_folder_with_signs_of_an_address_in_its_name_is_upgraded(tmp_path: Path) -> None:
    folder = tmp_path / "a%20b?c=d#e"
    older("0004", folder)
    assert len(rows(opened(folder))["search_docs"]) > 1
    assert len(copies_in(folder)) == 1


def test_alembic_is_loaded_for_an_upgrade_only(tmp_path: Path) -> None:
    older("0002", tmp_path / "old")
    for folder, loaded in (("new", "[]"), ("new", "[]"), ("old", "['alembic', 'mako']"), ("old", "[]")):
        output, errors = start(OPEN, str(tmp_path / folder)).communicate("\n", timeout=60)
        assert output.strip() == loaded, errors


@pytest.mark.parametrize("revision", ["", "0001", "0008"])
def test_processes_that_start_at_the_same_time_create_or_upgrade_once(tmp_path: Path, revision: str) -> None:
    if revision:
        older(revision, tmp_path)
    processes = [start(OPEN, str(tmp_path)) for _ in range(5)]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len(copies_in(tmp_path)) == bool(revision)
    (tmp_path / "new").mkdir()
    assert schema_of(tmp_path / "rtstream.db") == schema_of(opened(tmp_path / "new"))


def statements(folder: Path) -> int:
    older("0001", folder)
    output, errors = start(KILLED, str(folder), "").communicate(timeout=60)
    assert output, errors
    return int(output)


@pytest.mark.parametrize("parts", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_state_and_the_next_start_succeeds(
    tmp_path: Path, parts: int
) -> None:
    number = statements(tmp_path / "whole")
    new = schema_of(tmp_path / "whole" / "rtstream.db")
    moments = ["os.rename", "commit", *(str(number * part // parts) for part in range(1, parts + 1))]
    for moment in moments:
        folder = tmp_path / moment
        path = older("0001", folder)
        old, content = schema_of(path), rows(path)
        process = start(KILLED, str(folder), moment)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, (moment, errors)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if (found := schema_of(path)) != new:
            assert (found, rows(path)) == (old, content), moment
        opened(folder)
        assert schema_of(path) == new, moment
        assert rows(path)["journal"] == content["journal"]
        assert list(folder.glob("*.part*")) == []
        assert len(copies_in(folder)) == 1
        with closing(sqlite3.connect(copies_in(folder)[0])) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_start_on_the_newest_schema_reads_two_statements(tmp_path: Path) -> None:
    opened(tmp_path)
    process = start(KILLED, str(tmp_path), "")
    output, errors = process.communicate(timeout=60)
    assert output, errors
    assert int(output) <= 3  # BEGIN, the tables, the revision
    assert schema.head() == schema.revisions()[-1]
