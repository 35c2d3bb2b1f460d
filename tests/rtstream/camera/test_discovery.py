"""Cameras are found with their streams, and only those that may be connected to are asked."""

from __future__ import annotations

import threading

import pytest

from rtstream.camera import discovery
from rtstream.camera.discovery import discover
from rtstream.rules.addresses import parse_allowed
from rtstream.rules.camera_login import parse_logins
from tests.rtstream.camera.onvif_camera import OnvifCamera

pytestmark = pytest.mark.usefixtures("loopback")

LOGINS = parse_logins("yard=a:b@10.0.0.0/8,front=admin:p%C3%A4ssw%C3%B6rd%2C1@127.0.0.1")


def test_a_camera_is_found_with_its_streams_and_the_name_of_its_login() -> None:
    with OnvifCamera():
        (camera,) = discover(0.5, parse_allowed("loopback"), LOGINS)
    assert (camera.address, camera.name, camera.model, camera.login) == ("127.0.0.1", "Front door", "IPC-1", "front")
    assert [stream.url for stream in camera.streams] == ["rtsp://127.0.0.1/main", "rtsp://127.0.0.1/sub"]
    assert camera.reason == ""


def test_a_camera_that_may_not_be_connected_to_is_listed_and_not_asked() -> None:
    with OnvifCamera() as found:
        (camera,) = discover(0.5, parse_allowed("private"), LOGINS)
    assert (camera.streams, camera.login, found.operations) == ([], None, [])
    assert "RTSTREAM_ALLOW_NETWORKS" in camera.reason


def test_a_camera_that_does_not_respond_holds_the_search_up_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "DESCRIBE_S", 0.3)
    ended = threading.Event()

    def hang(_: str) -> str | None:
        ended.wait(5)
        return None

    with OnvifCamera() as found:
        found.reply = hang
        (camera,) = discover(0.3, parse_allowed("loopback"), LOGINS)
        ended.set()
    assert (camera.streams, camera.reason) == ([], discovery.SILENT)
