"""Locks of processes: one holder, no heirs, and no file left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rtstream.ipc.lock import LockHeld, ProcessLock

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks, and no recorder needs one there")

HOLD = """
import os, sys, time
from pathlib import Path
from rtstream.ipc.lock import ProcessLock
lock = ProcessLock.acquire(Path(sys.argv[1]), 5)
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(60)
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""


def holder(path: Path, how: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_lock_is_free_once_its_holder_is_killed_even_if_a_child_of_it_lives(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process = holder(path, "fork")
    try:
        with pytest.raises(LockHeld):
            ProcessLock.acquire(path)
        process.kill()
        process.wait()
        ProcessLock.acquire(path, 5).release()
    finally:
        end(process)
    assert not path.exists()


def test_the_next_holder_waits_for_the_release_and_finds_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    process = holder(path)
    got: list[ProcessLock] = []
    try:
        waiting = threading.Thread(target=lambda: got.append(ProcessLock.acquire(path, 10)))
        waiting.start()
        print("release", file=process.stdin, flush=True)
        waiting.join(10)
    finally:
        end(process)
    (lock,) = got
    assert path.exists()
    assert not lock.lost
    lock.release()
    assert not path.exists()


def test_a_lock_whose_file_was_removed_or_replaced_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = ProcessLock.acquire(path)
    assert not lock.lost
    path.unlink()
    assert lock.lost
    path.touch()
    assert lock.lost
    lock.release()
    assert path.exists()  # it belongs to another process now
