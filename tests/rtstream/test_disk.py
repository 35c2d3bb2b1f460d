"""Files and folders are synced, and an unknown run of the operating system has no id."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rtstream import disk


def test_a_file_and_its_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda file: synced.append(os.fstat(file).st_ino), raising=False)
    path = tmp_path / "file"
    with path.open("wb") as file:
        if sys.platform != "darwin":
            disk.sync_file(file.fileno())
            assert synced == [path.stat().st_ino]
    disk.sync_folder(tmp_path)
    assert os.name != "posix" or synced[-1] == tmp_path.stat().st_ino


def test_a_missing_folder_cannot_be_synced(tmp_path: Path) -> None:
    if os.name == "posix":
        with pytest.raises(FileNotFoundError):
            disk.sync_folder(tmp_path / "missing")


def test_the_run_of_the_system_has_one_id_or_none() -> None:
    assert disk.boot_id() == disk.boot_id()
    assert bool(disk.boot_id()) == (sys.platform == "linux")
