"""The schema of a database without a recorded revision is recognised by its tables and columns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from rtstream.errors import Conflict
from rtstream.store.migrations.history import baseline, present
from tests.rtstream.store.conftest import in_memory


@pytest.fixture
def conn() -> Iterator[Connection]:
    with in_memory() as conn:
        for table in ("streams", "recordings", "segments", "journal", "alerts", "deliveries"):
            conn.exec_driver_sql(f"CREATE TABLE {table} (id)")
        yield conn


def grow(conn: Connection, *columns: str) -> None:
    for name in columns:
        table, _, column = name.partition(".")
        conn.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column}")


def test_tables_indexes_and_columns_are_named(conn: Connection) -> None:
    conn.exec_driver_sql("CREATE INDEX by_id ON streams (id)")
    assert {"streams", "streams.id", "by_id"} <= present(conn)


def test_a_revision_counts_only_when_all_of_it_and_of_those_before_is_there(conn: Connection) -> None:
    assert baseline(conn) == "0001"
    conn.exec_driver_sql("CREATE TABLE pins (id)")
    grow(conn, "streams.retention", "streams.recorded_bytes")  # all of 0003, and nothing of 0002
    assert baseline(conn) == "0001"
    grow(conn, "recordings.closed", "alerts.judged_scene")
    assert baseline(conn) == "0001"
    grow(conn, "deliveries.url")
    assert baseline(conn) == "0003"


def test_the_database_of_another_program_or_of_a_newer_version_is_refused(conn: Connection) -> None:
    conn.exec_driver_sql("PRAGMA user_version = 2")
    with pytest.raises(Conflict, match="version 2"):
        baseline(conn)
    conn.exec_driver_sql("DROP TABLE journal")
    with pytest.raises(Conflict, match="not one of rtstream-mcp"):
        baseline(conn)
