"""Reserved disk space, released when the disk is full so that the problem can be reported and old files be removed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from rtstream import disk

RESERVE_BYTES = 32 << 20
MIN_RESERVE_BYTES = 1 << 20
CHUNK = 1 << 20


class DiskReserve:
    """A file of zeros that occupies its space. Everything here blocks.

    Args:
        path: Place of the file, on the disk that may become full.
        size: Bytes to reserve. A small disk spares one percent, but at least ``MIN_RESERVE_BYTES``.
    """

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        share = shutil.disk_usage(path.parent).total // 100
        self.size = max(MIN_RESERVE_BYTES, min(size, share))

    @property
    def held(self) -> bool:
        """Whether the space is reserved now."""
        with suppress(OSError):
            return self._path.stat().st_size >= self.size
        return False

    def fill(self) -> bool:
        """Reserve the space. Returns whether it is reserved; False if the disk has no room for it."""
        if self.held:
            return True
        try:
            with open(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600), "wb", buffering=0) as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self.size)
                else:
                    for _ in range(0, self.size, CHUNK):
                        file.write(bytes(CHUNK))
                disk.sync_file(file.fileno())
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Free the space. Returns whether there was any."""
        had = self.held
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        return had
