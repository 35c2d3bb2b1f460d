"""The RTSP server of the test source."""

from __future__ import annotations

from pathlib import Path

import av
import httpx
import pytest
from av.error import HTTPNotFoundError, HTTPUnauthorizedError

from rtstream.testsource import LiveSource
from tests.rtstream.testsource.test_live import HTTP, TCP, numbers


def test_the_password_is_asked_for(clip: Path) -> None:
    with LiveSource(clip, auth="ana:s3cret") as source:
        with pytest.raises(HTTPUnauthorizedError):
            av.open(source.rtsp_url, options=TCP)
        assert httpx.get(source.hls_url).status_code == 401
        for url, options in ((source.rtsp_url, TCP), (source.http_url, HTTP)):
            assert len(numbers(url.replace("://", "://ana:s3cret@"), options, 2)) == 2


def test_an_unknown_path_is_not_found(live_source: LiveSource) -> None:
    assert httpx.get(live_source.http_url + ".bak").status_code == 404
    with pytest.raises(HTTPNotFoundError):
        av.open(live_source.rtsp_url + "2", options=TCP)
