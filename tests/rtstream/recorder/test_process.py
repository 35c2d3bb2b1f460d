"""Failures of the source, of the engine and of the recorder itself."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest

from rtstream.forkserver import start_recorder
from rtstream.messages import (
    FrameTaken,
    RecorderHealth,
    RecorderSpec,
    RecordingEnded,
    RecordingStarted,
    SegmentClosed,
    decode,
)
from rtstream.testsource import ClipSpec, Faults, LiveSource
from tests.rtstream.recorder.recorder_client import ALLOWED, decoded, recorder
from tests.rtstream.recorder.recorder_sources import served, silent
from tests.waiting import eventually_sync


@pytest.mark.parametrize(
    "transport", ["rtsp_url", *(pytest.param(one, marks=pytest.mark.long) for one in ("http_url", "rtsp_url?udp"))]
)
def test_a_stalled_source_is_connected_again_and_the_gap_is_honest(
    transport: str, live_source: LiveSource, tmp_path: Path
) -> None:
    name, mark, query = transport.partition("?")
    with recorder(getattr(live_source, name) + mark + query, tmp_path, stall_timeout_s=2.0) as client:
        client.wait_for(SegmentClosed, 2)
        live_source.stall(True)
        began = time.monotonic()
        health = client.wait_for_state("reconnecting")
        noticed_s = time.monotonic() - began
        live_source.stall(False)
        client.wait_for_state("connected", 2)
        client.wait_for(RecordingStarted, 2)
        client.stop()
    assert health.reason == "the source sent nothing for 2 s"
    assert noticed_s < 3.6 or sys.platform != "linux"
    (first, second), ended = client.of(RecordingStarted)[:2], client.of(RecordingEnded)[0]
    assert ended.recording_id == first.recording_id
    assert second.started_at > ended.ended_at


@pytest.mark.parametrize("bframes", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_pause_of_an_rtsp_source_costs_no_keyframe(
    clip_of: Callable[[ClipSpec], Path], tmp_path: Path, bframes: int
) -> None:
    """After a pause of the stall limit, the first picture has no time, as after a connection."""
    spec = ClipSpec(width=160, height=90, seconds=6, gop=15, bframes=bframes, bitrate=100_000, voice="tones")
    faults = Faults(joins_late=True)
    with (
        LiveSource(clip_of(spec), faults=faults) as source,
        recorder(source.rtsp_url, tmp_path, segment_s=0.5, stall_timeout_s=1.0) as client,
    ):
        client.wait_for(SegmentClosed, 2)
        source.stall(True)
        began = time.monotonic()
        eventually_sync(lambda: time.monotonic() - began > 1.4, what="a pause that is shorter than two limits")
        source.stall(False)
        before = len(client.of(SegmentClosed))
        client.wait_for(SegmentClosed, before + 3)
        client.stop()
    shown = [picture for recording in client.of(RecordingStarted) for picture in decoded(client.recorded(recording))]
    assert [at for at, _ in shown] == sorted(at for at, _ in shown)
    steps = [(after - before) % 180 for (_, before), (_, after) in pairwise(shown)]
    pause = max(steps)
    at = steps.index(pause) + 1
    assert 30 <= pause <= 75
    assert shown[at][0] - shown[at - 1][0] == pytest.approx(pause / 30, abs=0.05)
    assert shown[at][1] % 15 == 0
    assert {*steps[at:-3]} == {1}  # of the last pictures, reordered ones may be missing


@pytest.mark.skipif(os.name != "posix", reason="no process can be stopped for a while here")
def test_a_recorder_that_stood_still_continues_without_a_loss(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path, segment_s=0.5, stall_timeout_s=1.0) as client:
        client.wait_for(SegmentClosed, 2)
        assert client.process.pid is not None
        os.kill(client.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        eventually_sync(lambda: time.monotonic() - began > 4.6, what="more than the library may take")
        os.kill(client.process.pid, signal.SIGCONT)
        before = len(client.of(SegmentClosed))
        client.wait_for(SegmentClosed, before + 10)
        client.stop()
    assert client.process.exitcode == 0
    (recording,) = client.of(RecordingStarted)
    numbers = [number for _, number in decoded(client.recorded(recording))]
    assert {(after - number) % 180 for number, after in pairwise(numbers)} == {1}


def test_a_source_that_hangs_up_is_connected_again(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.rtsp_url, tmp_path) as client:
        client.wait_for(SegmentClosed)
        live_source.close_clients()
        health = client.wait_for_state("reconnecting")
        client.wait_for_state("connected", 2)
        client.stop()
    assert health.attempts == 1
    assert "source" in health.reason
    assert health.code in ("source_unreachable", "source_ended")


def test_garbage_is_not_a_media_stream(tmp_path: Path) -> None:
    with served((os.urandom(3_000_000), 0.0)) as url, recorder(url, tmp_path, reconnect_max_s=1.0) as client:
        health = client.wait_for_state("reconnecting")
        client.wait_for_state("reconnecting", 2)
        client.stop()
    assert health.reason in (
        "the source does not send a supported media stream",
        "the source has no video or audio in a format that can be read",
    )
    assert health.code == "not_media"


def test_garbage_in_the_middle_of_a_stream_is_survived(clip: Path, tmp_path: Path) -> None:
    faults = Faults(drop=0.02, corrupt=0.02)
    with LiveSource(clip, faults=faults) as source, recorder(source.http_url, tmp_path, segment_s=0.5) as client:
        client.set_taps(tap=(0.04, 320), audio=True)
        client.wait_for(SegmentClosed, 5)
        client.stop()
    assert client.process.exitcode == 0
    for recording in client.of(RecordingStarted):
        with av.open(io.BytesIO(client.recorded(recording)), "r") as container:
            assert sum(1 for packet in container.demux(video=0) if packet.size) > 10


def test_a_source_that_never_answers_ends_the_process_in_time(tmp_path: Path) -> None:
    with silent() as url, recorder(url, tmp_path, open_timeout_s=0.5, stall_timeout_s=30.0) as client:
        health = client.wait_for_state("reconnecting")
        client.wait_end()
    assert (health.reason, health.code) == ("the source stopped answering", "source_unreachable")
    assert client.process.exitcode == 3


def test_what_was_announced_survives_a_kill(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path, segment_s=0.5) as client:
        client.wait_for(SegmentClosed, 4)
        client.process.kill()
        client.wait_end()
        segments = client.of(SegmentClosed)
        pictures = decoded(client.recorded())
    assert len(pictures) == pytest.approx(sum(segment.duration for segment in segments) * 30, abs=1)


def test_stopping_finishes_the_segment_also_while_the_source_is_silent(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path, segment_s=60.0) as client:
        client.wait_for_state("connected")
        client.set_taps(tap=(0.2, 160))
        client.wait_for(FrameTaken, 10)
        live_source.stall(True)
        began = time.monotonic()
        client.stop()
    assert time.monotonic() - began < 5.0
    assert client.of(RecorderHealth)[-1].state == "stopped"
    (segment,) = client.of(SegmentClosed)
    assert len(client.shown(segment)) == pytest.approx(segment.duration * 30, abs=1)
    assert client.of(RecordingEnded)


@pytest.mark.parametrize("blocked", [False, True], ids=["reading", "blocked-in-a-read"])
def test_a_worker_whose_engine_is_gone_ends(blocked: bool, live_source: LiveSource, tmp_path: Path) -> None:
    spec = RecorderSpec(
        "rts-test", live_source.http_url, ["video"], True, str(tmp_path), stall_timeout_s=60.0, **ALLOWED
    )
    process, connection = start_recorder(spec)
    states = []
    while "connected" not in states:
        assert connection.poll(10)
        states.append(getattr(decode(connection.recv_bytes()), "state", None))
    live_source.stall(blocked)
    connection.close()
    process.join(5)
    assert process.exitcode == 0


def test_a_worker_ends_when_the_engine_is_killed(live_source: LiveSource, tmp_path: Path) -> None:
    script = f"""
