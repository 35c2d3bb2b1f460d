"""Streams that ran before are resumed when the engine starts, whatever the network is like at that moment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import InvalidRequest
from rtstream.models import ConnectStream
from rtstream.testsource import LiveSource
from server.settings import Settings
from tests.waiting import eventually

ROOT = Path(__file__).parents[4]


def test_without_a_name_server_streams_are_retried_until_there_is_one(clip: Path, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-n", "-m", "true"], capture_output=True).returncode:
        pytest.skip("network and mount namespaces are not permitted here")
    if shutil.which("ip") is None:
        pytest.skip("the ip program is not installed")
    command = [unshare, "-n", "-m", sys.executable, "-m", "tests.rtstream.engine.streams.nameless"]
    done = subprocess.run(
        [*command, str(tmp_path), str(clip)], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    # A silent name server delays a look-up for seconds; the start does not wait for those of each stream.
    assert seen["started_s"] < 5
    assert seen["asked"] > 0
    for state, reason, attempts in seen["without"]:
        assert (state, reason) == (
            "reconnecting",
            "the host name cannot be resolved; check its spelling and the network",
        )
        assert attempts >= 2
    assert seen["refusal"] == "The host name cannot be resolved. Check its spelling and the network."
    assert seen["refused_s"] < 8


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(data_dir=folder, local_vision=False, reconnect_max_s=0.5, **given)


@pytest.mark.anyio
async def test_a_source_that_may_no_longer_be_opened_is_an_error_and_other_streams_run(
    tmp_path: Path, live_source: LiveSource
) -> None:
    urls = [live_source.http_url, live_source.http_url.replace("127.0.0.1", "localhost")]
    async with Engine(settings(tmp_path, allow_networks="loopback")) as engine:
        ids = [(await engine.connect_stream(ConnectStream(url=url, store=True))).id for url in urls]
    async with Engine(settings(tmp_path)) as engine:
        for stream_id in ids:

            async def refused(one: str = stream_id) -> str:
                health = (await engine.streams.get(one)).health
                return health.reason if health.state == "error" else ""

            assert "loopback" in await eventually(refused)
        began = time.monotonic()
        with pytest.raises(InvalidRequest, match="RTSTREAM_ALLOW_NETWORKS"):
            await engine.streams.start(ids[0])
        assert time.monotonic() - began < 8
    async with Engine(settings(tmp_path, allow_networks="loopback")) as engine:
        for stream_id in ids:

            async def state(one: str = stream_id) -> str:
                return (await engine.streams.get(one)).health.state

            await eventually(state, lambda found: found == "connected")


@pytest.mark.anyio
async def test_a_publisher_needs_an_engine_that_listens(tmp_path: Path) -> None:
    async with Engine(settings(tmp_path)) as engine:
        with pytest.raises(InvalidRequest, match="--listen"):
            await engine.connect_stream(ConnectStream(url="push://phone"))
        with pytest.raises(InvalidRequest, match=r"push://phone\.$"):
            await engine.connect_stream(ConnectStream(url="push://phone/live"))
