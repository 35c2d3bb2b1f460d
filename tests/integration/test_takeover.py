"""Recorders outlive the engine: whatever ends it, the next one takes them over, and nothing is missing in between."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rtstream.ipc.sockets import SUPPORTED
from rtstream.testsource import LiveSource
from server.cli.stop import stop
from server.local_engine import read_engine_file
from tests.integration.recorder_processes import (
    FPS,
    alive,
    fork_server_of,
    gaps,
    lost,
    nothing_left,
    pictures,
    program,
    recorder_of,
    rows,
    until,
)

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_ends_and_comes_back_loses_no_picture(
    live_source: LiveSource, tmp_path: Path, number: signal.Signals
) -> None:
    with nothing_left(tmp_path):
        with program(tmp_path) as first:
            stream_id = first.connect(live_source.http_url)
            until(lambda: first.recorded_s(stream_id) > 1, "a second is recorded")
            recorder = recorder_of(tmp_path, stream_id)
            assert recorder is not None
            first.end(number)
        ended = rows(tmp_path, stream_id)[-1][1]
        with program(tmp_path) as second:
            until(lambda: second.recorded(stream_id)[-1][1] > ended + 2, "what was recorded meanwhile is there")
            assert recorder_of(tmp_path, stream_id) == recorder
            assert second.stream(stream_id)["health"]["state"] == "connected"
            second.set_running(stream_id, "stop")
            assert not alive(recorder)
            assert gaps(tmp_path, stream_id) == []
            assert len(second.recorded(stream_id)) == 1
            shown = pictures(tmp_path, stream_id)
            assert (len(shown), lost(shown)) == (1, 0)
            assert len(shown[0]) == pytest.approx(second.recorded_s(stream_id) * FPS, abs=1.5)
            second.end(signal.SIGINT)


def test_a_recorder_survives_the_engine_and_the_fork_server(live_source: LiveSource, tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        with program(tmp_path) as first:
            stream_id = first.connect(live_source.http_url)
            until(lambda: first.recorded_s(stream_id) > 1, "a second is recorded")
            fork_server = fork_server_of(tmp_path)
            assert fork_server is not None
            os.kill(fork_server, signal.SIGKILL)
            first.kill()
        with program(tmp_path) as second:
            until(lambda: second.recorded_s(stream_id) > 3, "recording continues")
            other = second.connect(live_source.rtsp_url)
            until(lambda: second.recorded_s(other) > 0, "another fork server starts recorders")
            assert fork_server_of(tmp_path) != fork_server
            second.set_running(stream_id, "stop")
            assert gaps(tmp_path, stream_id) == []
            assert lost(pictures(tmp_path, stream_id)) == 0
            second.end(signal.SIGINT)


def test_a_killed_recorder_is_replaced_within_two_seconds(live_source: LiveSource, tmp_path: Path) -> None:
    with nothing_left(tmp_path), program(tmp_path) as running:
        stream_id = running.connect(live_source.http_url)
        until(lambda: running.recorded_s(stream_id) > 1, "a second is recorded")
        recorder = recorder_of(tmp_path, stream_id)
        assert recorder is not None
        os.kill(recorder, signal.SIGKILL)
        until(lambda: len(running.recorded(stream_id)) > 1, "it records again")
        assert sum(gaps(tmp_path, stream_id)) < 2
        assert recorder_of(tmp_path, stream_id) not in (None, recorder)
        running.end(signal.SIGINT)
        assert recorder_of(tmp_path, stream_id) is None


@pytest.mark.long
def test_a_recorder_starts_a_crashed_engine_again(live_source: LiveSource, tmp_path: Path) -> None:
    """The engine has a key of the data folder, because an engine with secrets in its environment is not started."""
    with nothing_left(tmp_path):
        with program(tmp_path, RTSTREAM_API_KEY="") as first:
            stream_id = first.connect(live_source.http_url)
            until(lambda: first.recorded_s(stream_id) > 1, "a second is recorded")
            recorder = recorder_of(tmp_path, stream_id)
            first.kill()
        found = until(lambda: read_engine_file(tmp_path).get("pid") not in (None, first.process.pid), "another engine")
        assert found
        pid = read_engine_file(tmp_path)["pid"]
        ended = rows(tmp_path, stream_id)[-1][1]
        until(lambda: rows(tmp_path, stream_id)[-1][1] > ended + 1, "it enters what is recorded")
        assert recorder_of(tmp_path, stream_id) == recorder
        assert gaps(tmp_path, stream_id) == []
        assert stop(tmp_path) == "Ended: the engine."
        until(lambda: not alive(pid), "the engine ends")
