"""Records sources that change at random, and checks everything afterwards."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.changes.checker import Result, Sample, check
from tests.changes.clips import Clips, made
from tests.changes.plan import PROTOCOLS
from tests.changes.senders import RtmpSender
from tests.changes.sources import Source, planned, running
from tests.faults.footage import reading, recordings, whole_lines
from tests.integration.recorder_processes import Program, nothing_left, program, until
from tests.sources import NGINX_CONFIG, NGINX_RTMP_MODULE, free_port, wait_for_port

START_S = 90.0
CONNECT_S = 6.0
"""Seconds after which even a playlist has segments."""
EVERY_S = 1.0
CONNECTING = 4
"""Streams that are connected at the same time."""
LEVELS = ("problem", "note")


@dataclass
class Recorded:
    """A source whose stream is recorded."""

    source: Source
    id: str
    connected_at: float
    samples: list[Sample] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """Each change of its health, for people."""


def protocols(count: int) -> tuple[list[str], list[str]]:
    """Return the protocols of a number of sources, and the names of those that cannot be sent here."""
    missing = [] if shutil.which("nginx") and NGINX_RTMP_MODULE.exists() else ["RTMP"]
    names = [name for name in PROTOCOLS if name not in missing]
    return [names[number % len(names)] for number in range(count)], missing


def perform(
    folder: Path,
    chosen: Sequence[str],
    seed: int,
    seconds: float,
    every_s: tuple[float, float],
    show: Callable[[str], None],
) -> list[Result]:
    """Record sources while they change, and compare.

    Args:
        folder: A folder for everything.
        chosen: The protocol of each source.
        seed: Seed of all plans.
        seconds: Duration of the run.
        every_s: Shortest and longest time between two changes of a source.
        show: Shows a line of progress.
    """
    data_dir = folder / "data"
    with ExitStack() as stack:
        clips: Clips = stack.enter_context(made(folder))
        ports = [free_udp_port() for _ in chosen]
        sources = planned(clips, seed, chosen, seconds, every_s, ports)
        stack.enter_context(nothing_left(data_dir))
        settings = {
            "RTSTREAM_LISTEN": "rtmp://127.0.0.1:0",
            "RTSTREAM_LISTEN_PORTS": ",".join(map(str, ports)),
            "RTSTREAM_EMBEDDING_MODEL": "none",
            "RTSTREAM_SEGMENT_S": "4",
        }
        engine = stack.enter_context(program(data_dir, folder / "engine.log", START_S, **settings))
        stack.enter_context(relayed(sources, folder))
        stack.enter_context(running(sources, clips))
        pause_until(time.monotonic() + CONNECT_S)
        with ThreadPoolExecutor(CONNECTING) as pool:
            streams = list(pool.map(lambda one: connected(engine, one), sources))
        show(f"{len(streams)} streams are connected")
        watch(engine, streams, time.monotonic() + seconds, show)
        stopped_at = time.time()
        for one in streams:
            if isinstance(one.source.sender, RtmpSender):
                one.source.sender.target = ""
            engine.set_running(one.id, "stop")
        until(lambda: level(data_dir), "the rows of all recordings", START_S)
        results = [
            check(one.source, recordings(data_dir, one.id), one.samples, one.connected_at, stopped_at)
            for one in streams
        ]
        (folder / "health.json").write_text(json.dumps({one.source.name: one.shown for one in streams}, indent=1))
        late = max(one.late_s for one in sources)
        show(f"the sources themselves were at most {late:.1f} s late")
        engine.end(signal.SIGINT)
        return results


def connected(engine: Program, source: Source) -> Recorded:
    """Connect the stream of a source."""
    url = source.sender.url
    pushed = source.protocol == "pushed RTMP"
    if pushed:
        url = f"push://{source.name.split('.')[0]}-pushed"

    def connect() -> tuple[float, str] | None:
        at = time.time()
        with suppress(AssertionError):  # refused, because it restarts at this moment
            return at, engine.connect(url, name=source.name)
        return None

    at, stream_id = until(connect, f"{source.name} is connected", START_S)
    if pushed:
        assert isinstance(source.sender, RtmpSender)
        (source.sender.target,) = engine.stream(stream_id)["publish_urls"]
    return Recorded(source, stream_id, at)


def watch(engine: Program, streams: Sequence[Recorded], deadline: float, show: Callable[[str], None]) -> None:
    """Read the health of all streams every second, and show the changes that are made."""
    known = {one.id: one for one in streams}
    shown = {one.id: 0 for one in streams}
    while (now := time.monotonic()) < deadline:
        for stream in engine.client.get("/rtstream", params={"limit": 100}).json()["data"]["results"]:
            one, health = known[stream["id"]], stream["health"]
            levels = [[each["code"] for each in health["reasons"] if each["level"] == level] for level in LEVELS]
            one.samples.append(Sample(time.time(), health["state"], tuple(levels[0]), tuple(levels[1])))
            text = f"{health['state']} {[each['text'] for each in health['reasons']]}"
            if not one.shown or one.shown[-1].partition("s  ")[2] != text:
                one.shown.append(f"{time.time() - one.source.epoch:.1f} s  {text}")
            for at, change in one.source.done[shown[one.id] :]:
                show(f"{one.source.name} {at - one.source.epoch:.1f} s: {change.kind}")
                shown[one.id] += 1
        pause_until(min(deadline, now + EVERY_S))


def pause_until(moment: float) -> None:
    """Wait until a time of the monotonic clock."""
    threading.Event().wait(max(0.0, moment - time.monotonic()))


def level(data_dir: Path) -> bool:
    """Return whether the rows reflect the whole logs, which they follow."""
    with reading(data_dir) as db:
        applied = dict(map(tuple, db.execute("select stream_id || '/' || id, log_position from recordings")))
    media = data_dir / "media"
    written = {str(log.parent.relative_to(media)): whole_lines(log) for log in media.glob("*/*/*.log")}
    return applied == {name: size for name, size in written.items() if size}


def free_udp_port() -> int:
    """Return a UDP port that is free at present."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def relayed(sources: Sequence[Source], folder: Path) -> Iterator[None]:
    """Run nginx for the sources that are pulled over RTMP, until the end of the block."""
    pulled = [one for one in sources if one.protocol == "RTMP"]
    if not pulled:
        yield
        return
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(module=NGINX_RTMP_MODULE, folder=folder, port=port))
    command = ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "nginx.log")]
    with subprocess.Popen(command) as process:
        try:
            wait_for_port(port)
            for number, one in enumerate(pulled):
                assert isinstance(one.sender, RtmpSender)
                one.sender.target = one.sender.url = f"rtmp://127.0.0.1:{port}/live/{number}"
            yield
        finally:
            process.terminate()
