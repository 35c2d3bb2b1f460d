"""Daily copies of the database, and the space that they and the copies made before upgrades use. Everything blocks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from rtstream import disk
from rtstream.errors import Unavailable
from rtstream.store.integrity import quick_check

FOLDER = "backups"
DAY_S = 86_400.0
STEP_PAGES = 512
PAUSE_S = 0.02
"""Pause between two steps of 2 MB, so that a backup does not take the disk from the recorders."""
CHECK_S = 300.0
MARGIN_BYTES = 16 << 20
FORMAT = "rtstream-%Y%m%dT%H%M%SZ.db"


def stored(data_dir: Path) -> list[Path]:
    """Return the backups of a data folder, oldest first."""
    return sorted((data_dir / FOLDER).glob("rtstream-*.db"))


def made_at(path: Path) -> float:
    """Return the Unix time at which a backup was begun."""
    return path.stat().st_mtime


def total_bytes(data_dir: Path) -> int:
    """Return the bytes of all backups and of the copies made before upgrades."""
    found = 0
    for path in (*stored(data_dir), *data_dir.glob("rtstream.db.*.bak")):
        with suppress(OSError):
            found += path.stat().st_size
    return found


def due(data_dir: Path, now: float) -> bool:
    """Return whether the newest backup is a day old or missing."""
    found = stored(data_dir)
    return not found or now - made_at(found[-1]) >= DAY_S or made_at(found[-1]) > now


def backup(database: Path, target: Path | None = None, *, room: int = 0, pause_s: float = PAUSE_S) -> Path:
    """Copy a database while it is used, including its write-ahead log.

    The copy is checked, and appears under its name once it is complete. Only its owner can read it.

    Args:
        database: The database file.
        target: Name of the copy. By default, it is named by the time in the folder of backups.
        room: Bytes that must stay free on the disk.
        pause_s: Pause after each 2 MB in seconds.

    Raises:
        Unavailable: The disk has no room for the copy, or the database is damaged.
        OSError: The copy cannot be written.
    """
    began = time.time()
    if target is None:
        target = database.parent / FOLDER / time.strftime(FORMAT, time.gmtime(began))
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f".{target.name}.part")
    needed = sum(path.stat().st_size for path in _files(database) if path.exists())
    free = shutil.disk_usage(target.parent).free
    if free < needed + MARGIN_BYTES + room:
        raise Unavailable(
            f"There is no room for a backup of the database: {(needed + room) / 1e6:.0f} MB are needed and "
            f"{free / 1e6:.0f} MB are free in {target.parent}. Free some space there."
        )
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(database, isolation_level=None)) as source:
            source.execute("BEGIN")  # one state of the database: without it, each write would start the copy again
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with closing(sqlite3.connect(part)) as copied:
                source.backup(copied, pages=STEP_PAGES, progress=_pausing(pause_s))
                copied.execute("PRAGMA journal_mode=DELETE").fetchone()
        if problem := quick_check(part, CHECK_S):
            raise Unavailable(f"The database is damaged ({problem}), so no backup of it was stored. {REPAIR}")
        with part.open("rb+") as file:
            disk.sync_file(file.fileno())
        os.utime(part, (began, began))
        part.replace(target)
        disk.sync_folder(target.parent)  # before an older copy is removed
    except sqlite3.Error as exc:
        raise Unavailable(f"The database could not be copied: {exc}.") from exc
    finally:
        for path in _files(part):
            path.unlink(missing_ok=True)
    return target


REPAIR = "Stop the engine and run 'rtstream-mcp db repair'."


def _pausing(pause_s: float) -> Callable[[int, int, int], None]:
    def progress(_status: int, left: int, _total: int) -> None:
        if left and pause_s:
            time.sleep(pause_s)

    return progress


def _files(database: Path) -> list[Path]:
    return [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm", "-journal")]


def trim(data_dir: Path, keep: int, deleted_at: float = 0.0) -> None:
    """Remove all but the newest ``keep`` backups, and those that still contain content deleted since.

    Args:
        data_dir: The data folder.
        keep: Number of backups.
        deleted_at: Unix time of the newest deletion by the user. Older copies are removed once a newer one exists.
    """
    found = stored(data_dir)
    gone = found[: max(0, len(found) - keep)]
    if found and made_at(found[-1]) >= deleted_at:
        copies = [*found, *data_dir.glob("rtstream.db.*.bak")]
        gone += [path for path in copies if made_at(path) < deleted_at]
    for path in gone:
        path.unlink(missing_ok=True)
