"""The API finds cameras, and reports a missing extra."""

from __future__ import annotations

import sys

import httpx
import pytest

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, Unavailable
from tests.rtstream.api.conftest import KEY, Served
from tests.rtstream.camera.loopback import probe_on_loopback
from tests.rtstream.camera.onvif_camera import OnvifCamera

pytestmark = pytest.mark.anyio


async def test_cameras_are_listed_and_a_wait_that_is_too_long_is_refused(
    served: Served, client: RTStreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_on_loopback(monkeypatch)
    with OnvifCamera(login=False):
        (camera,) = await client.discover_cameras(0.5)
    assert (camera.address, camera.name, camera.streams) == ("127.0.0.1", "Front door", [])
    assert "RTSTREAM_ALLOW_NETWORKS" in camera.reason  # which does not name loopback here
    async with httpx.AsyncClient(base_url=served.url, headers={"x-access-token": KEY}) as web:
        response = await web.get("/rtstream/cameras?wait_s=99")
    assert response.status_code == 400


async def test_without_the_extra_the_error_says_what_to_install(
    client: RTStreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onveef.wsdiscovery", None)
    with pytest.raises(Unavailable, match=r"rtstream-mcp\[onvif\]"):
        await client.discover_cameras(0.5)
    with pytest.raises(InvalidRequest):
        await client.discover_cameras(0.1)
