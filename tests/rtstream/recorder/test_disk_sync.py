"""Files are synced in their order by a thread that neither a slow nor a failing disk ends."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from rtstream import disk
from rtstream.recorder.disk_sync import MAX_WAITING, DiskSync


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / str(number) for number in range(3)]
    for path in found:
        path.touch()
    return found


def soon(sync: DiskSync, path: Path) -> None:
    """Name a file and close it at once, as a recorder does."""
    file = os.open(path, os.O_RDONLY)
    sync.soon(file)
    os.close(file)


def test_files_are_synced_in_their_order_though_they_are_closed(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync_file", lambda file: synced.append(os.fstat(file).st_ino))
    sync = DiskSync()
    for path in files:
        soon(sync, path)
    assert sync.drain(10)
    assert synced == [path.stat().st_ino for path in files]


def test_a_failing_disk_is_counted_and_logged_once(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "sync_file", fail)
    sync = DiskSync()
    with caplog.at_level(logging.WARNING):
        for path in files:
            soon(sync, path)
        assert sync.drain(10)
    assert (sync.failed, len(caplog.records)) == (3, 1)
    assert "Input/output error" in caplog.text


def test_a_disk_that_is_stuck_costs_no_more_than_a_bounded_number_of_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, synced = threading.Event(), 0

    def flush(_: int) -> None:
        nonlocal synced
        stuck.wait(10)
        synced += 1

    monkeypatch.setattr(disk, "sync_file", flush)
    sync = DiskSync()
    for number in range(3 * MAX_WAITING):
        path = tmp_path / f"more-{number}"
        path.touch()
        soon(sync, path)
    assert not sync.drain(0.01)
    stuck.set()
    assert sync.drain(10)
    assert MAX_WAITING <= synced <= MAX_WAITING + 1


def test_a_folder_is_synced_as_well(tmp_path: Path) -> None:
    sync = DiskSync()
    sync.soon_folder(tmp_path)
    assert sync.drain(10)
    assert sync.failed == 0


def test_a_file_that_waits_is_synced_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    began, proceed = threading.Event(), threading.Event()
    synced: list[int] = []

    def flush(file: int) -> None:
        began.set()
        proceed.wait(10)
        synced.append(os.fstat(file).st_ino)

    monkeypatch.setattr(disk, "sync_file", flush)
    sync = DiskSync()
    soon(sync, files[0])
    assert began.wait(10)
    for _ in range(3):  # the sync that has begun may not cover these
        soon(sync, files[0])
        soon(sync, files[1])
    proceed.set()
    assert sync.drain(10)
    assert synced == [files[0].stat().st_ino, files[0].stat().st_ino, files[1].stat().st_ino]
