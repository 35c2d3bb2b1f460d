"""Footage that older versions protected from retention stays protected, and has a typed owner."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rtstream.store.database import Database
from tests.rtstream.store.migrations.databases import OLDER, older

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("revision", [revision for revision in OLDER if "0003" <= revision <= "0011"])
async def test_footage_that_older_versions_protected_has_an_owner(tmp_path: Path, revision: str) -> None:
    older(revision, tmp_path)
    await Database.below(tmp_path).aclose()
    with closing(sqlite3.connect(tmp_path / "rtstream.db")) as db:
        owners = db.execute("SELECT owner_kind, owner_id FROM pins ORDER BY id").fetchall()
    assert owners[0] == ("alert", "alert-b73966ab4acb")
    assert owners[1:] == ([("export", "m-4f1d20c3a7be")] if revision == "0011" else [])