import sys, time
from rtstream.messages import RecorderSpec
from rtstream.forkserver import start_recorder
spec = RecorderSpec("rts-test", {live_source.http_url!r}, ["video"], True, {str(tmp_path)!r}, allow_networks="loopback")
process, connection = start_recorder(spec)
print(process.pid, "av" in sys.modules, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        pid, codec_library_loaded = engine.stdout.readline().split()
        engine.kill()
    assert codec_library_loaded == "False"
    deadline = time.monotonic() + 10
    while _runs(int(pid)):
        assert time.monotonic() < deadline, "the recorder outlived its engine"
        threading.Event().wait(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_keyboard_interrupt_does_not_reach_workers(live_source: LiveSource, tmp_path: Path) -> None:
    with recorder(live_source.http_url, tmp_path) as client:
        client.wait_for_state("connected")
        assert client.process.pid is not None
        os.kill(client.process.pid, signal.SIGINT)
        client.wait_for(SegmentClosed)
        client.stop()
    assert client.process.exitcode == 0


def test_a_disk_that_refuses_pauses_recording_and_nothing_else(live_source: LiveSource, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.write_text("a file where the folder should be")
    with recorder(live_source.http_url, folder) as client:
        client.set_taps(tap=(0.5, 160))
        paused = client.wait_for(RecorderHealth, where=lambda health: "recording is paused" in health.reason)
        client.wait_for(FrameTaken, 3)
        assert client.snapshot().payload
        client.stop()
    assert paused.state == "connected"
    assert not client.of(SegmentClosed)
