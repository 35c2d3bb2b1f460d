"""The recorder's HTTP client checks each address and sends credentials to their origin only."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from rtstream.recorder.failures import SourceFailed
from rtstream.recorder.source import open_source
from tests.rtstream.recorder.guard import Guard
from tests.rtstream.recorder.hostile import FORBIDDEN_HOST, Site, forbidden
from tests.rtstream.recorder.test_web_input import media, pages, read_all, segments, spec

__all__ = ["segments"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_only_to_an_address_that_is_allowed(
    status: int, segments: list[bytes], tmp_path: Path
) -> None:
    site = Site(pages(segments))
    with forbidden() as listener, site.served() as base:
        site.pages["/away.ts"] = (status, {"Location": f"http://{FORBIDDEN_HOST}:{listener.port}/x"}, b"moved")
        with pytest.raises(SourceFailed, match=rf"the host is at {FORBIDDEN_HOST}"):
            open_source(spec(f"{base}/away.ts", tmp_path))
        assert not listener.connected.is_set()
        site.pages["/here.ts"] = (status, {"Location": f"{base}/0.ts"}, b"moved")
        assert read_all(f"{base}/here.ts", tmp_path) > 5
        site.pages["/round"] = (status, {"Location": "/round"}, b"")
        with pytest.raises(SourceFailed, match="redirects more than"):
            open_source(spec(f"{base}/round", tmp_path))
        site.pages["/file"] = (status, {"Location": "file:///etc/passwd"}, b"")
        with pytest.raises(SourceFailed, match="not a plain http"):
            open_source(spec(f"{base}/file", tmp_path))


@pytest.mark.parametrize("location", ["http://[", "http://[::1", "//a]b/", "http://[x]/", "http://a℀b/", ""])
def test_a_redirect_to_an_address_that_cannot_be_read_is_a_failure_with_a_reason(
    location: str, segments: list[bytes], tmp_path: Path
) -> None:
    site = Site(pages(segments))
    with site.served() as base:
        site.pages["/away"] = (302, {"Location": location.encode().decode("latin-1")}, b"")
        with pytest.raises(SourceFailed, match=r"not a plain http|redirects more than"):
            open_source(spec(f"{base}/away", tmp_path))


def test_credentials_go_to_the_origin_of_the_source_only(segments: list[bytes], tmp_path: Path) -> None:
    guard = Guard(("Basic",), user="user", password="secret")
    site, other = Site(pages(segments), guard=guard), Site(pages(segments))
    with site.served() as base, other.served() as elsewhere:
        site.pages["/split.m3u8"] = media("#EXTINF:0.5,", "0.ts", "#EXTINF:0.5,", f"{elsewhere}/1.ts")
        assert read_all(base.replace("//", "//user:secret@") + "/split.m3u8", tmp_path) > 10
    assert all("authorization" in headers for headers in site.headers[1:])
    assert guard.refused == 1
    assert other.headers
    assert not any("authorization" in headers for headers in other.headers)


def test_a_proxy_of_the_environment_is_not_used(
    segments: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forbidden() as listener, Site(pages(segments)).served() as base:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{FORBIDDEN_HOST}:{listener.port}")
        assert read_all(f"{base}/live.m3u8", tmp_path) > 20
        assert not listener.connected.is_set()


def test_endless_informational_responses_end_the_request(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while True:
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(SourceFailed, match="does not speak HTTP"):
            open_source(spec(f"http://127.0.0.1:{server.getsockname()[1]}/x.ts", tmp_path))
        thread.join(10)
        assert not thread.is_alive()
