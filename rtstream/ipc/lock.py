"""A lock file that a process holds until it ends, and that none of its children inherits."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

POLL_S = 0.005


class LockHeld(OSError):
    """Another process holds the lock."""


class ProcessLock:
    """A POSIX record lock on a file.

    Unlike ``flock``, such a lock belongs to the process and not to the open file, so a forked child does not keep it
    alive. The file is removed on release, while the lock is still held.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, timeout_s: float = 0.0) -> ProcessLock:
        """Take the lock.

        Args:
            path: The file, in a private folder.
            timeout_s: Seconds to wait while another process holds it.

        Raises:
            LockHeld: Another process still holds it.
            OSError: The file cannot be created.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                if _lock(descriptor) and _is(path, descriptor):
                    return cls(path, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # held, or removed by its holder meanwhile
            if time.monotonic() > deadline:
                raise LockHeld(errno.EAGAIN, f"another process holds {path}")
            time.sleep(POLL_S)

    @property
    def lost(self) -> bool:
        """Whether the file was removed or replaced, so that another process could take the lock as well."""
        try:
            return not _is(self._path, self._descriptor)
        except OSError:
            return False  # the disk does not respond

    def release(self) -> None:
        """Remove the file and release the lock."""
        with suppress(OSError):
            if not self.lost:
                self._path.unlink()
        with suppress(OSError):
            os.close(self._descriptor)

    def forget(self) -> None:
        """Close the file in a forked child, which does not hold the lock."""
        os.close(self._descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        named = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    own = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino)


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        raise NotImplementedError("recorders end with the engine here, and need no lock")
    import fcntl

    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True
