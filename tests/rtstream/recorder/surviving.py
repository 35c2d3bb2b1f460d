"""Recorders that outlive engines, and engines reduced to a launcher, for tests."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from rtstream.engine.streams import RecorderLink, SocketLauncher
from rtstream.ipc import recorders
from rtstream.ipc.channel import Channel
from rtstream.ipc.handshake import read_greeting
from rtstream.ipc.sockets import FORKSERVER, SOCKET_SUFFIX, connect
from rtstream.messages import Message, RecorderSpec, decode, encode
from rtstream.rules.recording_log import LOG_FILE, LogLine, SegmentWritten
from rtstream.rules.recording_log import decode as decode_log
from tests.waiting import eventually_sync

M = TypeVar("M", bound=Message)
LIMIT_S = 20.0


class DataFolder:
    """A data folder with one stream."""

    def __init__(self, folder: Path, url: str, stream_id: str = "rts-1") -> None:
        self.run = folder / "run"
        self.media = folder / "media" / stream_id
        self.media.mkdir(parents=True)
        self.stream_id = stream_id
        self.url = url
        self.opened: list[RecorderLink] = []
        self.channels: list[Channel] = []

    def spec(self, **values: Any) -> RecorderSpec:
        settings = {"media_types": ["video", "audio"], "record": True, "segment_s": 0.5, "allow_networks": "loopback"}
        where = {"folder": str(self.media), "run_folder": str(self.run)}
        named = {"stream_id": self.stream_id, "url": self.url}
        return RecorderSpec(**{**named, **where, **settings, **values})

    def launcher(self, epoch: int = 1) -> SocketLauncher:
        return SocketLauncher(self.run, epoch)

    def open(self, epoch: int = 1, **values: Any) -> RecorderLink:
        """Take the recorder over or start it. The connection is closed at the end of the test."""
        link = self.launcher(epoch).open(self.spec(**values))
        self.opened.append(link)
        return link

    def connect(self, name: str = "") -> Channel:
        """Connect to the recorder, or to another socket."""
        channel = Channel(connect(self.run, f"{name or self.stream_id}{SOCKET_SUFFIX}"))
        self.channels.append(channel)
        return channel

    def pid(self, name: str = "") -> int | None:
        """Process id of the recorder, or of the fork server."""
        with suppress(OSError, EOFError):
            channel = self.connect(name)
            try:
                return read_greeting(channel).pid
            finally:
                channel.close()
        return None

    def log(self) -> list[LogLine]:
        """The lines of all logs of the stream."""
        found = [decode_log(path.read_bytes())[0] for path in self.media.glob(f"*/{LOG_FILE}")]
        found = [lines for lines in found if lines]  # the first line of a new log may not be there yet
        return [line for lines in sorted(found, key=lambda lines: lines[0].started_at) for line in lines]  # pyright: ignore[reportAttributeAccessIssue]

    def segments(self) -> list[SegmentWritten]:
        return [line for line in self.log() if isinstance(line, SegmentWritten)]

    def grows(self, by: int = 2) -> None:
        """Wait until that many further segments are logged."""
        before = len(self.segments())
        until(lambda: len(self.segments()) >= before + by, "recording continues")


@contextmanager
def data_folder(folder: Path, url: str) -> Iterator[DataFolder]:
    """A data folder of which no process is left at the end."""
    made = DataFolder(folder, url)
    try:
        yield made
    finally:
        for link in made.opened:
            link.leave()
        for channel in made.channels:
            channel.close()
        server = made.pid(FORKSERVER)
        recorders.stop_all(made.run, recorders.living(made.run))
        if server is not None:
            os.kill(server, signal.SIGKILL)


class Engine:
    """An engine as far as one recorder is concerned."""

    def __init__(self, data: DataFolder, epoch: int = 1, **values: Any) -> None:
        self.link = data.open(epoch, **values)
        self.messages: list[Message] = []
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self.messages.append(decode(self.link.recv_bytes()))
        self.ended.set()

    def send(self, message: Message) -> None:
        self.link.send_bytes(encode(message))

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in list(self.messages) if isinstance(message, kind)]

    def wait_for(self, kind: type[M], wanted: Callable[[M], bool] = lambda _: True) -> M:
        return until(lambda: next(filter(wanted, self.of(kind)), None), f"a {kind.__name__}")


def until(check: Callable[[], Any], what: str) -> Any:
    """Poll the state of another process."""
    return eventually_sync(check, limit_s=LIMIT_S, what=what)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
