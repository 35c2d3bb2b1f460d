"""Clients of a test source can be cut, stalled and left without a response."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import av
import pytest
from av.error import FFmpegError

from rtstream.testsource import Faults, LiveSource
from tests.rtstream.testsource.test_live import TCP, numbers, options_for, url_for


@pytest.mark.parametrize("transport", ["http", "tcp"])
def test_cut_clients_see_the_end_and_can_come_back(live_source: LiveSource, transport: str) -> None:
    url, options = url_for(live_source, transport), options_for(transport)
    with av.open(url, options=options) as container, contextlib.suppress(OSError):
        for count, _ in enumerate(container.demux(video=0)):
            if count == 5:
                live_source.close_clients()
            assert count < 200
    assert len(numbers(url, options, 3)) == 3


@pytest.mark.parametrize("transport", ["http", "tcp", "udp"])
def test_a_stalled_source_sends_nothing_and_goes_on_with_a_keyframe(live_source: LiveSource, transport: str) -> None:
    option = "rw_timeout" if transport == "http" else "timeout"
    options = options_for(transport) | {option: "700000"}
    with av.open(url_for(live_source, transport), options=options) as container:
        packets = container.demux(video=0)
        next(packets)
        live_source.stall(True)
        with pytest.raises(OSError):  # noqa: PT011 - a time-out or an I/O error, after the transport
            list(packets)
    live_source.stall(False)
    assert numbers(url_for(live_source, transport), options_for(transport), 1)[0] % 15 == 0


def test_a_silent_source_never_answers(clip: Path) -> None:
    with LiveSource(clip, faults=Faults(silent=True)) as source:
        begun = time.monotonic()
        with pytest.raises(FFmpegError):
            av.open(source.rtsp_url, options=TCP | {"timeout": "300000"})
        assert time.monotonic() - begun >= 0.3
        source.faults.silent = False
        assert len(numbers(source.rtsp_url, TCP, 1)) == 1
