"""Checks of a database file that are bounded in time. Everything here blocks."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from rtstream.errors import Unavailable

STEPS = 20_000
"""Number of steps of SQLite's machine between two looks at the clock."""
MAX_PROBLEMS = 5


def quick_check(path: Path, limit_s: float) -> str | None:
    """Check the structure of a database.

    Args:
        path: The database file. Other processes may use it meanwhile.
        limit_s: Longest duration in seconds.

    Returns:
        An empty string for a whole database, the problem of a damaged one, or None if the time was too short.

    Raises:
        OSError: The file cannot be read.
        Unavailable: It cannot be opened now, for example because it is locked.
    """
    # A missing file is not a damaged one. It is not opened, because closing it would release the locks that SQLite has
    # on it in this process.
    path.stat()
    deadline = time.monotonic() + limit_s
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=limit_s)) as db:
            db.set_progress_handler(lambda: int(time.monotonic() > deadline), STEPS)
            problems = [row[0] for row in db.execute(f"PRAGMA quick_check({MAX_PROBLEMS})")]
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            return None
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return str(exc)
        raise Unavailable(f"The database {path} cannot be checked: {exc}.") from exc
    return "" if problems == ["ok"] else "; ".join(" ".join(problem.split()) for problem in problems)
