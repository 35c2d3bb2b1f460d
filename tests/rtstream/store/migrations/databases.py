"""Databases of older schemas, written by the programs of their time, and what a schema consists of."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.rtstream.store.migrations.dump import load

FOLDER = Path(__file__).parent
OLDER = sorted(path.stem for path in FOLDER.glob("[0-9][0-9][0-9][0-9].sql"))
"""Revisions with a database of their own. Those up to 0008 do not record their revision."""
UNRECORDED = [revision for revision in OLDER if revision <= "0008"]


def older(revision: str, folder: Path) -> Path:
    """Build the database of a revision in a data folder, with files as long as its segments need."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rtstream.db"
    load((FOLDER / f"{revision}.sql").read_text(encoding="utf-8"), path)
    with closing(sqlite3.connect(path)) as db, db:
        # The engine forgets old decisions, and would try to deliver.
        db.execute("UPDATE decisions SET at = ?", (time.time(),))
        db.execute("UPDATE deliveries SET next_at = ?", (time.time() + 86400,))
        files = db.execute('SELECT stream_id, path, max("offset" + length) FROM segments GROUP BY 1, 2').fetchall()
    for stream_id, name, size in files:
        file = folder / "media" / stream_id / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\1" * size)  # not zeros, which would be pages that never reached the disk
    return path


def opened_by(revision: str, path: Path) -> None:
    """Add what a program of that schema added when it opened an older database: new tables, but no new columns."""
    sample = path.with_name("sample.db")
    load((FOLDER / f"{revision}.sql").read_text(encoding="utf-8"), sample)
    with closing(sqlite3.connect(sample)) as db:
        objects = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    sample.unlink()
    with closing(sqlite3.connect(path)) as db, db:
        before = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        new = {
            name for kind, name, _, _ in objects if kind == "table" and not name.startswith("search_words_")
        } - before
        for kind, name, table, sql in objects:
            if (kind == "table" and name in new) or (kind == "index" and table in new):
                db.execute(sql)
            elif kind == "trigger":
                db.execute(sql.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS"))
        db.executemany("INSERT OR IGNORE INTO search_cursors(origin, reached) VALUES (?, 0)", [(n,) for n in range(4)])


def schema_of(path: Path) -> dict[str, Any]:
    """Describe everything in the schema but the order of columns and the spelling of statements."""
    with closing(sqlite3.connect(path)) as db:
        objects = db.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master").fetchall()
        found: dict[str, Any] = {"user_version": db.execute("PRAGMA user_version").fetchone()}
        for kind, name, table, sql in objects:
            if kind != "table":
                found[f"{kind} {'of ' + table if not sql else name}"] = (_index(db, name), _plain(sql))
                continue
            found[name] = {
                "columns": sorted(row[1:] for row in db.execute(f'PRAGMA table_xinfo("{name}")')),
                "references": sorted(row[2:] for row in db.execute(f'PRAGMA foreign_key_list("{name}")')),
                "options": ("AUTOINCREMENT" in sql, "WITHOUT ROWID" in sql),
                "virtual": _plain(sql) if "VIRTUAL" in sql else "",
            }
        return found


def _index(db: sqlite3.Connection, name: str) -> list[Any]:
    return [row[2] for row in db.execute(f'PRAGMA index_info("{name}")')]


def _plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql.replace('"', "").replace("IF NOT EXISTS ", "")).strip()


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read all rows of all tables but the inner ones of the word index."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted((dict(row) for row in db.execute(f'SELECT * FROM "{name}"')), key=_key)
            for name in tables
            if not name.startswith(("search_words", "sqlite_", "alembic_"))
        }


def _key(row: dict[str, Any]) -> str:
    """Order rows by the columns that every schema of a table begins with."""
    return repr(list(row.values())[:2])
