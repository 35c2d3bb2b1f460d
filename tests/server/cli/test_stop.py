"""``rtstream-mcp stop`` ends everything on a data folder, whatever is left of it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from rtstream.ipc import recorders
from rtstream.ipc.sockets import FORKSERVER, SOCKET_SUFFIX, SUPPORTED, run_folder
from rtstream.rules.recording_log import LOG_FILE, RecordingClosed, decode
from rtstream.testsource import LiveSource
from server.cli.stop import stop
from server.engine_file import lock_held
from tests.integration.recorder_processes import alive, fork_server_of, nothing_left, program, recorder_of, until
from tests.server.mcp_servers import SCRIPT


def test_a_folder_on_which_nothing_runs_is_reported(tmp_path: Path) -> None:
    assert stop(tmp_path) == f"Nothing runs on {tmp_path}."
    assert stop(tmp_path / "missing") == f"Nothing runs on {tmp_path / 'missing'}."
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")
@pytest.mark.parametrize("crashed", [pytest.param(False, marks=pytest.mark.long), True])
def test_the_engine_and_its_recorders_end_in_order(live_source: LiveSource, tmp_path: Path, crashed: bool) -> None:
    with nothing_left(tmp_path), program(tmp_path) as running:
        stream_id = running.connect(live_source.http_url)
        until(lambda: running.recorded_s(stream_id) > 0.5, "something is recorded")
        recorder, fork_server = recorder_of(tmp_path, stream_id), fork_server_of(tmp_path)
        assert recorder is not None
        assert fork_server is not None
        if crashed:
            running.kill()
            assert alive(recorder)
        command = [SCRIPT, "stop", "--data-dir", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=150)
        what = "a recorder" if crashed else "the engine"
        assert (ended.returncode, ended.stdout) == (0, f"Ended: {what}.\n")
        assert running.process.wait(10) == (-9 if crashed else 0)
        assert not alive(recorder)
        until(lambda: not alive(fork_server), "the fork server ends")
        assert not list(run_folder(tmp_path).glob(f"*{SOCKET_SUFFIX}"))
        (log,) = tmp_path.glob(f"media/{stream_id}/*/{LOG_FILE}")
        assert isinstance(decode(log.read_bytes())[0][-1], RecordingClosed)
    if crashed:
        with program(tmp_path) as again, nothing_left(tmp_path):
            until(lambda: len(again.recorded(stream_id)) == 2, "the stream is recorded again")
            stop(tmp_path)


@pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")
def test_an_engine_that_starts_while_another_is_stopped_leaves_one_recorder_at_most(
    live_source: LiveSource, tmp_path: Path
) -> None:
    with nothing_left(tmp_path), program(tmp_path) as first:
        stream_id = first.connect(live_source.http_url)
        until(lambda: first.recorded_s(stream_id) > 0.5, "something is recorded")
        stopping = threading.Thread(target=lambda: recorders.stop_all(run_folder(tmp_path), [stream_id]))
        first.end()
        stopping.start()
        with program(tmp_path) as second:
            stopping.join()
            before = second.recorded_s(stream_id)
            until(lambda: second.recorded_s(stream_id) > before + 1, "the stream is recorded")
            assert recorders.living(run_folder(tmp_path)) == [stream_id]
            stop(tmp_path)
        assert recorders.living(run_folder(tmp_path)) == []
        assert not lock_held(tmp_path)
        assert not (run_folder(tmp_path) / f"{FORKSERVER}{SOCKET_SUFFIX}").exists()
