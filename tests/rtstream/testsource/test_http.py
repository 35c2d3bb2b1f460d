"""Live HLS and transport streams over HTTP."""

from __future__ import annotations

import httpx

from rtstream.testsource import LiveSource
from tests.rtstream.testsource.test_live import HTTP, numbers


def test_live_hls_lists_what_it_serves(live_source: LiveSource) -> None:
    numbers(live_source.http_url, HTTP, 60)
    playlist = httpx.get(live_source.hls_url).text
    assert playlist.count("#EXTINF:0.500,") >= 2
    played = numbers(live_source.hls_url, {}, 30)
    assert played == [(played[0] + n) % 180 for n in range(30)]
