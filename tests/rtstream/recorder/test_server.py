"""The socket of a recorder: engines come and go, and nothing that connects can disturb the recording."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rtstream.ipc.channel import Channel
from rtstream.ipc.handshake import PROTOCOL, Refused, ask, read_greeting
from rtstream.ipc.sockets import SUPPORTED, connect
from rtstream.messages import (
    FrameTaken,
    RecorderHealth,
    ReleaseRecorder,
    SegmentClosed,
    SetTaps,
    SnapshotTaken,
    StopRecorder,
    TakeSnapshot,
)
from rtstream.rules.recording_log import RecordingClosed
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.surviving import DataFolder, Engine, alive, data_folder, until
from tests.waiting import eventually_sync

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


@pytest.fixture
def data(live_source: LiveSource, tmp_path: Path) -> Iterator[DataFolder]:
    with data_folder(tmp_path, live_source.http_url) as made:
        yield made


def ends(channel: Channel) -> None:
    """The recorder ends the connection, at most after a refusal."""
    channel.socket.settimeout(10)
    with suppress(ConnectionResetError):
        while channel.socket.recv(4096):
            pass
    channel.close()


def test_the_next_engine_gets_the_state_frames_segments_and_the_current_picture(data: DataFolder) -> None:
    first = Engine(data)
    first.send(SetTaps({"tap": {"interval_s": 0.2, "max_side": 160}}))
    first.wait_for(FrameTaken)
    first.link.leave()
    data.grows()
    second = Engine(data, epoch=2)
    assert second.link.taken_over
    assert second.link.pid == first.link.pid
    assert second.wait_for(RecorderHealth).state == "connected"
    second.wait_for(SegmentClosed)
    assert not second.of(FrameTaken)  # the taps were those of the first engine
    second.send(SetTaps({"mine": {"interval_s": 0.2, "max_side": 160}}))
    assert second.wait_for(FrameTaken).taps == ["mine"]
    second.send(TakeSnapshot(7))
    assert second.wait_for(SnapshotTaken).payload
    assert len([line for line in data.log() if line.kind == "opened"]) == 1


def test_the_newest_of_two_engines_is_served_and_the_other_one_cut(data: DataFolder) -> None:
    older = Engine(data, epoch=4)
    newer = Engine(data, epoch=5)
    assert older.ended.wait(10)
    channel = data.connect()
    read_greeting(channel)
    request = {"request": "attach", "protocol": PROTOCOL, "epoch": 4, "spec": vars(data.spec())}
    with pytest.raises(Refused, match="newer engine") as refused:
        ask(channel, request)
    assert refused.value.code == "stale"
    count = len(newer.of(SegmentClosed))
    until(lambda: len(newer.of(SegmentClosed)) > count, "the newer one is served")


def test_garbage_silence_and_long_messages_are_cut_and_recording_continues(data: DataFolder) -> None:
    engine = Engine(data)
    chance = random.Random(5)
    hostile = [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!I", 2**32 - 1),
        struct.pack("!I", 2) + b"{}",
        struct.pack("!I", 4) + b"null",
        struct.pack("!I", 22) + b'{"request": "restart"}',
        struct.pack("!I", 21) + b'{"request": "attach"}',
        *(struct.pack("!I", 40) + chance.randbytes(40) for _ in range(4)),
    ]
    for sent in hostile:
        channel = data.connect()
        read_greeting(channel)
        channel.socket.sendall(sent)
        ends(channel)
    silent = [data.connect() for _ in range(20)]  # more than it serves at the same time
    data.grows()
    for channel in silent:
        ends(channel)
    assert not engine.ended.is_set()
    assert data.pid() == engine.link.pid


def test_messages_that_mean_nothing_do_not_end_the_recording(data: DataFolder) -> None:
    engine = Engine(data)
    for raw in (b"\0\xff", b'["set_taps", {"taps": 3}]\n', b'["stop", {"now": true}]\n', b'["segment", {}]\n', b"[]\n"):
        engine.link.send_bytes(raw)
    data.grows()
    assert data.pid() == engine.link.pid


@pytest.mark.parametrize("how", ["message", "request", "SIGTERM"])
def test_a_stopped_recorder_finishes_its_segment_and_leaves_no_socket(data: DataFolder, how: str) -> None:
    engine = Engine(data)
    data.grows(1)
    if how == "message":
        engine.send(StopRecorder())
    elif how == "request":
        channel = data.connect()
        read_greeting(channel)
        ask(channel, {"request": "stop"})
    else:
        os.kill(engine.link.pid, signal.SIGTERM)
    assert engine.ended.wait(10)
    until(lambda: not alive(engine.link.pid), "the process ends")
    assert isinstance(data.log()[-1], RecordingClosed)
    assert {path.name for path in data.run.iterdir()} == {"forkserver.sock", "forkserver.lock", "recorders.log"}


def test_a_released_recorder_ends_when_no_engine_comes(data: DataFolder) -> None:
    engine = Engine(data)
    data.grows(1)
    engine.send(ReleaseRecorder(1.0))
    engine.link.leave()
    until(lambda: not alive(engine.link.pid), "the recorder ends")
    assert isinstance(data.log()[-1], RecordingClosed)


def test_an_engine_that_does_not_read_delays_nothing(data: DataFolder) -> None:
    launched = data.open()
    launched.send_bytes(b'["set_taps", {"taps": {"tap": {"interval_s": 0.05, "max_side": 640}}, "audio": true}]\n')
    data.grows(6)
    launched.leave()
    assert Engine(data, epoch=2).link.pid == launched.pid


def test_a_source_that_ends_without_an_engine_is_reported_to_the_next_one(clip: Path, tmp_path: Path) -> None:
    with data_folder(tmp_path, f"file:{clip}") as data:
        first = Engine(data)
        first.wait_for(RecorderHealth, lambda health: health.state == "connected")
        first.link.leave()
        until(lambda: any(isinstance(line, RecordingClosed) for line in data.log()), "the file ends")
        second = Engine(data, epoch=2)
        health = second.wait_for(RecorderHealth)
        assert (health.state, health.reason) == ("stopped", "end of file")
        assert second.ended.wait(10)
        until(lambda: not alive(second.link.pid), "the recorder ends")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_cut_off_even_where_the_modes_are_open(live_source: LiveSource) -> None:
    with tempfile.TemporaryDirectory() as name, data_folder(Path(name), live_source.http_url) as data:
        engine = Engine(data)
        for path in (Path(name), data.run, data.run / f"{data.stream_id}.sock"):
            path.chmod(0o777)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                os._exit(0 if connect(data.run, f"{data.stream_id}.sock").recv(1) == b"" else 1)
            except ConnectionResetError:
                os._exit(0)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        data.grows(1)
        assert data.pid() == engine.link.pid


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_recorder_whose_data_folder_was_removed_ends_and_leaves_nothing(
    live_source: LiveSource, tmp_path: Path
) -> None:
    with data_folder(tmp_path / "data", live_source.http_url) as data:
        engine = Engine(data)
        data.grows(1)
        shutil.rmtree(tmp_path / "data")
        engine.link.leave()
        eventually_sync(lambda: not alive(engine.link.pid), limit_s=90, what="the end of the recorder")
        assert list(tmp_path.iterdir()) == []
