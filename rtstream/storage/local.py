"""Stored files as media processes reach them: leased local files, and drafts of new folders.

Both can be sent to another process. Everything here blocks and raises OSError.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rtstream import disk
from rtstream.storage import assembly
from rtstream.storage.keys import DRAFT, checked


@dataclass(frozen=True)
class LocalFiles:
    """Leased files below a local folder, opened by their keys."""

    folder: str

    def open(self, key: str) -> BinaryIO:
        """Open a file for reading."""
        return open(os.path.join(self.folder, checked(key)), "rb")

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Read bytes of a file. Returns fewer when the file is shorter."""
        with open(os.path.join(self.folder, checked(key)), "rb") as file:
            file.seek(offset)
            return file.read(length)


@dataclass(frozen=True)
class Draft:
    """New files that become visible together, once they are safe on the disk.

    A draft is used as a context: leaving it with an exception removes everything that was written.
    """

    folder: str
    """Local path of the folder once it is published."""

    @property
    def _path(self) -> Path:
        return Path(self.folder + DRAFT)

    def path_of(self, name: str) -> str:
        """Return the absolute local path of a file once the folder is published."""
        return os.path.abspath(os.path.join(self.folder, checked(name)))

    def __enter__(self) -> Draft:
        self._path.mkdir(parents=True, mode=0o700)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self._path, ignore_errors=True)

    def free(self) -> int:
        """Return the free bytes of the disk."""
        return shutil.disk_usage(self._path).free

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, which must not exist."""
        with open(self._path / checked(name), "xb") as file:
            file.write(data)
            file.flush()
            disk.sync_file(file.fileno())

    def assemble(
        self,
        name: str,
        header: bytes,
        ranges: Iterable[assembly.ByteRange],
        patches: Iterable[tuple[int, bytes]],
        files: LocalFiles,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Write a file of a header and byte ranges of other files; see ``assembly.assemble``."""
        assembly.assemble(self._path / checked(name), header, ranges, patches, files.open, progress)

    def publish(self) -> None:
        """Rename the folder to its final name. Its name and content then survive a power cut."""
        disk.sync_folder(self._path)
        self._path.rename(self.folder)
        disk.sync_folder(self._path.parent)


def is_locked(path: Path) -> bool:
    """Whether a recorder holds the lock of a file. On Windows, where there are no such locks, nothing is locked."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        with open(path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as exc:
        if exc.errno in (errno.EACCES, errno.EAGAIN):
            return True
        raise
    return False
