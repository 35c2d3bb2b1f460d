"""The official Node SDK connects a stream, lists and indexes it, and receives an alert on the WebSocket."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import av
import pytest

from rtstream.testsource import LiveSource
from tests.node_packages import node, node_packages
from tests.server.mcp_servers import KEY, Served

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]  # the first run installs packages

PACKAGE = "videodb@0.2.0"
SCRIPT = Path(__file__).parent / "node_sdk.mjs"
RUN_S = 90


def count_pictures(playlist: str) -> int:
    with av.open(playlist) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.long
async def test_the_node_sdk_receives_an_alert_of_a_stream_that_it_connected(
    served: Served, live_source: LiveSource, tmp_path: Path
) -> None:
    # Its install script downloads a program that captures the screen of other systems.
    modules = node_packages("videodb", PACKAGE, scripts=False)
    command = [str(node()), str(SCRIPT), str(modules), served.url, KEY, live_source.rtsp_url]
    with anyio.fail_after(RUN_S):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        ended = await anyio.run_process(command, env=env, cwd=tmp_path, check=False)
    printed = ended.stdout.decode()
    assert ended.returncode == 0, (printed + ended.stderr.decode())[-8000:]
    got = json.loads(printed.splitlines()[-1])
    stream_id, index_id = got["stream"]["id"], got["index"]["id"]
    assert got["collection"] == "default"
    assert got["listed"] == [stream_id]
    assert (got["index"]["name"], got["stream"]["status"]) == ("desk", "stopped")
    scene, alert = got["scene"], got["alert"]
    assert (scene["rtstream_id"], scene["data"]["rtstream_index_id"]) == (stream_id, index_id)
    assert (alert["rtstream_id"], alert["data"]["alert_id"]) == (stream_id, got["alertId"])
    assert (alert["data"]["event_id"], alert["data"]["label"]) == (got["eventId"], "changed")
    assert isinstance(alert["data"]["timestamp"], int)
    assert alert["data"]["timestamp"] == pytest.approx(alert["data"]["start"] * 1000, abs=60_000)
    assert got["scenes"] >= 1
    assert await anyio.to_thread.run_sync(count_pictures, got["clip"]) >= 30
    assert (await served.engine.streams.get(stream_id)).status == "stopped"
