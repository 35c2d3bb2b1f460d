"""Upgrades the database file to the newest schema before the engine uses it.

Every start runs one cheap query. Alembic is imported only when an older database has to be upgraded.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from rtstream.errors import Conflict, RTStreamError, Unavailable
from rtstream.store import search_tables
from rtstream.store.tables import metadata

VERSIONS = Path(__file__).parent / "migrations" / "versions"
WAIT_S = 300.0
"""Longest wait for another process that is creating or upgrading the same database."""
BUSY_S = 10.0
"""Longest wait for a lock inside SQLite before the deadline above is checked."""

_VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""

EMPTY = ""
"""Revision of a database without any table."""
UNSTAMPED = "unstamped"
"""Revision of a database written before revisions were recorded in it."""


@cache
def revisions() -> tuple[str, ...]:
    """The known revisions, oldest first: the first four characters of the files in ``migrations/versions``."""
    return tuple(sorted(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py")))


def head() -> str:
    """The newest revision, which ``tables`` and ``search_tables`` describe."""
    return revisions()[-1]


def revision_of(conn: Connection) -> str:
    """Read the revision recorded in a database: ``EMPTY`` without tables, ``UNSTAMPED`` without a record."""
    tables = set(conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    if not tables - {"sqlite_sequence"}:
        return EMPTY
    if "alembic_version" not in tables:
        return UNSTAMPED
    found = list(conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
    return found[0] if len(found) == 1 else UNSTAMPED


def stamp(conn: Connection, revision: str) -> None:
    """Record the revision of a database.

    ``user_version`` is also raised. Programs from before the migrations check only that number, and then refuse the
    database at start instead of failing later.
    """
    conn.exec_driver_sql(_VERSION_TABLE)
    conn.exec_driver_sql("DELETE FROM alembic_version")
    conn.exec_driver_sql("INSERT INTO alembic_version(version_num) VALUES (?)", (revision,))
    conn.exec_driver_sql(f"PRAGMA user_version={int(revision):d}")


def prepare(engine: Engine) -> None:
    """Create the tables of a new database, or upgrade an older one after copying it.

    Several processes may start at the same time. One does the work, and the others wait for it.

    Args:
        engine: An engine for the database. Nothing else may use it yet.

    Raises:
        Conflict: The database belongs to a newer version or to another program, or it is not a database.
        Unavailable: The copy or the upgrade failed, for example because the disk is full.
    """
    if engine.dialect.name != "sqlite":
        metadata.create_all(engine)
        return
    path = Path(engine.url.database or "")
    try:
        _prepare(engine, path)
    except (DBAPIError, sqlite3.Error, OSError) as exc:
        raise failure(path, exc) from exc


def _prepare(engine: Engine, path: Path) -> None:
    with engine.connect() as conn:
        found = revision_of(conn)
    if found == head():
        return
    refuse_newer(found)
    with exclusive(path) as conn:
        found = revision_of(conn)  # another process may have been first
        if found == head():
            return
        if found == EMPTY:
            create(conn)
            return
        refuse_newer(found)
        from rtstream.store.migrations import runner  # imports Alembic, which takes longer than the rest of the start

        runner.upgrade(conn, path, found)


def create(conn: Connection) -> None:
    """Create every table at the newest revision in an empty database."""
    metadata.create_all(conn)
    search_tables.create(conn)
    stamp(conn, head())


def refuse_newer(found: str) -> None:
    """Raise Conflict if a database has a revision that this program does not know."""
    if found not in (EMPTY, UNSTAMPED, *revisions()):
        raise Conflict(
            f"The database has the schema {found[:40]}, which is newer than this program ({head()}). "
            "Install the newer rtstream-mcp, or use another data folder."
        )


@contextmanager
def exclusive(path: Path) -> Iterator[Connection]:
    """Open one transaction that alone may write, for creating or changing tables.

    Foreign keys are off, because replacing a table would otherwise delete the rows that refer to it, and renaming a
    table leaves the references of others alone. Readers see the old state until the transaction commits.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _configure(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # use the BEGIN below
        for pragma in (f"busy_timeout={BUSY_S * 1000:.0f}", "foreign_keys=OFF", "legacy_alter_table=ON"):
            raw.execute(f"PRAGMA {pragma}").close()
        raw.execute("PRAGMA synchronous=FULL").close()

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                conn.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as exc:
                if "locked" not in str(exc.orig) or time.monotonic() > deadline:
                    raise

    with engine.begin() as conn:
        yield conn


_FAILURES: dict[str, tuple[type[RTStreamError], str]] = {
    "NOTADB": (Conflict, "is not a database. Run 'rtstream-mcp db repair', then start again"),
    "CORRUPT": (Conflict, "is damaged. Run 'rtstream-mcp db repair', then start again"),
    "FULL": (Unavailable, "cannot be changed because the disk is full. Free some space, then start again"),
    "BUSY": (Unavailable, "is in use by another process. Stop that process or wait, then start again"),
    "READONLY": (Unavailable, "cannot be written. Check the permissions of the file and its folder"),
    "CANTOPEN": (Unavailable, "cannot be opened. Check that it is a file and that its permissions allow writing"),
}
"""Parts of SQLite's error names, and the sentence for each."""


def failure(path: Path, exc: BaseException) -> RTStreamError:
    """Turn an error of the database or of the disk into one sentence with the next step."""
    cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    name = getattr(cause, "sqlite_errorname", "")
    for part, (kind, sentence) in _FAILURES.items():
        if name.startswith(f"SQLITE_{part}"):
            return kind(f"The database {path} {sentence}.")
    reason = getattr(cause, "strerror", None) or cause
    return Unavailable(f"The database {path} could not be opened or upgraded: {reason}. Nothing in it was changed.")
