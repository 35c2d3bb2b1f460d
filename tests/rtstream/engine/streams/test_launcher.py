"""Starting recorders, taking them over and replacing those that cannot be taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest

from rtstream.engine.streams.launcher import Superseded
from rtstream.ipc.handshake import ask, read_greeting
from rtstream.ipc.sockets import FORKSERVER, SUPPORTED
from rtstream.messages import RecorderHealth
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.surviving import DataFolder, Engine, alive, data_folder, until

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


@pytest.fixture
def data(live_source: LiveSource, tmp_path: Path) -> Iterator[DataFolder]:
    with data_folder(tmp_path, live_source.http_url) as made:
        yield made


@contextmanager
def other_program(data: DataFolder) -> Iterator[None]:
    """The fork server of a program with another protocol."""
    code = """
import pathlib, sys
from rtstream.ipc import handshake
handshake.PROTOCOL = 99
from rtstream.recorder import forkserver
forkserver.main(pathlib.Path(sys.argv[1]))
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(data.run)])
    try:
        yield
        process.wait(20)  # it ends with its last recorder
    finally:
        process.kill()
        process.wait()


def gaps(data: DataFolder) -> list[float]:
    return [after.start - before.start - before.duration for before, after in pairwise(data.segments())]


def test_an_engine_that_a_newer_one_replaced_starts_no_second_recorder(data: DataFolder) -> None:
    newer = Engine(data, epoch=7)
    with pytest.raises(Superseded):
        data.open(6)
    data.grows(1)
    assert data.pid() == newer.link.pid


def test_engines_that_race_for_a_stream_share_one_recorder(data: DataFolder) -> None:
    found: list[int] = []

    def run(epoch: int) -> None:
        try:
            found.append(data.open(epoch).pid)
        except Superseded:
            found.append(-1)

    threads = [threading.Thread(target=run, args=(epoch,)) for epoch in (3, 3, 3, 4, 2, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) - {-1} == {data.pid()}
    data.grows(1)
    assert len([line for line in data.log() if line.kind == "opened"]) == 1


def test_a_recorder_takes_over_other_limits_without_a_gap(data: DataFolder) -> None:
    first = Engine(data)
    data.grows(1)
    first.link.leave()
    second = Engine(data, epoch=2, min_free_bytes=1 << 60, stream_name="Door")
    assert second.link.pid == first.link.pid
    second.wait_for(RecorderHealth, lambda health: "are free on the disk" in health.reason)


@pytest.mark.parametrize("change", [{"record": False}, {"media_types": ["video"]}, {"allow_networks": "127.0.0.0/8"}])
def test_a_recorder_of_another_source_or_policy_is_replaced(data: DataFolder, change: dict[str, object]) -> None:
    first = Engine(data)
    data.grows(1)
    second = Engine(data, epoch=2, **change)
    assert second.link.pid != first.link.pid
    assert not second.link.taken_over
    until(lambda: not alive(first.link.pid), "the old recorder ends")


def test_a_recorder_of_another_protocol_is_replaced_within_a_gop_and_a_second(
    data: DataFolder,
) -> None:
    """The clip has a keyframe every half second."""
    with other_program(data):
        until(lambda: data.pid(FORKSERVER), "the fork server of the other version listens")
        channel = data.connect(FORKSERVER)
        read_greeting(channel)
        old = ask(channel, {"request": "start", "spec": asdict(data.spec())})["started"]
        channel.close()
        data.grows(2)
        engine = Engine(data, epoch=2)
        assert not alive(old)
        assert engine.link.pid != old
        data.grows(2)
        assert 0 <= max(gaps(data)) < 1.5


@pytest.mark.long
def test_a_recorder_that_does_not_respond_is_killed_and_replaced(data: DataFolder) -> None:
    first = Engine(data)
    data.grows(1)
    first.link.leave()
    os.kill(first.link.pid, signal.SIGSTOP)
    second = Engine(data, epoch=2)
    assert second.link.pid != first.link.pid
    assert not alive(first.link.pid)
    data.grows(1)
