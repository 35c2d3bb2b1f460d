"""The tables, the migrations and every upgraded database agree."""

from __future__ import annotations

import ast
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from rtstream.store import schema
from rtstream.store.database import Database
from rtstream.store.migrations import runner
from rtstream.store.tables import metadata
from tests.rtstream.store.migrations.databases import OLDER, UNRECORDED, older, opened_by, rows, schema_of

NO_WORDS = {"include_name": lambda name, kind, _: kind != "table" or not name.startswith("search_words")}


def opened(folder: Path) -> Path:
    """Open and close the database of a folder, as the engine does when it starts."""
    database = Database.below(folder)
    database.close()
    return folder / "rtstream.db"


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, created directly."""
    return opened(tmp_path_factory.mktemp("created"))


def test_the_migrations_build_the_same_schema_that_a_new_database_gets(tmp_path: Path, created: Path) -> None:
    path = tmp_path / "rtstream.db"
    with schema.exclusive(path) as conn:
        runner.to_head(conn)
    assert schema_of(path) == schema_of(created)
    with create_engine(f"sqlite:///{path}").connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True, **NO_WORDS}
        )
        assert compare_metadata(context, metadata) == []
    conn.engine.dispose()


@pytest.mark.parametrize("revision", OLDER)
def test_an_older_database_gets_the_newest_schema_and_keeps_its_rows(
    tmp_path: Path, created: Path, revision: str
) -> None:
    before = rows(older(revision, tmp_path))
    path = opened(tmp_path)
    assert schema_of(path) == schema_of(created)
    after = rows(path)
    before.pop("search_removed" if revision in ("0004", "0005") else "", None)
    for pin in before.get("pins", []) if revision < "0012" else []:
        pin["owner_id"] = pin.pop("alert_id").removeprefix("export:")  # since 0012
    for table, expected in before.items():
        found = after[table]
        assert len(found) >= len(expected), table
        for old, new in zip(expected, found, strict=False):
            assert {name: value for name, value in old.items() if value is not None}.items() <= new.items(), table
    assert len(after["recordings"]) == after["recordings"][0]["closed"] == 1
    assert after["recordings"][0]["ended_at"] == pytest.approx(1795754807.2466304)


@pytest.mark.parametrize("revision", UNRECORDED[:-1])
def test_a_database_that_a_newer_program_extended_without_migrations_gets_the_newest_schema(
    tmp_path: Path, created: Path, revision: str
) -> None:
    path = older(revision, tmp_path)
    opened_by("0008", path)
    assert schema_of(opened(tmp_path)) == schema_of(created)


@pytest.mark.parametrize("revision", OLDER)
def test_numbers_given_before_an_upgrade_are_not_given_again(tmp_path: Path, revision: str) -> None:
    path = older(revision, tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE sqlite_sequence SET seq = seq + 1000")
        before = dict(db.execute("SELECT name, seq FROM sqlite_sequence"))
    assert "journal" in before
    with closing(sqlite3.connect(opened(tmp_path))) as db:
        assert dict(db.execute("SELECT name, seq FROM sqlite_sequence")).items() >= before.items()


def test_each_migration_follows_the_one_before_and_has_the_number_of_its_file() -> None:
    previous = None
    for path in sorted(schema.VERSIONS.glob("[0-9]*.py")):
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and "revision" in node.targets[0].id
        }
        assert values == {"revision": path.name[:4], "down_revision": previous}, path.name
        previous = path.name[:4]
    assert previous == schema.head()


def test_each_migration_has_a_database_of_the_schema_before_it() -> None:
    assert list(schema.revisions()[:-1]) == [revision for revision in OLDER if revision < schema.head()]
