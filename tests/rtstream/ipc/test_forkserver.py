"""One fork server per data folder, which is replaced after an upgrade."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtstream.ipc.forkserver import ForkServerClient
from rtstream.ipc.sockets import FORKSERVER, SUPPORTED
from rtstream.testsource import LiveSource
from tests.rtstream.recorder.surviving import DataFolder, Engine, alive, data_folder, until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not SUPPORTED, reason="recorders end with the engine here"),
]


@pytest.fixture
def data(live_source: LiveSource, tmp_path: Path) -> Iterator[DataFolder]:
    with data_folder(tmp_path, live_source.http_url) as made:
        yield made


def programs(data: DataFolder) -> list[int]:
    """The fork servers of a data folder. Recorders have their command line as well, but another session each."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().split(b"\0")
            name = (path / "comm").read_text().strip()
        except OSError:
            continue
        if str(data.run).encode() in line and not name.startswith("rtrec-"):
            found.append(int(path.name))
    return found


def test_streams_that_start_at_once_share_one_fork_server(data: DataFolder) -> None:
    launcher = data.launcher()
    threads = [threading.Thread(target=launcher.warm) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ForkServerClient(data.run).connect().close()  # of another engine
    assert programs(data) == [data.pid(FORKSERVER)]


def test_a_fork_server_of_another_version_lets_its_successor_begin_and_its_recorders_live(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(data)
    before = data.pid(FORKSERVER)
    assert before is not None
    upgraded = data.launcher(2)
    monkeypatch.setattr("rtstream.ipc.forkserver.program_identity", lambda: "9.9+upgraded")
    upgraded.warm()
    assert data.pid(FORKSERVER) not in (None, before)
    data.grows()
    assert data.pid() == engine.link.pid
    assert alive(before)  # it waits for its recorder
    engine.link.kill()
    until(lambda: not alive(before), "it ends with its last recorder")
