"""The engine finds cameras with the logins of its settings, and opens their streams with these."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.engine.streams import camera_discovery
from rtstream.errors import Unavailable
from rtstream.models import ConnectStream
from rtstream.store.journal import Filter
from rtstream.testsource import LiveSource
from tests.rtstream.camera.loopback import probe_on_loopback
from tests.rtstream.camera.onvif_camera import OnvifCamera
from tests.rtstream.engine.test_engine import config, running

pytestmark = pytest.mark.anyio


async def test_a_stream_of_a_discovered_camera_is_connected_by_its_url_alone(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_on_loopback(monkeypatch)
    logins = "front=admin:p%C3%A4ssw%C3%B6rd%2C1@127.0.0.1"
    with (
        LiveSource(clip, auth="admin:pässwörd,1") as source,
        OnvifCamera(rtsp_port=source.rtsp_port) as device,
    ):
        device.urls["main"] = f"rtsp://10.9.9.9:{source.rtsp_port}/live"
        async with running(tmp_path, camera_credentials=logins) as engine:
            (camera,) = (await engine.cameras.discover(0.5)).cameras
            assert camera.login == "front"
            stream = await engine.connect_stream(ConnectStream(url=camera.streams[0].url))
            assert stream.health.state == "connected"
            assert stream.url == source.rtsp_url
            entries = (await engine.journal.read(0, Filter())).entries
            assert "ssw" not in stream.model_dump_json() + "".join(each.model_dump_json() for each in entries)


async def test_searches_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_discovery, "MOST_WAITING", 0)
    cameras = camera_discovery.CameraDiscovery(config(tmp_path))
    with pytest.raises(Unavailable, match="Try again"):
        await cameras.discover(0.5)
