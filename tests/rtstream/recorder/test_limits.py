"""A recorder notices that it has no engine, no program or no folder any more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rtstream.ipc.lock import ProcessLock
from rtstream.ipc.sockets import SUPPORTED
from rtstream.recorder import limits
from rtstream.recorder.limits import Attendance
from rtstream.rules.recorder_limits import GONE_S, RELEASED_S, UNATTENDED_S

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


class Clock:
    """Monotonic time as the test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


@pytest.fixture
def watched(tmp_path: Path, clock: Clock) -> Attendance:
    run = tmp_path / "data" / "run"
    run.mkdir(parents=True)
    return Attendance(run, ProcessLock.acquire(run / "rts-1.lock"))


def test_the_limit_begins_when_the_engine_is_gone(watched: Attendance, clock: Clock) -> None:
    watched.attached()
    clock.now += 10 * UNATTENDED_S
    assert watched.reason_to_end() == ""
    watched.detached()
    clock.now += UNATTENDED_S - 1
    assert watched.reason_to_end() == ""
    clock.now += 1
    assert "no engine came back within 600 s" in watched.reason_to_end()


def test_a_released_recorder_waits_a_minute_and_an_attached_one_forgets_the_release(
    watched: Attendance, clock: Clock
) -> None:
    watched.attached()
    watched.released(RELEASED_S)
    watched.detached()
    clock.now += RELEASED_S
    assert "within 60 s" in watched.reason_to_end()
    watched.attached()
    watched.detached()
    clock.now += RELEASED_S
    assert watched.reason_to_end() == ""


def test_a_removed_data_folder_ends_it_after_a_minute_without_an_engine(
    watched: Attendance, clock: Clock, tmp_path: Path
) -> None:
    watched.attached()
    shutil.rmtree(tmp_path / "data")
    clock.now += 2 * GONE_S
    assert watched.reason_to_end() == ""
    watched.detached()
    clock.now += GONE_S - 1
    assert watched.reason_to_end() == ""
    clock.now += 1
    assert "data folder" in watched.reason_to_end()


def test_a_data_folder_that_comes_back_is_forgiven(watched: Attendance, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "away")
    clock.now += GONE_S - 1
    assert watched.reason_to_end() == ""
    (tmp_path / "away").rename(tmp_path / "data")
    assert watched.reason_to_end() == ""
    clock.now += 2
    assert watched.reason_to_end() == ""


def test_a_removed_socket_folder_ends_it_at_once(watched: Attendance, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "data" / "run")
    assert "socket" in watched.reason_to_end()


def test_a_removed_program_ends_it_after_a_minute(
    watched: Attendance, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watched, "_program", tmp_path / "gone.py")
    clock.now += GONE_S - 1
    assert watched.reason_to_end() == ""
    clock.now += 1
    assert "program" in watched.reason_to_end()


def test_a_disk_that_does_not_respond_ends_nothing(
    watched: Attendance, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(limits, "_identity", fail)
    clock.now += 2 * GONE_S
    assert watched.reason_to_end() == ""


def test_a_missing_engine_is_started_again_with_growing_pauses(watched: Attendance, clock: Clock) -> None:
    watched.attached()
    clock.now += 1000
    assert not watched.engine_overdue()
    watched.detached()
    began, due = clock.now, []
    while clock.now < began + UNATTENDED_S:
        clock.now += 1
        if watched.engine_overdue():
            due.append(clock.now - began)
    assert due == [20, 60, 140, 300]
