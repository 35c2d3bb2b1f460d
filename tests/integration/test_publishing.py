"""ffmpeg publishes to the engine, and is recorded through cuts and through the death of the engine."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rtstream.ipc.sockets import publisher_socket
from tests.integration.recorder_processes import LIMIT_S, Program, nothing_left, pictures, program, rows, until

LISTEN = {"RTSTREAM_LISTEN": "rtmp://127.0.0.1:0,srt://127.0.0.1:0"}
FORMATS = {"rtmp": "flv", "srt": "mpegts"}
both = pytest.mark.parametrize("protocol", [*FORMATS])


@pytest.fixture
def running() -> Iterator[ExitStack]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    with ExitStack() as stack:
        yield stack


def publish(stack: ExitStack, clip: Path, url: str) -> subprocess.Popen[str]:
    """Start a publisher that is killed at the end of the test."""
    form = FORMATS[url.partition(":")[0]]
    url += "&connect_timeout=10000" if form == "mpegts" else ""  # ms; a busy machine starts programs slowly
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-f", form, url]
    process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    return process


def publish_url(engine: Program, stream_id: str, protocol: str) -> str:
    """The URL at which a publisher of this protocol sends."""
    (url,) = [each for each in engine.stream(stream_id)["publish_urls"] if each.startswith(protocol)]
    return url


def recorded(engine: Program, stream_id: str, seconds: float) -> None:
    until(lambda: engine.recorded_s(stream_id) >= seconds, f"{seconds} s of {stream_id} are recorded")


@both
@pytest.mark.long
def test_four_publishers_are_told_apart_and_a_cut_costs_less_than_two_seconds(
    running: ExitStack, clip: Path, tmp_path: Path, protocol: str
) -> None:
    data_dir = tmp_path / "data"
    running.enter_context(nothing_left(data_dir))
    engine = running.enter_context(program(data_dir, tmp_path / "log", LIMIT_S, **LISTEN))
    ids = [engine.connect(f"push://{name}", name=name) for name in ("obs", "phone", "drone", "door")]
    again = engine.client.post("/rtstream", json={"url": "push://OBS"}).json()
    assert "publisher of this name" in again["message"]
    sending = [publish(running, clip, publish_url(engine, stream_id, protocol)) for stream_id in ids]
    for stream_id in ids:
        recorded(engine, stream_id, 2)
    (key,) = re.findall(r"[a-z2-7]{24}", publish_url(engine, ids[0], protocol).partition("&")[0])
    began = time.monotonic()
    second = publish(running, clip, publish_url(engine, ids[0], protocol))
    wrong = publish(running, clip, publish_url(engine, ids[0], protocol).replace(key, f"{key[:-4]}none"))
    for refused, text in ((second, "Another publisher is sending"), (wrong, "key is unknown")):
        assert refused.wait(20)
        assert refused.stderr is not None
        assert (text if protocol == "rtmp" else "REJECT") in refused.stderr.read()
    assert time.monotonic() - began < 4  # with the start of two programs
    sending[1].kill()
    until(lambda: engine.stream(ids[1])["health"]["state"] == "reconnecting", "the cut is noticed")
    cut = time.time()
    publish(running, clip, publish_url(engine, ids[1], protocol))
    until(lambda: any(start > cut - 0.5 for start, _ in rows(data_dir, ids[1])), "it is recorded again")
    back = min(start for start, _ in rows(data_dir, ids[1]) if start > cut - 0.5)
    assert back - cut < 2
    for stream_id in (ids[0], ids[2], ids[3]):
        assert engine.stream(stream_id)["health"]["state"] == "connected"
        assert len(pictures(data_dir, stream_id)) == 1
    engine.client.delete(f"/rtstream/{ids[3]}").raise_for_status()
    sockets = {stream_id: data_dir / "run" / publisher_socket(stream_id) for stream_id in ids}
    until(lambda: not sockets[ids[3]].exists(), "the socket of the deleted stream is removed")
    assert sockets[ids[0]].exists()


@both
@pytest.mark.long
def test_a_publisher_that_hangs_is_replaced_by_its_next_connection(
    running: ExitStack, clip: Path, tmp_path: Path, protocol: str
) -> None:
    data_dir = tmp_path / "data"
    running.enter_context(nothing_left(data_dir))
    engine = running.enter_context(program(data_dir, tmp_path / "log", LIMIT_S, **LISTEN))
    stream_id = engine.connect("push://phone")
    first = publish(running, clip, publish_url(engine, stream_id, protocol))
    recorded(engine, stream_id, 2)
    first.send_signal(signal.SIGSTOP)
    stopped = time.time()
    tried: list[subprocess.Popen[str]] = []

    def accepted() -> bool:
        if not tried or tried[-1].poll() is not None:
            tried.append(publish(running, clip, publish_url(engine, stream_id, protocol)))
        return any(start > stopped + 1 for start, _ in rows(data_dir, stream_id))

    until(accepted, "the next connection is recorded")
    assert min(start for start, _ in rows(data_dir, stream_id) if start > stopped + 1) - stopped < 6


@both
@pytest.mark.long
def test_a_publisher_is_recorded_while_the_engine_is_killed(
    running: ExitStack, clip: Path, tmp_path: Path, protocol: str
) -> None:
    data_dir = tmp_path / "data"
    running.enter_context(nothing_left(data_dir))
    with program(data_dir, tmp_path / "log", LIMIT_S, **LISTEN) as engine:
        stream_id = engine.connect("push://phone")
        publish(running, clip, publish_url(engine, stream_id, protocol))
        recorded(engine, stream_id, 2)
        engine.kill()
    with program(data_dir, tmp_path / "log", LIMIT_S, **LISTEN) as engine:
        recorded(engine, stream_id, 6)
        engine.set_running(stream_id, "stop")
        shown = pictures(data_dir, stream_id)
    assert len(shown) == 1
    numbers = [number for _, number in shown[0]]
    assert numbers == [(numbers[0] + step) % 180 for step in range(len(numbers))]
