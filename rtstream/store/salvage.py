"""Rebuilds a damaged database from its readable rows and from a backup. Everything here blocks."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from rtstream.errors import Unavailable
from rtstream.store import search_tables
from rtstream.store.database import HEADER, Database
from rtstream.store.tables import metadata

SEARCH = frozenset(
    table.name
    for table in (
        *(search_tables.search_places, search_tables.search_docs, search_tables.search_vectors),
        *(search_tables.search_models, search_tables.search_cursors, search_tables.search_removed),
    )
)
"""Tables of search, which the engine fills again from the others."""
TABLES = [table.name for table in metadata.sorted_tables if table.name not in SEARCH]
WITHOUT_ROWID = frozenset({"segments"})
BATCH = 500


@dataclass
class SalvageReport:
    """Rows that were stored in the new database."""

    rows: int = 0
    from_backup: int = 0
    incomplete: list[str] = field(default_factory=list)
    """Tables of which some rows could not be read."""


def rebuild(damaged: Path, backup: Path | None, target: Path) -> SalvageReport:
    """Write a new database.

    Rows of the damaged one are used wherever they can be read. The backup fills only tables that cannot be read
    completely, so that it brings back nothing that was deleted since.

    Args:
        damaged: The damaged file, which is changed if its header has to be restored.
        backup: A whole database of this or an earlier version, or None.
        target: The new database, which must not exist.

    Raises:
        Unavailable: The new database cannot be written.
    """
    try:
        return _rebuild(damaged, backup, target)
    except (sqlite3.Error, DBAPIError) as exc:
        raise Unavailable(f"The new database could not be written: {exc}.") from exc


def _rebuild(damaged: Path, backup: Path | None, target: Path) -> SalvageReport:
    report = SalvageReport()
    _migrated(target)
    with closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.execute("PRAGMA foreign_keys=OFF")
        new.execute("BEGIN")
        with _readable(damaged) as source:
            for table in TABLES:
                read, complete = _copy(source, new, table)
                report.rows += read
                if not complete:
                    report.incomplete.append(table)
        if backup is not None and report.incomplete:
            report.from_backup = _fill(backup, new, report.incomplete)
        _keep_numbers(damaged, backup, new)
        if {"segments", "recordings"} & set(report.incomplete):
            _read_logs_again(new)
        _drop_orphans(new)
        new.execute("COMMIT")
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return report


def _migrated(path: Path) -> None:
    """Create a database, or bring one to the newest schema."""
    db = Database(URL.create("sqlite", database=str(path)))
    db.close()


class _readable:
    """Open a database that may be damaged; None if not even its header can be restored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection | None:
        for _ in range(2):
            with suppress(sqlite3.Error, OSError):
                self._db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
                self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")
                self._db.execute("SELECT name FROM sqlite_master").fetchall()
                return self._db
            self.__exit__()
            self._db = None
            with suppress(OSError), self._path.open("r+b") as file:
                file.write(HEADER)  # the rest of the first page may be whole
        return None

    def __exit__(self, *_: object) -> None:
        if self._db is not None:
            self._db.close()


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    with suppress(sqlite3.Error):
        return [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    return []


def _copy(source: sqlite3.Connection | None, new: sqlite3.Connection, table: str) -> tuple[int, bool]:
    """Copy the readable rows of a table. Returns their number, and whether all could be read."""
    if source is None:
        return 0, False
    there = set(_columns(source, table))
    columns = [name for name in _columns(new, table) if name in there]
    if not columns:
        return 0, False
    count, complete = 0, True
    for rows in _rows(source, table, columns):
        if rows is None:
            complete = False
        else:
            count += _insert(new, table, columns, rows)
    return count, complete


Rows = list[tuple[object, ...]]


def _rows(db: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[Rows | None]:
    """Yield batches of rows, and None wherever some cannot be read.

    After an error, reading continues from the other end of the table, and then in steps through the middle.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    if table in WITHOUT_ROWID:
        yield from _rows_by_key(db, table, names)
        return
    first = last = None
    for order, bound in (("ASC", ">"), ("DESC", "<")):
        at: int | None = None
        failed = False
        while True:
            where = "" if at is None else f"WHERE rowid {bound} {at}"
            if order == "DESC" and first is not None:
                where += (" AND " if where else "WHERE ") + f"rowid > {first}"
            query = f'SELECT rowid, {names} FROM "{table}" {where} ORDER BY rowid {order} LIMIT {BATCH}'
            rows: list[tuple[int, ...]] = []
            try:
                for row in db.execute(query):
                    rows.append(row)
            except (sqlite3.Error, UnicodeDecodeError, OverflowError):
                failed = True
            if rows:
                yield [row[1:] for row in rows]
                at = rows[-1][0]
            if failed:
                yield None
                break
            if len(rows) < BATCH:
                return
        if order == "ASC":
            first = at
        else:
            last = at
    if first is not None and last is not None:
        yield from _between(db, table, names, first + 1, last - 1)


def _rows_by_key(db: sqlite3.Connection, table: str, names: str) -> Iterator[Rows | None]:
    """Yield the rows of a table without row numbers from both ends, up to the first ones that cannot be read."""
    keys = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")') if row[5]]
    for order in ("ASC", "DESC"):
        ordering = ", ".join(f'"{key}" {order}' for key in keys)
        rows: Rows = []
        try:
            for row in db.execute(f'SELECT {names} FROM "{table}" ORDER BY {ordering}'):
                rows.append(row)
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            yield rows
            yield None
            continue
        yield rows
        return


def _between(db: sqlite3.Connection, table: str, names: str, low: int, high: int) -> Iterator[Rows | None]:
    """Yield the readable rows of a range of row numbers, in halves wherever some cannot be read."""
    waiting = [(low, high)]
    while waiting:
        low, high = waiting.pop()
        if low > high:
            continue
        query = f'SELECT {names} FROM "{table}" WHERE rowid BETWEEN {low} AND {high}'
        try:
            yield db.execute(query).fetchall()
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            if high - low < 16:  # a damaged page holds several rows
                yield None
            else:
                middle = (low + high) // 2
                waiting += [(low, middle), (middle + 1, high)]


def _insert(new: sqlite3.Connection, table: str, columns: list[str], rows: Rows) -> int:
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    before = new.total_changes
    query = f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})'
    try:
        new.executemany(query, rows)
    except sqlite3.Error:  # a value of a damaged row
        for row in rows:
            with suppress(sqlite3.Error):
                new.execute(query, row)
    return new.total_changes - before


def _fill(backup: Path, new: sqlite3.Connection, tables: list[str]) -> int:
    """Add rows of a backup, which is brought to the newest schema in a copy."""
    with tempfile.TemporaryDirectory(dir=backup.parent) as folder:
        copied = Path(folder) / "backup.db"
        shutil.copyfile(backup, copied)
        _migrated(copied)
        with closing(sqlite3.connect(copied)) as source:
            return sum(_copy(source, new, table)[0] for table in tables)


def _keep_numbers(damaged: Path, backup: Path | None, new: sqlite3.Connection) -> None:
    """Let no number of a journal entry or scene be used twice."""
    for path in (damaged, backup):
        if path is None:
            continue
        with _readable(path) as source, suppress(sqlite3.Error):
            for name, seq in source.execute("SELECT name, seq FROM sqlite_sequence") if source else ():
                if name in TABLES and isinstance(seq, int):
                    new.execute(
                        "INSERT INTO sqlite_sequence(name, seq) SELECT ?, 0 WHERE NOT EXISTS "
                        "(SELECT 1 FROM sqlite_sequence WHERE name = ?)",
                        (name, name),
                    )
                    new.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (seq, name))


def _read_logs_again(new: sqlite3.Connection) -> None:
    """Let the projection enter the logs of all recordings from their beginning."""
    logged = "SELECT id FROM recordings WHERE log_position > 0"
    new.execute(f"DELETE FROM segments WHERE recording_id IN ({logged})")
    new.execute("DELETE FROM recordings WHERE log_position > 0")
    new.execute(
        "UPDATE streams SET recorded_bytes = "
        "(SELECT coalesce(sum(length), 0) FROM segments WHERE segments.stream_id = streams.id)"
    )


def _drop_orphans(new: sqlite3.Connection) -> None:
    """Remove rows that refer to rows which are lost."""
    new.execute(
        "DELETE FROM segments WHERE recording_id NOT IN (SELECT id FROM recordings) "
        "OR stream_id NOT IN (SELECT id FROM streams)"
    )
    for _ in range(20):
        found = new.execute("PRAGMA foreign_key_check").fetchall()
        if not found:
            return
        for table, rowid, *_ in found:
            new.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (rowid,))
