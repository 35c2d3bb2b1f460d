"""A recorder that hangs is ended. One that was stopped, or that stood still together with the fork server, is not."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.ipc.sockets import SUPPORTED
from rtstream.recorder.heartbeat import HUNG_LOOKS, LOOK_S, Heartbeat, HeartbeatWatch, is_stopped
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.surviving import DataFolder, Engine, alive, data_folder, until
from tests.waiting import eventually_sync

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="no fork server watches recorders here")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as found:
        yield found
        found.kill()


@pytest.fixture
def watch(process: subprocess.Popen[bytes]) -> HeartbeatWatch:
    made = HeartbeatWatch()
    made.add(process.pid, Heartbeat())
    return made


def looks(watch: HeartbeatWatch, count: int, since: float = 1000.0) -> list[list[int]]:
    return [watch.end_hung(since + number * LOOK_S) for number in range(count)]


def test_a_process_without_a_sign_of_life_is_ended(process: subprocess.Popen[bytes], watch: HeartbeatWatch) -> None:
    assert looks(watch, HUNG_LOOKS + 1) == [[]] * HUNG_LOOKS + [[process.pid]]
    assert process.wait(10) == -signal.SIGABRT
    assert watch.end_hung(5000.0) == [process.pid]  # nothing fails before it is collected
    watch.remove(process.pid)
    assert looks(watch, HUNG_LOOKS + 2, 9000.0) == [[]] * (HUNG_LOOKS + 2)


def test_a_process_that_ignores_the_first_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGABRT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watch = HeartbeatWatch()
        watch.add(process.pid, Heartbeat())
        looks(watch, HUNG_LOOKS + 2)
        assert process.wait(10) == -signal.SIGKILL


def test_looks_that_follow_each_other_count_once(process: subprocess.Popen[bytes], watch: HeartbeatWatch) -> None:
    watch.end_hung(1000.0)
    assert [watch.end_hung(1000.0 + LOOK_S + number) for number in range(10)] == [[]] * 10
    assert watch.end_hung(99999.0) == []  # the fork server stood still for a day
    assert process.poll() is None


def test_a_process_that_lives_or_was_stopped_is_left_alone(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *_, **__: None)
    watch, heartbeat = HeartbeatWatch(), Heartbeat()
    watch.add(process.pid, heartbeat)
    for number in range(3 * HUNG_LOOKS):
        heartbeat.beat()
        assert watch.end_hung(1000.0 + number * LOOK_S) == []
    assert heartbeat.count == 3 * HUNG_LOOKS
    process.send_signal(signal.SIGSTOP)
    until(lambda: is_stopped(process.pid), "it stands still")
    assert looks(watch, 3 * HUNG_LOOKS, 5000.0) == [[]] * (3 * HUNG_LOOKS)
    process.send_signal(signal.SIGCONT)
    until(lambda: not is_stopped(process.pid), "it continues")
    assert watch.end_hung(9000.0) == []
    assert process.poll() is None


@pytest.fixture
def data(live_source: LiveSource, tmp_path: Path) -> Iterator[DataFolder]:
    with data_folder(tmp_path, live_source.http_url) as made:
        yield made


@pytest.mark.long
def test_a_recorder_that_stood_still_for_more_than_a_minute_continues(data: DataFolder) -> None:
    engine = Engine(data)
    data.grows()
    os.kill(engine.link.pid, signal.SIGSTOP)
    began = time.monotonic()
    eventually_sync(lambda: time.monotonic() - began > 75.0, limit_s=90, every_s=1, what="more than a minute")
    os.kill(engine.link.pid, signal.SIGCONT)
    data.grows(10)
    assert alive(engine.link.pid)
