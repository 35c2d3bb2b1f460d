"""The daily backup."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rtstream.errors import DatabaseUnavailable, Unavailable
from rtstream.store import backups, values
from rtstream.store.backup_schedule import DELETED_AT, BackupSchedule
from rtstream.store.database import Database
from tests.rtstream.store.damaged import filled
from tests.rtstream.store.test_backups import stamped

pytestmark = pytest.mark.anyio


async def test_a_backup_is_created_once_a_day_and_replaces_those_with_deleted_content(tmp_path: Path) -> None:
    filled(tmp_path, 10)
    stamped(tmp_path, 30)
    db = Database.below(tmp_path)
    await db.write(values.put, DELETED_AT, time.time() - 3600)
    schedule = BackupSchedule(db, tmp_path, 3, 0)
    await schedule.run_due()
    (created,) = backups.stored(tmp_path)
    await schedule.run_due()
    assert backups.stored(tmp_path) == [created]
    await db.aclose()


async def test_no_backup_is_created_when_none_is_wanted_or_the_database_fails(tmp_path: Path) -> None:
    db = Database.below(tmp_path)
    await BackupSchedule(db, tmp_path, 0, 0).run_due()
    db._note(DatabaseUnavailable("The database is damaged.", damaged=True))
    await BackupSchedule(db, tmp_path, 3, 0).run_due()
    assert backups.stored(tmp_path) == []
    await db.aclose()


async def test_without_room_older_backups_make_some(tmp_path: Path) -> None:
    filled(tmp_path, 10)
    stamped(tmp_path, 72, 48, 30)
    db = Database.below(tmp_path)
    with pytest.raises(Unavailable, match="no room"):
        await BackupSchedule(db, tmp_path, 3, 1 << 60).run_due()
    assert len(backups.stored(tmp_path)) == 2
    await db.aclose()
