"""An engine with streams, an index, alerts, webhooks and transcripts, on sources that number frames and sentences."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rtstream.testsource import ClipSpec, Faults, LiveSource, make_clip
from tests.faults import shim as shims
from tests.faults.footage import reading
from tests.faults.outside import Outside, outside
from tests.faults.plan import Fault
from tests.faults.shim import HOST, Shim
from tests.integration.recorder_processes import (
    Program,
    fork_server_of,
    nothing_left,
    program,
    recorder_of,
    until,
)

CLIP = ClipSpec(width=320, height=180, fps=10, seconds=64, gop=10, bitrate=200_000, voice="numbers")
GOP_S = CLIP.gop / CLIP.fps
WINDOW_S = 2
INDEX = {"prompt": "Numbers", "extraction_type": "time", "extraction_config": {"time": WINDOW_S, "frame_count": 2}}
DISK_BYTES = 384 << 20
START_S = 90.0
SETTINGS = {
    "RTSTREAM_WEBHOOK_ALLOW_NETWORKS": "loopback",
    "RTSTREAM_LANGUAGE_MODEL": "local",
    "RTSTREAM_VISION_MODEL": "vllm:numbers",
    "RTSTREAM_SPEECH_ENGINE": "vllm:numbers",
    "RTSTREAM_MODEL_CALLS_PER_HOUR_PER_INDEX": "0",
    "RTSTREAM_EMBEDDING_MODEL": "none",
    "RTSTREAM_SEGMENT_S": "1",
    "RTSTREAM_STALL_TIMEOUT_S": "3",
    "RTSTREAM_RECONNECT_MAX_S": "1",
    # A full disk would otherwise cost the oldest recordings.
    "RTSTREAM_RETAIN_PERCENT": "0",
}


@dataclass
class Injected:
    """A fault that was carried out. Times are those of the computer, in Unix seconds."""

    fault: Fault
    began: float
    ended: float = 0.0
    stream_id: str = ""
    """The stream that it concerned; empty for all."""
    costs_from: float = float("inf")
    costs_to: float = float("-inf")
    """Frames sent in this range may be missing. By default, none may."""
    step_s: float = 0.0
    """Difference of the clock of the programs from then on."""

    def covers(self, stream_id: str, start: float, end: float) -> bool:
        """Whether frames of a stream that were sent in this range may be missing."""
        return self.stream_id in ("", stream_id) and self.costs_from <= start and end <= self.costs_to


@dataclass
class Watched:
    """A stream with its index and alerts."""

    id: str
    name: str
    index_id: str
    since: float
    """Unix seconds from which on it was indexed and transcribed."""
    first_scene: int = 0
    """The last scene from before its alerts were created."""


@dataclass
class Rig:
    """Everything that takes part in a run."""

    folder: Path
    data_dir: Path
    source: LiveSource
    services: Outside
    shim: Shim | None
    small_disk: bool
    streams: list[Watched] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    ends: int = 0
    """Number of times that the engine ended without a reason."""
    starts_s: list[float] = field(default_factory=list)
    _running: ExitStack = field(default_factory=ExitStack)
    _engine: Program | None = None

    @property
    def engine(self) -> Program:
        """The running engine."""
        assert self._engine is not None
        return self._engine

    def start(self) -> None:
        """Start the engine. Returns once it responds."""
        began = time.monotonic()
        more = self.shim.environment if self.shim else {}
        urls = {"RTSTREAM_MODEL_BASE_URL": f"{self.services.url}/v1"}
        log = self.folder / "engine.log"
        self._engine = self._running.enter_context(program(self.data_dir, log, START_S, **SETTINGS, **urls, **more))
        self._engine.client.get("/rtstream", timeout=START_S)  # which waits for the engine behind the open port
        self.starts_s.append(time.monotonic() - began)

    def ended(self) -> None:
        """Collect an engine that has ended."""
        self._running.close()
        self._engine = None

    def ensure_running(self) -> None:
        """Start the engine again if it ended, which it should not have."""
        if self.engine.process.poll() is not None:
            self.ends += 1
            self.ended()
            self.start()

    def processes(self) -> list[int]:
        """Return the ids of the recorders and of the fork server."""
        found = [recorder_of(self.data_dir, one.id) for one in self.streams]
        return [pid for pid in (*found, fork_server_of(self.data_dir)) if pid]

    def connect(self, count: int) -> None:
        """Connect streams, half of them over RTSP, each with a transcript, an index and two alerts."""
        with ThreadPoolExecutor() as pool:
            self.streams += pool.map(self._connect, range(count))
        for one in self.streams:
            until(lambda: self.engine.recorded_s(one.id) > 0, f"{one.name} is recorded", START_S)  # noqa: B023

    def _connect(self, number: int) -> Watched:
        kind, url = ("rtsp", self.source.rtsp_url) if number % 2 else ("http", self.source.http_url)
        if self.shim:
            url = url.replace("127.0.0.1", HOST)
        client = self.engine.client
        stream_id = self.engine.connect(url, name=f"{kind} {number}", enable_transcript=True)
        response = client.post(f"/rtstream/{stream_id}/index/scene", json=INDEX).raise_for_status()
        index_id = response.json()["data"]["rtstream_index_id"]
        for word in ("frames", "marked"):  # fires for every scene whose text contains the word
            event = {"event_prompt": f"'{word}' is written", "label": word, "rule": {"text": word}}
            event_id = client.post("/rtstream/event", json=event).raise_for_status().json()["data"]["event_id"]
            alert = {"event_id": event_id, "callback_url": f"{self.services.url}/hook", "dedupe": False}
            client.post(f"/rtstream/{stream_id}/index/{index_id}/alert", json=alert).raise_for_status()
        with reading(self.data_dir) as db:
            (first,) = db.execute("select coalesce(max(id), 0) from scenes").fetchone()
        return Watched(stream_id, f"{kind} {number}", index_id, time.time(), first)


@contextmanager
def running(folder: Path, streams: int, clips: Path | None = None, *, small: bool = True) -> Iterator[Rig]:
    """Run an engine with streams until the end of the block, and leave no process behind.

    Args:
        folder: A folder for everything.
        streams: Number of streams.
        clips: Cache of clips, or None for that of the user.
        small: Whether the data folder is on a small disk of its own, which can be filled, where that may be mounted.
    """
    data_dir = folder / "disk"
    clip = make_clip(CLIP, clips)
    with ExitStack() as stack:
        is_small = stack.enter_context(small_disk(data_dir)) if small else False
        data_dir.mkdir(exist_ok=True)
        faults = Faults(joins_late=True)
        source = stack.enter_context(LiveSource(clip, faults=faults))
        services = stack.enter_context(outside())
        stack.enter_context(nothing_left(data_dir))
        shim = None if shims.unavailable() else Shim(folder, data_dir)
        rig = Rig(folder, data_dir, source, services, shim, is_small)
        stack.callback(rig.ended)
        rig.start()
        rig.connect(streams)
        yield rig


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk at a new folder, where that is allowed. Yields whether it is one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
    mounted = os.name == "posix" and os.geteuid() == 0 and not subprocess.run(command, capture_output=True).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def wait_until(check: Callable[[], object], what: str, limit_s: float = START_S) -> None:
    """Wait for the state of another process."""
    until(check, what, limit_s)
