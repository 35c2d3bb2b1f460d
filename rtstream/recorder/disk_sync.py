"""Syncs files to the disk from a separate thread, so that a slow disk never delays reading the source."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

log = logging.getLogger(__name__)

MAX_WAITING = 64
"""Files that may wait to be synced. More means that the disk is stuck. Further files then wait for the next sync."""


def flush(file: int) -> None:
    """Flush the data of an open file to the disk. Blocks. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # fsync only reaches the cache of the drive
    elif hasattr(os, "fdatasync"):
        os.fdatasync(file)
    else:
        os.fsync(file)


class DiskSync:
    """Syncs files in the order in which they were named.

    The thread starts with the first file and belongs to the process.
    """

    def __init__(self) -> None:
        self._waiting: list[int] = []  # duplicated, so that the caller may close the original
        self._changed = threading.Condition()
        self._busy = False
        self._started = False
        self.failed = 0

    def soon(self, file: int) -> None:
        """Sync an open file as soon as the disk allows."""
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                return
            self._waiting.append(os.dup(file))
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="disk-sync", daemon=True).start()
            self._changed.notify_all()

    def soon_folder(self, folder: Path) -> None:
        """Make the names in a folder survive a power cut as well. Windows does so at once and cannot open folders."""
        if os.name == "posix":
            opened = os.open(folder, os.O_RDONLY)
            try:
                self.soon(opened)
            finally:
                os.close(opened)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything named so far is synced, at most ``timeout_s``. Returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                file = self._waiting.pop(0)
                self._busy = True
            try:
                flush(file)
            except OSError as exc:
                self.failed += 1
                if self.failed == 1:
                    log.warning("recorded data could not be synced to the disk: %s", exc.strerror)
            finally:
                os.close(file)
