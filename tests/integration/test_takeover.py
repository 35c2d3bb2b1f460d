"""Recorders outlive the engine: whatever ends it, the next one takes them over, and nothing is missing in between."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rtstream.ipc.sockets import SUPPORTED
from rtstream.testsource import LiveSource
from server.cli.stop import stop
from server.engine_file import read_engine_file
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
from tests.server.mcp_servers import SCRIPT

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


def reasons(stream: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and level of each reason in the health of a stream."""
    return [(each["code"], each["level"]) for each in stream["health"]["reasons"]]


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
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
            note = ("engine_restarted", "note")
            until(lambda: note in reasons(second.stream(stream_id)), "the health tells that the engine was restarted")
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


@pytest.mark.long
@pytest.mark.timeout(400)
def test_repeated_ends_of_the_engine_lose_no_picture_of_many_streams(live_source: LiveSource, tmp_path: Path) -> None:
    """Engines end in different ways, and two start at the same time."""
    ends = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]
    streams: list[str] = []
    recorders: set[int | None] = set()
    with nothing_left(tmp_path):
        for number in ends:
            with program(tmp_path) as running:
                rival = subprocess.Popen([SCRIPT, "serve", "--port", "0", "--data-dir", str(tmp_path)], stderr=-3)
                if not streams:
                    streams = [running.connect(live_source.http_url) for _ in range(4)]
                    streams += [running.connect(live_source.rtsp_url) for _ in range(2)]
                    until(lambda: all(running.recorded_s(one) > 1 for one in streams), "all are recorded")  # noqa: B023
                    recorders = {recorder_of(tmp_path, stream_id) for stream_id in streams}
                ended = {one: rows(tmp_path, one)[-1][1] for one in streams}
                for one, end in ended.items():
                    until(lambda: rows(tmp_path, one)[-1][1] > end + 1, "recording continues")  # noqa: B023
                assert rival.wait(30) == 2
                assert {recorder_of(tmp_path, stream_id) for stream_id in streams} == recorders
                running.end(number)
        with program(tmp_path) as running:
            until(lambda: all(len(running.recorded(one)) == 1 for one in streams), "the rows are there")
            assert stop(tmp_path) == "Ended: the engine."
        for stream_id in streams:
            assert gaps(tmp_path, stream_id) == []
            assert lost(pictures(tmp_path, stream_id)) == 0
