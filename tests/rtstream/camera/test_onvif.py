"""A camera is asked for its streams at its own address only, and its responses are bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rtstream.camera.probe import OnvifDevice
from rtstream.models import CameraStream
from rtstream.rules.camera_login import CameraLogin
from tests.rtstream.camera.onvif_camera import ENVELOPE, PASSWORD, PROFILE, USER, OnvifCamera

LOGIN = CameraLogin("front", USER, PASSWORD)


@pytest.fixture
def camera(loopback: None) -> Iterator[OnvifCamera]:
    with OnvifCamera() as camera:
        yield camera


def asked(camera: OnvifCamera, login: CameraLogin | None = LOGIN) -> tuple[list[CameraStream], str]:
    from rtstream.camera.onvif import StreamRequest

    device = OnvifDevice("127.0.0.1", f"http://127.0.0.1:{camera.port}/onvif/device_service")
    request = StreamRequest(device, login, tls_verify=True)
    try:
        return request.streams()
    finally:
        request.close()


def test_the_streams_of_a_camera_are_listed_by_size_at_its_own_address(camera: OnvifCamera) -> None:
    streams, reason = asked(camera)
    assert reason == ""
    assert [(each.url, each.name, each.codec, each.width, each.height, each.fps) for each in streams] == [
        ("rtsp://127.0.0.1/main", "Main", "hevc", 2560, 1440, 25),
        ("rtsp://127.0.0.1/sub", "Sub", "h264", 640, 360, 25),
    ]
    assert camera.operations == ["GetServices", "GetCapabilities", "GetProfiles", "GetStreamUri", "GetStreamUri"]


def test_a_login_that_is_missing_or_wrong_is_named(camera: OnvifCamera) -> None:
    assert asked(camera, None) == (
        [],
        "The camera requires a login. Add NAME=USER:PASSWORD@127.0.0.1 to RTSTREAM_CAMERA_CREDENTIALS of the engine.",
    )
    streams, reason = asked(camera, CameraLogin("yard", USER, "wrong"))
    assert (streams, reason) == ([], "The camera refused the login 'yard' of RTSTREAM_CAMERA_CREDENTIALS.")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "rtsp://admin:1234@10.9.9.9:8554/live?channel=1&amp;subtype=0",
            "rtsp://127.0.0.1:8554/live?channel=1&subtype=0",
        ),
        (
            "rtsp://10.9.9.9/user=admin_password=tlJwpbo6_channel=1.sdp",
            "rtsp://127.0.0.1/user=***_password=***_channel=1.sdp",
        ),
        ("http://10.9.9.9:99/video", None),
        ("file:///etc/passwd", None),
        ("udp://10.9.9.9:5000", None),
        ("javascript:alert(1)", None),
        ("", None),
        ("rtsp://10.9.9.9/a b", None),
    ],
)
def test_the_url_of_a_stream_has_no_secret_and_can_be_opened(camera: OnvifCamera, url: str, shown: str | None) -> None:
    camera.urls = dict.fromkeys(camera.urls, url.replace("&amp;", "&"))
    streams, reason = asked(camera)
    found = {each.url for each in streams}
    if url.startswith("http:"):
        assert found == {f"http://127.0.0.1:{camera.port}/video"}
    elif shown is None:
        assert (found, reason) == (set(), "A stream has a URL that cannot be opened.")
    else:
        assert found == {shown}
        assert ("secret" in reason) == ("***" in shown)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("GetProfiles", "not XML"),
        ("GetProfiles", ENVELOPE.format("<GetProfilesResponse/>")),
        ("GetProfiles", "x" * (2 << 20)),
        ("GetCapabilities", ENVELOPE.format("")),
        ("GetStreamUri", ENVELOPE.format("<!-- -->")),
        ("GetProfiles", "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>"),
    ],
)
def test_a_camera_that_responds_badly_has_no_streams(camera: OnvifCamera, operation: str, body: str) -> None:
    camera.reply = lambda asked_for: body if asked_for == operation else None
    streams, _ = asked(camera)
    assert streams == []


def test_a_camera_with_countless_profiles_is_asked_for_the_first_ones(camera: OnvifCamera) -> None:
    profile = PROFILE.format(token="main", name="x" * 500, codec="H264", width=1, height=1)
    camera.reply = lambda operation: ENVELOPE.format(profile * 999) if operation == "GetProfiles" else None
    streams, _ = asked(camera)
    assert camera.operations.count("GetStreamUri") == 8
    assert [len(each.name) for each in streams] == [100]
