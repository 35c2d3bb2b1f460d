"""Unix sockets in a private folder: short paths for long folders, and the identity of the other end."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUPPORTED = sys.platform == "linux"
"""Whether recorders outlive the engine here. Elsewhere, a recorder ends with the engine that started it."""
RUN_FOLDER = "run"
"""Name of the folder of sockets and locks below the data folder."""
SOCKET_SUFFIX = ".sock"
LOCK_SUFFIX = ".lock"
FORKSERVER = "forkserver"
PUBLISHER_SUFFIX = ".publisher"
BACKLOG = 16
CONNECT_TIMEOUT_S = 3.0
POLL_S = 0.02


def run_folder(data_dir: Path) -> Path:
    """Return the folder of sockets and locks of a data folder, for processes with any working folder."""
    return Path(os.path.abspath(data_dir), RUN_FOLDER)


def publisher_socket(stream_id: str) -> str:
    """Return the name of the socket on which a recorder receives the connections of publishers."""
    return f"{stream_id}{PUBLISHER_SUFFIX}"


def private_folder(folder: Path) -> None:
    """Create a folder that only this user can enter.

    Raises:
        OSError: It cannot be created, is not a folder, or belongs to another user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not a folder of this user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def listen(folder: Path, name: str) -> socket.socket:
    """Listen on the socket ``name`` in a folder, for this user only. The caller holds the lock of that name.

    Raises:
        OSError: The socket cannot be created.
    """
    with _short(folder) as short:
        path = os.path.join(short, name)
        with suppress(FileNotFoundError):
            os.unlink(path)  # of a process that was killed
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    return listener


def connect(folder: Path, name: str) -> socket.socket:
    """Connect to the socket ``name`` in a folder.

    Raises:
        ConnectionRefusedError, FileNotFoundError: Nothing listens there.
        PermissionError: The listener belongs to another user.
        OSError: The connection failed.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_TIMEOUT_S)
        with _short(folder) as short:
            _connect(connection, os.path.join(short, name))
        if not trusted(connection):
            raise PermissionError(f"{folder / name} belongs to another user")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(connection: socket.socket, path: str) -> None:
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            connection.connect(path)
        except BlockingIOError:  # the listener is busy, and as many connections wait as it allows
            if time.monotonic() > deadline:
                raise TimeoutError("the listener accepts no connection") from None
            time.sleep(POLL_S)
        else:
            return


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return the process id and the user id of the other end.

    For the end that connected, this is the process that listens. The process id is 0 if that process is in another PID
    namespace.
    """
    if sys.platform != "linux":
        raise NotImplementedError("only Linux reports the other end of a socket in this way")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def trusted(connection: socket.socket) -> bool:
    """Whether the other end is a process of this user, or of root, who may do everything anyway."""
    return peer(connection)[1] in (os.geteuid(), 0)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A path of the folder that is short enough for a socket address, which holds 107 bytes."""
    if sys.platform != "linux" or not os.path.isdir("/proc/self/fd"):
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
