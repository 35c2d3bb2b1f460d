"""The log of a recording belongs to its recorder until it is closed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from rtstream import disk
from rtstream.recorder.disk_sync import DiskSync
from rtstream.recorder.log import RecordingLog
from rtstream.rules.recording_log import LOG_FILE, RecordingOpened
from rtstream.storage.local import is_locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")


@pytest.mark.parametrize("mode", ["synced", "closed elsewhere"])
def test_a_log_stays_locked_until_it_is_closed(tmp_path: Path, mode: str) -> None:
    sync = DiskSync()
    log = RecordingLog(tmp_path, sync)
    log.append(RecordingOpened("rec-1", "rts-1", 1.0, "avc1.42C00D", b"init"))
    if mode == "synced":
        assert sync.drain(10)
    else:
        os.close(os.open(tmp_path / LOG_FILE, os.O_RDONLY))
    assert is_locked(tmp_path / LOG_FILE)
    log.close()
    assert not is_locked(tmp_path / LOG_FILE)


def test_a_slow_disk_does_not_keep_a_closed_log_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    monkeypatch.setattr(disk, "sync_file", lambda _: synced.wait(10))
    sync = DiskSync()
    log = RecordingLog(tmp_path, sync)
    log.append(RecordingOpened("rec-1", "rts-1", 1.0, "avc1.42C00D", b"init"))
    log.close()
    try:
        assert not is_locked(tmp_path / LOG_FILE)
    finally:
        synced.set()
    assert sync.drain(10)
