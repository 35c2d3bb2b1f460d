"""Data and names that survive a power cut once these functions return."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def sync_file(file: int) -> None:
    """Write the data and the size of an open file to the disk. Blocks. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # fsync only reaches the cache of the drive
    elif hasattr(os, "fdatasync"):
        os.fdatasync(file)
    else:
        os.fsync(file)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk. Windows writes them at once and cannot open folders. Raises OSError."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Return an id of the current run of the operating system, or an empty string where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
