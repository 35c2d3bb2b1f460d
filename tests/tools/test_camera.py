"""The tool finds cameras with URLs for connect_stream."""

from __future__ import annotations

import sys

import pytest
from mcp import Client

from tests.rtstream.camera.loopback import probe_on_loopback
from tests.rtstream.camera.onvif_camera import OnvifCamera

pytestmark = pytest.mark.anyio


async def test_cameras_are_found_with_urls_for_connect_stream(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    probe_on_loopback(monkeypatch)
    with OnvifCamera(login=False):
        result = await client.call_tool("discover_cameras", {"wait_s": 0.5})
    assert result.structured_content == {
        "cameras": [
            {
                "address": "127.0.0.1",
                "name": "Front door",
                "model": "IPC-1",
                "streams": ["rtsp://127.0.0.1/main hevc 2560x1440 25 fps", "rtsp://127.0.0.1/sub h264 640x360 25 fps"],
            }
        ],
        "next": "Call connect_stream with url and detect_url of a camera.",
    }


async def test_a_search_without_a_result_says_what_to_do(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    probe_on_loopback(monkeypatch)
    result = await client.call_tool("discover_cameras", {"wait_s": 0.5})
    assert result.structured_content is not None
    assert "ONVIF turned on" in result.structured_content["next"]
    monkeypatch.setitem(sys.modules, "onveef.wsdiscovery", None)
    result = await client.call_tool("discover_cameras", {"wait_s": 0.5})
    assert result.is_error
    assert "rtstream-mcp[onvif]" in str(result.content)
