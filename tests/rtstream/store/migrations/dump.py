"""Write a database as SQL, to become the starting point of a migration's test.

    python -m tests.rtstream.store.migrations.dump DATABASE > tests/rtstream/store/migrations/0009.sql

Unlike ``sqlite3.Connection.iterdump`` it includes the word index, ``user_version`` and the numbers already given.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

VIRTUAL = "search_words"


def dump(db: sqlite3.Connection) -> Iterator[str]:
    """Yield the statements that build the database again with ``load``."""
    yield f"PRAGMA user_version={db.execute('PRAGMA user_version').fetchone()[0]};"
    objects = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    tables = [(name, sql) for kind, name, sql in objects if kind == "table" and name != "sqlite_sequence"]
    yield from (f"{sql};" for name, sql in tables if not name.startswith(f"{VIRTUAL}_"))
    for name, _ in [*tables, ("sqlite_sequence", "")]:
        if name != VIRTUAL:
            yield from _rows(db, name)
    yield from (f"{sql};" for kind, _, sql in objects if kind in ("index", "trigger"))


def _rows(db: sqlite3.Connection, table: str) -> Iterator[str]:
    columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
    if table == "sqlite_sequence" or table.startswith(f"{VIRTUAL}_"):
        yield f'DELETE FROM "{table}";'  # SQLite has put rows of its own there
    values = " || ',' || ".join(f'quote("{column}")' for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    for (row,) in db.execute(f'SELECT {values} FROM "{table}"'):
        yield f'INSERT INTO "{table}" ({names}) VALUES ({row});'


def load(sql: str, path: Path) -> None:
    """Build a database from the statements of ``dump``."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.executescript(f"BEGIN;\n{sql}\nCOMMIT;")


if __name__ == "__main__":
    with closing(sqlite3.connect(sys.argv[1])) as opened:
        sys.stdout.writelines(f"{statement}\n" for statement in dump(opened))
