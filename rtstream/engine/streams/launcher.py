"""Starts recorders, and takes over those of an earlier engine. Every call blocks and belongs in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from rtstream import forkserver
from rtstream.ipc import handshake, recorders
from rtstream.ipc.channel import Channel
from rtstream.ipc.epoch import next_epoch
from rtstream.ipc.forkserver import LOG_FILE, NO_ANSWER, ForkServerClient
from rtstream.ipc.handshake import HELD, PROTOCOL, STALE, Refused, ask, read_greeting
from rtstream.ipc.sockets import SOCKET_SUFFIX, SUPPORTED, connect, private_folder
from rtstream.messages import RecorderSpec

log = logging.getLogger(__name__)

REPLACE_S = 8.0
"""Seconds that a new recorder waits for its predecessor to finish its segment."""
ENDING_S = 2.0
"""Seconds that it waits for a predecessor that is about to end or was killed."""
STOP_S = 5.0


class Superseded(Exception):
    """A newer engine of this data folder has taken the recorder over."""


class RecorderLink(Protocol):
    """A running recorder, as an engine holds it."""

    taken_over: bool
    pid: int
    """Its process id; 0 if it is in another PID namespace."""

    def send_bytes(self, message: bytes, /) -> None:
        """Send a message. Raises OSError."""
        ...

    def recv_bytes(self) -> bytes:
        """Receive a message. Raises EOFError or OSError once the connection has ended."""
        ...

    def leave(self) -> None:
        """End the connection. A recorder that outlives its engine continues."""
        ...

    def kill(self) -> None:
        """End the process at once if it still runs."""
        ...


class RecorderLauncher(Protocol):
    """A way to start recorders."""

    outlives: bool
    """Whether recorders continue when the engine ends."""

    def open(self, spec: RecorderSpec) -> RecorderLink:
        """Take the recorder of a stream over, or start one. Raises OSError or Superseded."""
        ...

    def living(self) -> list[str]:
        """List the streams whose recorders an earlier engine left behind."""
        ...

    def stop(self, stream_id: str) -> None:
        """End a recorder that an earlier engine left behind."""
        ...


class PipeLink:
    """A recorder that ends with the engine."""

    taken_over = False

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self._process, self._connection = process, connection
        self.pid = process.pid or 0
        self.send_bytes: Callable[[bytes], None] = connection.send_bytes
        self.recv_bytes: Callable[[], bytes] = connection.recv_bytes

    def leave(self) -> None:
        """End the recorder, because it cannot outlive the engine."""
        self.kill()

    def kill(self) -> None:
        """End the process at once if it still runs."""
        with suppress(OSError, ValueError):
            self._process.kill()
            self._process.join(timeout=1.0)
        with suppress(OSError):
            self._connection.close()


class PipeLauncher:
    """Starts recorders that end with the engine, as on macOS and Windows and in an engine inside another program.

    There, recorders are started by ``multiprocessing``, which forks or spawns as the system allows.

    Args:
        run_folder: The folder of sockets, in case an engine of the other kind left a recorder behind.
    """

    outlives = False

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder

    def open(self, spec: RecorderSpec) -> PipeLink:
        """Start a recorder. Raises OSError."""
        self.stop(spec.stream_id)
        return PipeLink(*forkserver.start_recorder(spec))

    def living(self) -> list[str]:
        """Return nothing, because no recorder is left behind."""
        return []

    def stop(self, stream_id: str) -> None:
        """End a recorder that an engine of the other kind left behind."""
        if SUPPORTED:
            recorders.stop(self._folder, stream_id, STOP_S)


class SocketLink:
    """The connection to a recorder that outlives the engine."""

    def __init__(self, channel: Channel, process: recorders.ProcessHandle, taken_over: bool) -> None:
        self._channel, self._process, self.taken_over = channel, process, taken_over
        self.pid = process.pid
        self.send_bytes: Callable[[bytes], None] = channel.send_bytes
        self.recv_bytes: Callable[[], bytes] = channel.recv_bytes

    def leave(self) -> None:
        """End the connection. The recorder continues without an engine."""
        self._channel.close()
        self._process.close()

    def kill(self) -> None:
        """End the process at once if it still runs."""
        self._process.kill()
        self.leave()


class SocketLauncher:
    """Starts recorders that outlive the engine, through a fork server of their own.

    Args:
        run_folder: The folder of the sockets.
        epoch: The number of this engine. Recorders serve the engine with the highest one.
    """

    outlives = True

    def __init__(self, run_folder: Path, epoch: int) -> None:
        private_folder(run_folder)
        self._folder = run_folder
        self._epoch = epoch
        self._forkserver = ForkServerClient(run_folder)

    def open(self, spec: RecorderSpec) -> SocketLink:
        """Take the recorder of a stream over, or start one.

        A recorder that cannot be taken over is replaced. It speaks another protocol, reads the source with other
        settings or does not respond. The new one waits until the old one has finished its segment.

        Raises:
            Superseded: A newer engine has the recorder.
            OSError: No recorder can be started.
        """
        try:
            return self._take_over(spec)
        except NO_ANSWER:
            self._start(spec, ENDING_S)
        except (Refused, TimeoutError, ValueError) as exc:
            log.warning("the recorder of %s is replaced: %s", spec.stream_id, exc)
            self._start(spec, REPLACE_S, before_answer=lambda: self.stop(spec.stream_id))
        try:
            return self._attach(spec, taken_over=False)
        except Refused as exc:
            raise OSError(f"the recorder refuses this engine: {exc}") from None
        except (EOFError, ValueError) as exc:
            raise OSError("the recorder ended at once") from exc

    def living(self) -> list[str]:
        """List the streams whose recorders an earlier engine left behind."""
        return recorders.living(self._folder)

    def stop(self, stream_id: str) -> None:
        """End a recorder that an earlier engine left behind: it finishes its segment, or is killed."""
        recorders.stop(self._folder, stream_id, STOP_S)

    def warm(self) -> None:
        """Start the fork server, unless it runs. The first recorder then starts in milliseconds."""
        with suppress(OSError):
            self._forkserver.connect().close()

    def _take_over(self, spec: RecorderSpec) -> SocketLink:
        """Attach to a recorder that was there before. It has two chances to respond on a busy computer."""
        try:
            return self._attach(spec, taken_over=True)
        except TimeoutError:
            return self._attach(spec, taken_over=True)

    def _attach(self, spec: RecorderSpec, *, taken_over: bool) -> SocketLink:
        channel = Channel(connect(self._folder, f"{spec.stream_id}{SOCKET_SUFFIX}"))
        process = recorders.ProcessHandle(channel)
        try:
            greeting = read_greeting(channel)
            if greeting.protocol != PROTOCOL:
                raise Refused(f"it speaks protocol {greeting.protocol}, and this engine {PROTOCOL}", "protocol")
            request = {"request": "attach", "protocol": PROTOCOL, "epoch": self._epoch, "spec": asdict(spec)}
            ask(channel, request)
        except BaseException as exc:
            channel.close()
            process.close()
            if isinstance(exc, Refused) and exc.code == STALE:
                raise Superseded(str(exc)) from None
            raise
        return SocketLink(channel, process, taken_over)

    def _start(self, spec: RecorderSpec, wait_s: float, before_answer: Callable[[], None] = lambda: None) -> None:
        """Request a recorder from the fork server. Returns once it listens. Raises OSError."""
        channel = self._forkserver.connect()
        try:
            channel.send_json({"request": "start", "spec": asdict(spec), "wait_s": wait_s})
            before_answer()
            response = channel.recv_json(wait_s + handshake.TIMEOUT_S)
        except (EOFError, ValueError) as exc:
            raise OSError(f"the recorder could not be started: see {self._folder / LOG_FILE}") from exc
        finally:
            channel.close()
        refused = response.get("refused")
        if refused and response.get("code") != HELD:  # with HELD, another engine has started a recorder to use
            raise OSError(f"the recorder could not be started: {refused}")


def choose_launcher(folder: Path, *, outlives: bool) -> RecorderLauncher:
    """Return the launcher of recorders that outlive the engine, or of others if the folder of their sockets fails."""
    if outlives:
        try:
            return SocketLauncher(folder, next_epoch(folder))
        except OSError as exc:
            log.warning("recorders end with this engine, because %s cannot be used: %s", folder, exc)
    return PipeLauncher(folder)
