"""Small disks that become full or read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount a file system at a new folder. Skips the test where that is not allowed."""
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0 or not _run("mount", *options, str(folder)):
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def memory_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk in memory."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "none") as disk:
        yield disk


@contextmanager
def image_disk(folder: Path, size: int) -> Iterator[Path]:
    """An ext4 file system in an image beside ``folder``."""
    image = folder.with_suffix(".img")
    image.write_bytes(b"")
    os.truncate(image, size)
    if not _run("mkfs.ext4", "-q", str(image)):
        pytest.skip("mkfs.ext4 is not installed")
    with mounted(folder, "-o", "loop", str(image)) as disk:
        yield disk


def abort(disk: Path) -> None:
    """Make an ext4 file system read-only, as the kernel does after an error of the disk."""
    subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)


def fill(disk: Path, *, but: int = 0) -> Path:
    """Another program fills the disk up to ``but`` free bytes. Returns its file."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 16, 1 << 12, 1):
            try:
                while os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize - size >= but:
                    if file.write(bytes(size)) < size:
                        break
            except OSError:
                continue
    return ballast
