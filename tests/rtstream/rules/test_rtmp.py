"""The application in an RTMP URL is the one that FFmpeg finds, and ``tcUrl`` has the name of the server."""

from __future__ import annotations

import pytest

from rtstream.rules.rtmp import application, tc_url
from rtstream.rules.source_urls import parse_source


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/live/key", "live"),
        ("/live/instance/key", "live/instance"),
        ("/live/instance/key/more", "live/instance"),
        ("/live/mp4:folder/file", "live"),
        ("/live/folder/mp4:file", "live/folder"),
        ("/live", ""),
        ("/", ""),
        ("/ondemand/anything/else", "ondemand"),
        ("/live/key?slist=a", "live/key?slist=a"),
    ],
)
def test_the_application_ends_before_the_name_of_the_stream(target: str, found: str) -> None:
    assert application(target) == found


@pytest.mark.parametrize(
    ("url", "announced"),
    [
        ("rtmp://cam.example/live/key", "rtmp://cam.example:1935/live"),
        ("rtmps://cam.example:444/live/a/key", "rtmps://cam.example:444/live/a"),
        ("rtmp://[2001:db8::1]/live/key", "rtmp://[2001:db8::1]:1935/live"),
    ],
)
def test_the_server_sees_its_own_name(url: str, announced: str) -> None:
    assert tc_url(parse_source(url)) == announced
