"""Finds the recorders that run on a data folder and ends them, with an engine or without one."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from rtstream.ipc.channel import MAX_REQUEST, Channel
from rtstream.ipc.handshake import Refused, ask, read_greeting
from rtstream.ipc.sockets import FORKSERVER, SOCKET_SUFFIX, connect, peer

log = logging.getLogger(__name__)

STOP_S = 5.0
"""Seconds in which a recorder must have finished its segment."""
KILLED_S = 1.0
AT_ONCE = 16


class ProcessHandle:
    """The process at the other end of a connection. Its id is never used for another process that got the same one."""

    def __init__(self, channel: Channel) -> None:
        self._descriptor: int | None = None
        self.pid, _ = peer(channel.socket)
        if self.pid:  # 0: it is in another PID namespace
            with suppress(OSError):
                self._descriptor = os.pidfd_open(self.pid)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, for at most ``timeout_s``. Returns whether it has ended."""
        if self._descriptor is None:
            return False
        ended = select.poll()  # not select(), which has no room for high descriptors
        ended.register(self._descriptor, select.POLLIN)
        return bool(ended.poll(timeout_s * 1000))

    def kill(self) -> None:
        """End it at once, and wait for that."""
        if self._descriptor is not None:
            with suppress(OSError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
                self.wait(KILLED_S)

    def close(self) -> None:
        """Close the descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def living(run_folder: Path) -> list[str]:
    """List the ids of the streams whose recorders listen on a socket."""
    found: list[str] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(run_folder.glob(f"*{SOCKET_SUFFIX}")):
            if path.stem != FORKSERVER:
                with suppress(OSError):
                    connect(run_folder, path.name).close()
                    found.append(path.stem)
    return found


def stop(run_folder: Path, stream_id: str, timeout_s: float = STOP_S) -> bool:
    """End the recorder of a stream, of any version. It finishes its segment, or is killed after ``timeout_s``.

    Returns:
        Whether there was one.
    """
    try:
        channel = Channel(connect(run_folder, f"{stream_id}{SOCKET_SUFFIX}"), MAX_REQUEST)
    except OSError:
        return False
    process = ProcessHandle(channel)
    deadline = time.monotonic() + timeout_s
    try:
        with suppress(EOFError, OSError, ValueError, Refused):
            read_greeting(channel)
            ask(channel, {"request": "stop"})
            channel.recv_bytes(max(0.0, deadline - time.monotonic()))  # ends with the process
        if not process.wait(max(0.0, deadline - time.monotonic())):
            log.warning("the recorder of %s did not stop in %.0f s and is killed", stream_id, timeout_s)
            process.kill()
    finally:
        process.close()
        channel.close()
    return True


def stop_all(run_folder: Path, stream_ids: Iterable[str]) -> list[str]:
    """End these recorders at the same time. Returns the ids of those that were there."""
    ids = list(stream_ids)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(lambda stream_id: stop(run_folder, stream_id), ids)
        return [stream_id for stream_id, was_there in zip(ids, found, strict=True) if was_there]


def retire_fork_server(run_folder: Path) -> None:
    """End the fork server, which waits for its last recorder. By itself, it would wait a minute longer."""
    with suppress(EOFError, OSError, ValueError, Refused):
        channel = Channel(connect(run_folder, f"{FORKSERVER}{SOCKET_SUFFIX}"), MAX_REQUEST)
        try:
            read_greeting(channel)
            ask(channel, {"request": "retire"})
        finally:
            channel.close()
