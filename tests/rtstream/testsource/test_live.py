"""The synthetic live source, read with the codec library as any client would."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from av.error import FFmpegError, HTTPNotFoundError, HTTPUnauthorizedError

from rtstream.testsource import ClipSpec, Faults, LiveSource, make_clip, read_barcode, read_sentence

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


def test_a_clip_has_its_frame_number_in_every_picture(clip: Path) -> None:
    with av.open(str(clip)) as container:
        assert [barcode(frame) for frame in container.decode(video=0)] == list(range(180))


def test_the_barcode_can_be_read_from_a_scaled_picture(clip_720p: Path) -> None:
    with av.open(str(clip_720p)) as container:
        frame = next(container.decode(video=0))
        small = frame.reformat(width=768, height=432)
    assert barcode(small) == 0


def test_a_picture_without_a_barcode_is_refused() -> None:
    with pytest.raises(ValueError, match="no clear barcode"):
        read_barcode(np.full((180, 320, 3), 128, np.uint8))


def test_a_clip_is_made_once(tmp_path: Path) -> None:
    spec = ClipSpec(width=160, height=90, seconds=1, bitrate=100_000, voice="tones")
    first = make_clip(spec, tmp_path)
    made = first.stat().st_mtime_ns
    assert make_clip(spec, tmp_path) == first
    assert first.stat().st_mtime_ns == made
    assert make_clip(ClipSpec(width=160, height=90, seconds=1, bitrate=100_000, audio=False), tmp_path) != first


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


def test_every_sentence_has_its_number(clip_of: Callable[[ClipSpec], Path]) -> None:
    path = clip_of(ClipSpec(width=160, height=90, fps=10, seconds=8, bitrate=50_000, voice="numbers"))
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        blocks = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    samples = np.concatenate([block.to_ndarray()[0] for block in blocks])
    said = [samples[at : at + 16_000] for at in range(1600, 8 * 16_000, 32_000)]
    assert [read_sentence(one, 16_000) for one in said] == [0, 1, 2, 3]
    assert read_sentence(said[2][8_000:], 16_000) == 2  # the second half of it


@pytest.mark.parametrize("hz", [0, 420, 100, 5000])
def test_audio_without_a_numbered_sentence_is_refused(hz: int) -> None:
    samples = (9000 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)).astype(np.int16)
    with pytest.raises(ValueError, match="audio is"):
        read_sentence(samples, 16_000)


@pytest.mark.parametrize(("transport", "bframes"), [("http", 0), ("http", 2), ("tcp", 2)])
def test_timestamps_go_on_where_the_clip_begins_again(
    clip_of: Callable[[ClipSpec], Path], transport: str, bframes: int
) -> None:
    path = clip_of(ClipSpec(width=160, height=90, seconds=1, gop=15, bframes=bframes, bitrate=100_000, voice="tones"))
    times: dict[str, list[float]] = {"video": [], "audio": []}
    with LiveSource(path) as source, av.open(url_for(source, transport), options=options_for(transport)) as container:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                times[packet.stream.type].append(float(packet.pts * packet.time_base))
            if len(times["video"]) > 60:
                break
    shown = sorted(times["video"])[:-3]  # pictures before the last ones shown may still be on their way
    assert np.diff(shown) == pytest.approx(1 / 30, abs=1e-3)
    assert np.diff(times["audio"]) == pytest.approx(1024 / 48000, abs=1e-3)


def test_the_picture_shown_is_the_one_of_that_moment(live_source: LiveSource) -> None:
    with av.open(live_source.rtsp_url, options=TCP) as container:
        frames = list(zip(container.decode(video=0), range(20), strict=False))
        # From the sender reports: Unix time of time stamp zero.
        assert container.start_time_realtime is not None
        anchor = container.start_time_realtime / 1e6
    for frame, _ in frames[3:]:
        assert live_source.frame_number(anchor + frame.time + 0.001) == barcode(frame)


def test_many_clients_share_one_source(live_source: LiveSource) -> None:
    containers = [av.open(live_source.http_url, options=HTTP) for _ in range(4)]
    read = [[barcode(frame) for frame, _ in zip(c.decode(video=0), range(25), strict=False)] for c in containers]
    for container in containers:
        container.close()
    for sequence in read:
        assert sequence == [(sequence[0] + n) % 180 for n in range(25)]


def test_live_hls_lists_what_it_serves(live_source: LiveSource) -> None:
    numbers(live_source.http_url, HTTP, 60)
    playlist = httpx.get(live_source.hls_url).text
    assert playlist.count("#EXTINF:0.500,") >= 2
    played = numbers(live_source.hls_url, {}, 30)
    assert played == [(played[0] + n) % 180 for n in range(30)]


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


def test_lost_packets_lose_pictures(clip: Path) -> None:
    with LiveSource(clip, faults=Faults(drop=0.2)) as source, av.open(source.rtsp_url, options=TCP) as container:
        packets = [packet for packet, _ in zip(container.demux(video=0), range(40), strict=False)]
        steps = np.diff([float(p.dts * p.time_base) for p in packets if p.dts is not None and p.time_base is not None])
    assert steps.max() > 1.5 / 30


def test_corrupt_packets_arrive_damaged(clip: Path, live_source: LiveSource) -> None:
    live_source.faults.corrupt = 0.3
    with httpx.stream("GET", live_source.http_url) as response:
        data = b""
        for chunk in response.iter_raw():
            data += chunk
            if len(data) > 100_000:
                break
    assert any(data[at + 96 : at + 188] == bytes(92) for at in range(0, 100_000 - 188, 188))


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
