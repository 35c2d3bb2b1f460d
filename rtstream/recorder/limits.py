"""Limits of a recorder: its time without an engine, its program and folder, its memory and its log."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys
import threading
import time
from pathlib import Path

from rtstream.ipc.lock import ProcessLock
from rtstream.rules.recorder_limits import (
    UNATTENDED_S,
    Absence,
    FileIdentity,
    FolderState,
    folder_state,
    reason_to_end,
    restart_at,
)

MEMORY_BYTES = 1 << 30
MAX_LOG_BYTES = 5 * 1024 * 1024


class Attendance:
    """Knows whether an engine is attached. Any thread may call it.

    Args:
        run_folder: The folder of the socket, whose parent is the data folder.
        lock: The lock of the recorder, which lies beside the socket.
    """

    def __init__(self, run_folder: Path, lock: ProcessLock) -> None:
        self._folder = run_folder.parent
        self._known = _identity(self._folder)
        self._lock = lock
        self._program = Path(__file__)
        self._guard = threading.Lock()
        self._since: float | None = time.monotonic()
        self._limit_s = UNATTENDED_S
        self._restarts = 0
        self._folder_seen = self._program_seen = time.monotonic()

    def attached(self) -> None:
        """An engine is there."""
        with self._guard:
            self._since, self._limit_s, self._restarts = None, UNATTENDED_S, 0

    def released(self, limit_s: float) -> None:
        """The engine announces its end. Without a successor, the recorder ends ``limit_s`` seconds after it."""
        with self._guard:
            self._limit_s = limit_s

    def detached(self) -> None:
        """The engine is gone."""
        now = time.monotonic()
        with self._guard:
            self._since, self._folder_seen, self._program_seen = now, now, now

    def reason_to_end(self) -> str:
        """Return why the recorder should end now, or "" if it should continue."""
        with self._guard:
            since, limit_s = self._since, self._limit_s
        if since is None:
            return ""
        now = time.monotonic()
        state = self._folder_state()
        if state is not FolderState.GONE:
            self._folder_seen = now
        if self._program.exists():
            self._program_seen = now
        socket_lost = state is FolderState.PRESENT and self._lock.lost
        gone = now - self._folder_seen, now - self._program_seen
        return reason_to_end(Absence(now - since, limit_s, *gone, socket_lost))

    def engine_overdue(self) -> bool:
        """Whether the next attempt to start a crashed engine is due."""
        with self._guard:
            if self._since is None or time.monotonic() - self._since < restart_at(self._restarts):
                return False
            self._restarts += 1
            return True

    def _folder_state(self) -> FolderState:
        if self._known is None:
            return FolderState.PRESENT
        try:
            found = _identity(self._folder)
            above = self._folder
            while found is None and above != above.parent:
                above = above.parent
                if (nearest := _identity(above)) is not None:
                    return folder_state(self._known, None, nearest.device)
            return folder_state(self._known, found, None)
        except OSError:  # a disk that does not respond
            return FolderState.UNREACHABLE


def _identity(folder: Path) -> FileIdentity | None:
    """The identity of a folder; None if there is none. Raises OSError if the disk does not say."""
    try:
        found = os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileIdentity(found.st_dev, found.st_ino)


def limit_memory() -> None:
    """Limit the process's memory.

    A hostile stream can make a decoder allocate any amount. With the limit, the decoder fails instead.
    """
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, most))  # an engine that is started from here needs more


def trim_memory() -> None:
    """Return freed memory, such as that of the first decoded picture, to the system. glibc would keep it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such function
            ctypes.CDLL(None).malloc_trim(0)


def limit_log() -> None:
    """Empty the log that all recorders of a data folder append to, once it is too long."""
    with contextlib.suppress(OSError):
        found = os.fstat(2)
        if stat.S_ISREG(found.st_mode) and found.st_size > MAX_LOG_BYTES:
            os.ftruncate(2, 0)
