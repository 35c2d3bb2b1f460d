"""The synthetic live source, read with the codec library as any client would."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from rtstream.testsource import ClipSpec, LiveSource, read_barcode

TCP = {"rtsp_transport": "tcp", "timeout": "5000000"}
UDP = {"rtsp_transport": "udp", "timeout": "5000000"}
HTTP = {"rw_timeout": "5000000"}


def options_for(transport: str) -> dict[str, str]:
    return {"tcp": TCP, "udp": UDP}.get(transport, HTTP)


def url_for(source: LiveSource, transport: str) -> str:
    return {"http": source.http_url, "hls": source.hls_url}.get(transport, source.rtsp_url)


def barcode(frame: av.VideoFrame) -> int:
    return read_barcode(frame.to_ndarray(format="rgb24"))


def numbers(url: str, options: dict[str, str], count: int) -> list[int]:
    with av.open(url, options=options) as container:
        return [barcode(frame) for frame, _ in zip(container.decode(video=0), range(count), strict=False)]


@pytest.mark.parametrize("transport", ["http", "tcp", "udp"])
def test_a_client_gets_every_picture_beginning_with_the_last_keyframe(
    clip_of: Callable[[ClipSpec], Path], transport: str
) -> None:
    # A keyframe every 2 s only: a client that had to wait for the next one would show it.
    path = clip_of(ClipSpec(width=320, height=180, seconds=4, gop=60, bitrate=300_000, voice="tones"))
    with LiveSource(path) as source:
        numbers(source.http_url, HTTP, 30)  # the first second is over
        begun = time.monotonic()
        with av.open(url_for(source, transport), options=options_for(transport)) as container:
            frames = container.decode(video=0)
            first = barcode(next(frames))
            waited = time.monotonic() - begun
            rest = [barcode(frame) for frame, _ in zip(frames, range(20), strict=False)]
    assert first % 60 == 0
    assert rest == [(first + n) % 120 for n in range(1, 21)]
    assert waited < 1.0


@pytest.mark.parametrize("transport", ["http", "tcp"])
def test_a_client_that_joins_late_gets_no_picture_twice(live_source: LiveSource, transport: str) -> None:
    live_source.faults.joins_late = True
    joined = live_source.frame_number(time.time())
    with av.open(url_for(live_source, transport), options=options_for(transport)) as container:
        first = barcode(next(container.decode(video=0)))
    assert first % 15 == 0
    assert (first - joined) % 180 < 90  # after it joined


def test_many_clients_share_one_source(live_source: LiveSource) -> None:
    containers = [av.open(live_source.http_url, options=HTTP) for _ in range(4)]
    read = [[barcode(frame) for frame, _ in zip(c.decode(video=0), range(25), strict=False)] for c in containers]
    for container in containers:
        container.close()
    for sequence in read:
        assert sequence == [(sequence[0] + n) % 180 for n in range(25)]


@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGINT"])
def test_the_program_prints_its_addresses_and_ends_when_told(clip: Path, end: str) -> None:
    command = [sys.executable, "-m", "rtstream.testsource", "--clip", str(clip)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        told = json.loads(program.stdout.readline())
        assert numbers(told["http_url"], HTTP, 1)[0] % 15 == 0
        if end == "stdin":
            program.stdin.close()
        else:
            program.send_signal(getattr(signal, end))
        assert program.wait(10) == 0
