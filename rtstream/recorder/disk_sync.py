"""Syncs files to the disk from a separate thread, so that a slow disk never delays reading the source."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from rtstream import disk

log = logging.getLogger(__name__)

MAX_WAITING = 64
"""Files that may wait to be synced. More means that the disk is stuck. Further files then wait for their next sync."""


class DiskSync:
    """Syncs files in the order in which they were named.

    The thread starts with the first file and belongs to the process.
    """

    def __init__(self) -> None:
        # By device and inode; duplicated, so that the caller may close the original.
        self._waiting: dict[tuple[int, int], int] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._started = False
        self.failed = 0

    def soon(self, file: int) -> None:
        """Sync an open file as soon as the disk allows. A file that waits already is synced once for both."""
        found = os.fstat(file)
        with self._changed:
            if (found.st_dev, found.st_ino) in self._waiting or len(self._waiting) >= MAX_WAITING:
                return
            self._waiting[found.st_dev, found.st_ino] = os.dup(file)
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
                file = self._waiting.pop(next(iter(self._waiting)))
                self._busy = True
            try:
                disk.sync_file(file)
            except OSError as exc:
                self.failed += 1
                if self.failed == 1:
                    log.warning("recorded data could not be synced to the disk: %s", exc.strerror)
            finally:
                os.close(file)
