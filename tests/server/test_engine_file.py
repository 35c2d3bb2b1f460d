"""The file and the lock by which programs find the engine of a data folder."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from rtstream.errors import Unavailable
from server.engine_file import ENGINE_FILE, lock_held, read_engine_file
from server.local_engine import LocalEngine
from tests.server.mcp_servers import KEY, SCRIPT
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_the_engine_of_a_folder_is_recognised_by_its_lock_and_its_file_is_private(tmp_path: Path) -> None:
    locate = LocalEngine(tmp_path, KEY, start_timeout_s=60, idle_exit_s=60)
    env = {name: value for name, value in os.environ.items() if not name.startswith("RTSTREAM_")}
    with subprocess.Popen(
        [SCRIPT, "serve", "--port", "0", "--data-dir", str(tmp_path)], env={**env, "RTSTREAM_API_KEY": KEY}
    ) as engine:
        try:
            await eventually(lambda: read_engine_file(tmp_path), limit_s=60)
            assert lock_held(tmp_path)
            assert (tmp_path / ENGINE_FILE).stat().st_mode & 0o077 == 0
            endpoint = await locate(False)
            assert endpoint.identity is not None
            assert endpoint.identity.secret not in repr(endpoint)
            engine.send_signal(signal.SIGKILL)
            engine.wait(10)
            assert not lock_held(tmp_path)
            with pytest.raises(Unavailable):
                await locate(False)
        finally:
            engine.kill()
