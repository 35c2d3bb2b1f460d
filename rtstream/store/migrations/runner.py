"""Runs the migrations on an older database, inside the transaction of the caller."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from rtstream.errors import RTStreamError
from rtstream.store import schema, search_tables
from rtstream.store.migrations import copies, history
from rtstream.store.tables import metadata

log = logging.getLogger(__name__)
logging.getLogger("alembic").setLevel(logging.WARNING)  # ``upgrade`` logs it once, with the path of the copy


def config(conn: Connection) -> Config:
    """Configure Alembic without an ini file, on an open connection."""
    settings = Config()
    # Alembic expands % in its options.
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.attributes["connection"] = conn
    return settings


def upgrade(conn: Connection, path: Path, found: str) -> None:
    """Copy the database, then bring it to the newest revision.

    Args:
        conn: A connection from ``schema.exclusive``. Others see nothing until its transaction commits.
        path: The database file.
        found: Its revision, or ``schema.UNSTAMPED``.

    Raises:
        Conflict: The database was not written by this program.
        Unavailable: There is no room for the copy.
        sqlalchemy.exc.DBAPIError: The database refused a change. Rolling back restores the old state.
    """
    start = history.baseline(conn) if found == schema.UNSTAMPED else found
    copied = copies.copy(path, start)
    log.info("Upgrading the database from schema %s to %s. A copy is at %s", start, schema.head(), copied)
    try:
        numbers = _numbers(conn)
        if found == schema.UNSTAMPED:
            schema.stamp(conn, start)
        to_head(conn)
        _restore_numbers(conn, numbers)
        _check(conn)
    except BaseException:
        copied.unlink(missing_ok=True)  # nothing will have changed
        raise
    copies.trim(path)


def to_head(conn: Connection) -> None:
    """Apply all missing migrations, and recreate the triggers that they drop."""
    command.upgrade(config(conn), "head")
    # Triggers are dropped with the old table when a migration replaces it.
    search_tables.create(conn)
    schema.stamp(conn, schema.head())


def _numbers(conn: Connection) -> dict[str, int]:
    """Return the last row number of each table that never reuses a number."""
    if not conn.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").first():
        return {}
    return {name: seq for name, seq in conn.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")}


def _restore_numbers(conn: Connection, numbers: dict[str, int]) -> None:
    """Restore the last row numbers. A replaced table would reuse numbers that clients have already seen."""
    now = _numbers(conn)
    for name, seq in numbers.items():
        if name in now:
            conn.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (seq, name))
        elif conn.exec_driver_sql(
            "SELECT 1 FROM sqlite_master WHERE name = ? AND sql LIKE '%AUTOINCREMENT%'", (name,)
        ).first():
            conn.exec_driver_sql("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", (name, seq))


def _check(conn: Connection) -> None:
    """Raise RTStreamError if a table or a column is missing, so that the transaction is rolled back."""
    names = history.present(conn)
    wanted = {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns}
    missing = sorted(wanted - names)
    if missing:
        raise RTStreamError(
            f"The database could not be upgraded: {', '.join(missing[:5])} would be missing. Nothing was changed. "
            "Use another data folder, and report this with the first line of the log."
        )
