"""Daily backups of the database while the engine runs."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from rtstream.concurrency import every
from rtstream.errors import Unavailable
from rtstream.store import backups, values
from rtstream.store.database import DATABASE, Database

log = logging.getLogger(__name__)

FIRST_S = 300.0
"""Seconds after the start of the engine before the first backup, so that the start stays fast."""
EVERY_S = 1800.0
FULL_CHECK_S = 120.0
DELETED_AT = "deleted_at"
"""Key of the Unix time at which the user last deleted a stream or video."""


class BackupSchedule:
    """Creates a backup when the newest one is a day old.

    Args:
        db: The database.
        data_dir: The data folder.
        keep: Number of backups; 0 for none.
        room: Bytes that must stay free on the disk.
    """

    def __init__(self, db: Database, data_dir: Path, keep: int, room: int) -> None:
        self._db = db
        self._data_dir = data_dir
        self._keep = keep
        self._room = room

    async def run(self) -> None:
        """Create backups until cancelled. Complete the check of a database that was not closed."""
        await asyncio.sleep(FIRST_S)
        await self._db.check(FULL_CHECK_S)
        await every(EVERY_S, self.run_due, "the daily backup of the database failed")

    async def run_due(self) -> None:
        """Create a backup if it is due, and remove those that are not needed any more."""
        if not self._keep or not await asyncio.to_thread(backups.due, self._data_dir, time.time()):
            return
        if self._db.failure is not None:
            return  # a damaged copy must not replace a whole one
        try:
            await asyncio.to_thread(backups.backup, self._data_dir / DATABASE, room=self._room)
        except Unavailable:
            await asyncio.to_thread(backups.trim, self._data_dir, max(1, self._keep - 1))
            raise
        deleted_at = await self._db.read(values.get, DELETED_AT) or 0.0
        await asyncio.to_thread(backups.trim, self._data_dir, self._keep, float(deleted_at))
