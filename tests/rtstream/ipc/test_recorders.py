"""Finding and ending the recorders of a data folder without an engine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rtstream.ipc import recorders
from rtstream.ipc.sockets import SUPPORTED, listen
from rtstream.rules.recording_log import RecordingClosed
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.surviving import Engine, alive, data_folder, until

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here")


@pytest.mark.engine
def test_living_recorders_are_found_and_stopped_in_order(live_source: LiveSource, tmp_path: Path) -> None:
    with data_folder(tmp_path, live_source.http_url) as data:
        engine = Engine(data)
        data.grows(1)
        assert recorders.living(data.run) == [data.stream_id]
        assert recorders.stop_all(data.run, [data.stream_id, "rts-unknown"]) == [data.stream_id]
        assert not alive(engine.link.pid)
        assert isinstance(data.log()[-1], RecordingClosed)
        assert recorders.living(data.run) == []


@pytest.mark.engine
def test_a_frozen_recorder_is_killed(live_source: LiveSource, tmp_path: Path) -> None:
    import os
    import signal

    with data_folder(tmp_path, live_source.http_url) as data:
        engine = Engine(data)
        os.kill(engine.link.pid, signal.SIGSTOP)
        assert recorders.stop(data.run, data.stream_id, 0.5)
        until(lambda: not alive(engine.link.pid), "the recorder is killed")


def test_a_socket_without_a_process_and_a_missing_folder_hold_no_recorder(tmp_path: Path) -> None:
    assert recorders.living(tmp_path / "run") == []
    assert not recorders.stop(tmp_path / "run", "rts-1")
    with closing(listen(tmp_path, "rts-1.sock")):
        pass
    assert recorders.living(tmp_path) == []
    assert not recorders.stop(tmp_path, "rts-1")
