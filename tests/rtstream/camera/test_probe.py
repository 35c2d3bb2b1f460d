"""Probes find the devices that respond, at the addresses from which they respond."""

from __future__ import annotations

import sys
import time

import pytest

from rtstream.camera.probe import find_devices, service_url
from rtstream.errors import Unavailable
from tests.rtstream.camera.onvif_camera import OnvifCamera


@pytest.mark.usefixtures("loopback")
def test_a_camera_is_found_once_at_its_own_address() -> None:
    with OnvifCamera() as camera:
        (found,) = find_devices(0.6)
    assert (found.address, found.name, found.model) == ("127.0.0.1", "Front door", "IPC-1")
    assert found.service_url == f"http://127.0.0.1:{camera.port}/onvif/device_service"


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    "wrong", [b"", b"\xff\xfe", b"<a", b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>", b"<ProbeMatches/>"]
)
def test_damaged_responses_are_passed_over(monkeypatch: pytest.MonkeyPatch, wrong: bytes) -> None:
    with OnvifCamera() as camera:
        camera.before = wrong
        assert [each.name for each in find_devices(0.6)] == ["Front door"]


@pytest.mark.usefixtures("loopback")
def test_without_a_camera_the_search_ends_in_time() -> None:
    began = time.monotonic()
    assert find_devices(0.3) == []
    assert 0.25 < time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["http://10.1.1.1/onvif/device_service"], "http://h/onvif/device_service"),
        (["http://10.1.1.1:8080/x"], "http://h:8080/x"),
        (["https://[fe80::1]/x", "http://10.1.1.1/y"], "https://h/x"),
        (
            ["ftp://10.1.1.1/x", "http://a:99999/y", "http://b/" + "x" * 999, "http://[/"],
            "http://h/onvif/device_service",
        ),
        ([], "http://h/onvif/device_service"),
        (["http://user:pw@10.1.1.1/x?y=z#f"], "http://h/x"),
    ],
)
def test_the_service_is_asked_at_the_address_that_responded(urls: list[str], expected: str) -> None:
    assert service_url(urls, "h") == expected


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onveef", None)
    monkeypatch.setitem(sys.modules, "onveef.wsdiscovery", None)
    with pytest.raises(Unavailable, match=r"pip install 'rtstream-mcp\[onvif\]'"):
        find_devices(0.1)
