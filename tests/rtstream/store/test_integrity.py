"""The check of a database finds damage, and ends in time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtstream.errors import Conflict
from rtstream.store.database import MARKER, Database
from rtstream.store.integrity import quick_check
from tests.rtstream.store.damaged import filled, overwrite, pages_of


def test_a_whole_database_has_no_problem(tmp_path: Path) -> None:
    assert quick_check(filled(tmp_path), 60) == ""


@pytest.mark.parametrize("damage", ["page", "header", "garbage", "schema", "cut"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path)
    match damage:
        case "page":
            overwrite(path, pages_of(path, "transcript_segments")[20])
        case "header":
            with path.open("r+b") as file:
                file.write(os.urandom(100))
        case "garbage":
            path.write_bytes(os.urandom(50_000))
        case "schema":
            overwrite(path, 1)
        case _:
            os.truncate(path, path.stat().st_size // 2)
    assert quick_check(path, 60)


def test_a_check_without_enough_time_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtstream.store.integrity.STEPS", 1)
    assert quick_check(filled(tmp_path), 0.0) is None


def test_a_database_that_was_not_closed_is_checked_when_it_is_opened(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert not (tmp_path / MARKER).exists()
    overwrite(path, pages_of(path, "transcript_segments")[20])
    Database.below(tmp_path).close()  # closed in order, so not checked
    (tmp_path / MARKER).touch()
    with pytest.raises(Conflict, match=r"is damaged.*rtstream-mcp db repair"):
        Database.below(tmp_path)
    assert (tmp_path / MARKER).exists()


def test_a_killed_process_leaves_the_mark_of_an_open_database(tmp_path: Path) -> None:
    db = Database.below(tmp_path)
    assert (tmp_path / MARKER).exists()
    db.close()
    assert not (tmp_path / MARKER).exists()
