"""Logins at RTSP servers, with media: the codec library knows Basic and MD5 only, the recorder more."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rtstream.messages import RecorderSpec
from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.source import open_source
from rtstream.testsource.live import LiveSource
from tests.rtstream.recorder.guard import Guard, guarded_rtsp


def spec(url: str, folder: Path) -> RecorderSpec:
    settings: dict[str, Any] = {"allow_networks": "loopback"}
    return RecorderSpec("rts-test", url, ["video"], True, str(folder), 4.0, 1.0, 4.0, **settings)


def read(url: str, folder: Path, number: int = 40) -> int:
    """Packets read of a source, at most ``number``."""
    source = open_source(spec(url, folder))
    try:
        found = 0
        for packet in source.container.demux(source.video):
            found += bool(packet.size)
            if found == number:
                break
        return found
    finally:
        source.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("schemes", "used"),
    [
        (("Basic",), "Basic"),
        (("MD5",), "MD5"),
        (("MD5-sess",), "MD5-sess"),
        (("SHA-256",), "SHA-256"),
        (("SHA-256-sess",), "SHA-256-sess"),
        (("Basic", "SHA-256", "MD5"), "SHA-256"),
        (("MD5", "SHA-256"), "SHA-256"),
        (("Bearer", "MD5", "SHA3"), "MD5"),
    ],
)
def test_a_stream_plays_after_a_login_with_the_strongest_scheme(
    schemes: tuple[str, ...], used: str, transport: str, live_source: LiveSource, tmp_path: Path
) -> None:
    guard = Guard(schemes, together=len(used) % 2 == 0)
    with guarded_rtsp(guard, live_source.rtsp_url) as url:
        assert read(f"{url}?{transport}", tmp_path) == 40
        assert guard.ended.wait(10)
    assert set(guard.taken) == {used}
    assert guard.refused == 1
    assert {"OPTIONS", "DESCRIBE", "SETUP", "PLAY"} <= set(guard.methods)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", ["", "auth", "auth-int", "auth,auth-int"])
def test_gstreamer_plays_behind_a_digest(algorithm: str, qop: str, gst_rtsp: str, tmp_path: Path) -> None:
    guard = Guard((algorithm,), qop)
    with guarded_rtsp(guard, gst_rtsp) as url:
        assert read(url, tmp_path) == 40
    assert set(guard.taken) == {algorithm}


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("says_stale", [True, False])
@pytest.mark.parametrize("realm", ["cam", 'the "cam"'])
def test_a_nonce_that_is_too_old_is_replaced(
    algorithm: str, says_stale: bool, realm: str, live_source: LiveSource, tmp_path: Path
) -> None:
    guard = Guard((algorithm,), lasts=1, says_stale=says_stale, realm=realm, user="admin", password="secret")
    with guarded_rtsp(guard, live_source.rtsp_url) as url:
        assert read(url, tmp_path) == 40
    played = guard.methods.index("PLAY") + 1
    assert played <= guard.refused <= played + 1  # the codec library does not wait for the response to TEARDOWN


@pytest.mark.parametrize(
    ("login", "schemes", "message"),
    [
        (None, ("Basic", "SHA-256"), r"wants a user name and password \(it offers Basic, Digest SHA-256\)"),
        ("admin:wrong", ("MD5", "SHA-256"), r"does not accept .* \(it offers Digest MD5, Digest SHA-256\)"),
        ("admin:wrong", ("MD5",), r"does not accept .* \(it offers Digest MD5\)"),
        ("admin:wrong", ("Basic",), r"does not accept .* \(it offers Basic\)"),
        ("admin:wrong", ("SHA3", "Bearer"), "offers only a login with Digest SHA3, Bearer, which is not supported"),
    ],
)
def test_a_failed_login_names_the_schemes_of_the_server(
    login: str | None, schemes: tuple[str, ...], message: str, live_source: LiveSource, tmp_path: Path
) -> None:
    guard = Guard(schemes)
    with guarded_rtsp(guard, live_source.rtsp_url) as url:
        place = url.partition("@")[2]
        began = time.monotonic()
        with pytest.raises(SourceFailed, match=message) as failed:
            open_source(spec(f"rtsp://{login}@{place}" if login else f"rtsp://{place}", tmp_path))
    assert failed.value.lasting
    assert time.monotonic() - began < 3
    assert guard.refused <= 2


def test_a_server_that_refuses_each_login_as_too_old_is_left(live_source: LiveSource, tmp_path: Path) -> None:
    guard = Guard(("SHA-256",), lasts=0)
    with guarded_rtsp(guard, live_source.rtsp_url) as url, pytest.raises(SourceFailed, match="Digest SHA-256"):
        open_source(spec(url, tmp_path))
    assert guard.refused <= 3


def test_a_login_of_the_codec_library_costs_no_relay(live_source: LiveSource, tmp_path: Path) -> None:
    guard = Guard(("MD5",), realm="cam", user="admin", password="secret")
    with guarded_rtsp(guard, live_source.rtsp_url) as url:
        source = open_source(spec(url, tmp_path))
        try:
            for number, _ in enumerate(source.container.demux(source.video)):
                if number == 60:
                    break
            assert not [thread for thread in threading.enumerate() if thread.name == "relay"]
        finally:
            source.close()
