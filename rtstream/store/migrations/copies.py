"""Copies of the database file, placed beside it before an upgrade."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from rtstream import disk
from rtstream.errors import Unavailable

MAX_COPIES = 3
"""Maximum number of copies. Only the newest copy of each of the newest schemas is kept."""
_MARGIN_BYTES = 8 * 1024 * 1024


def copy(path: Path, revision: str) -> Path:
    """Copy a database, including its write-ahead log.

    The copy appears under its name once it is complete. Only its owner can read it, because it holds the
    credentials of streams.

    Args:
        path: The database file. No other process may write to it during the copy.
        revision: Schema of the database, which is part of the copy's name with the time in UTC.

    Returns:
        The path of the copy.

    Raises:
        Unavailable: The disk has no room for the copy.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = path.with_name(f"{path.name}.schema-{revision}-{stamp}.bak")
    part = path.with_name(f"{path.name}.copy.part")
    _remove(part)
    with closing(sqlite3.connect(path)) as source:
        pages, page_size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        needed, free = pages * page_size, shutil.disk_usage(path.parent).free
        if free < needed + _MARGIN_BYTES:
            raise _no_room(path, needed, free)
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(part)) as copied:
                source.backup(copied)
            with part.open("rb+") as file:
                disk.sync_file(file.fileno())
            part.replace(target)
        except BaseException as exc:
            _remove(part)
            if isinstance(exc, sqlite3.Error) and exc.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise _no_room(path, needed, shutil.disk_usage(path.parent).free) from exc
            raise
    disk.sync_folder(path.parent)
    return target


def trim(path: Path) -> None:
    """Remove copies beyond the newest of each schema, and beyond ``MAX_COPIES`` in total."""
    newest: dict[str, Path] = {}
    for found in sorted(path.parent.glob(f"{path.name}.schema-*.bak"), key=lambda file: file.name[-20:]):
        revision = found.name.rpartition(".schema-")[2][:4]
        if revision in newest:
            newest[revision].unlink(missing_ok=True)
        newest.pop(revision, None)
        newest[revision] = found
    for found in list(newest.values())[:-MAX_COPIES]:
        found.unlink(missing_ok=True)


def _no_room(path: Path, needed: int, free: int) -> Unavailable:
    return Unavailable(
        f"The database has to be upgraded, but there is no room for a copy of it: {needed / 1e6:.0f} MB are needed and "
        f"{free / 1e6:.0f} MB are free in {path.parent}. Free some space there and start again. Nothing was changed."
    )


def _remove(part: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)
