"""A folder as a storage. Reading and writing happens in threads."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
import anyio.to_thread

from rtstream import disk
from rtstream.errors import NotFound
from rtstream.storage.interface import StoredFile
from rtstream.storage.keys import DRAFT, RETIRED, checked
from rtstream.storage.local import Draft, LocalFiles, is_locked

CHUNK = 64 * 1024
"""Bytes read at a time; a slow reader keeps one chunk in memory."""


class FolderStorage:
    """Stores files below ``root``, which must exist; see ``create``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.created = False
        """Whether ``create`` created the folder."""

    @classmethod
    def create(cls, root: Path) -> FolderStorage:
        """Create the folder for this user only, unless it exists. Blocks. Raises OSError."""
        created = not root.exists()
        _create_folder(root)
        storage = cls(root)
        storage.created = created
        return storage

    def _path(self, key: str) -> Path:
        """The path of a key. Raises NotFound when it, or a symbolic link in it, leads out of the root."""
        path = self._root / checked(key)
        try:
            inside = path.resolve().is_relative_to(self._root.resolve())
        except (OSError, RuntimeError):
            inside = False  # a name that no file can have, or links in a circle
        if not inside:
            raise NotFound("There is no such media file (any more).")
        return path

    async def put(self, key: str, data: bytes) -> None:
        """Store a file so that it survives a power cut. Readers see the old content or the new, never a part."""
        await anyio.to_thread.run_sync(self._put, key, data)

    def _put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        _create_folder(path.parent)
        draft = path.with_name(f".{uuid4().hex}{DRAFT}")
        try:
            with open(draft, "xb") as file:
                file.write(data)
                file.flush()
                disk.sync_file(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        disk.sync_folder(path.parent)

    async def truncate(self, key: str, size: int) -> None:
        """Cut a file to ``size`` bytes so that this survives a power cut. A file that does not exist is ignored."""

        def truncate() -> None:
            with suppress(FileNotFoundError, NotFound), open(self._path(key), "r+b") as file:
                file.truncate(size)
                disk.sync_file(file.fileno())

        await anyio.to_thread.run_sync(truncate)

    async def append(self, key: str, data: bytes) -> None:
        """Add to the end of a file so that it survives a power cut. Another process may add to it meanwhile."""

        def append() -> None:
            with open(self._path(key), "ab") as file:
                file.write(data)
                file.flush()
                disk.sync_file(file.fileno())

        await anyio.to_thread.run_sync(append)

    async def is_written(self, key: str) -> bool:
        """Whether another process has locked the file to add to it."""

        def look() -> bool:
            try:
                return is_locked(self._path(key))
            except NotFound:
                return False

        return await anyio.to_thread.run_sync(look)

    async def get(self, key: str) -> StoredFile:
        """Look a file up. Raises NotFound."""

        def look() -> os.stat_result | None:
            with suppress(OSError):
                found = os.stat(self._path(key))
                return found if stat.S_ISREG(found.st_mode) else None
            return None

        found = await anyio.to_thread.run_sync(look)
        if found is None:
            raise NotFound("There is no such media file (any more).")
        return StoredFile(key, found.st_size, found.st_mtime, partial(self.open_range, key))

    async def read(self, key: str, offset: int = 0, length: int = -1) -> bytes:
        """Read ``length`` bytes (-1: all) of a file. Returns fewer when the file is shorter. Raises NotFound."""
        return await anyio.to_thread.run_sync(self._read, key, offset, length)

    def _read(self, key: str, offset: int, length: int) -> bytes:
        try:
            with open(self._path(key), "rb") as file:
                file.seek(offset)
                return file.read(length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("There is no such media file (any more).") from None

    async def read_from(self, offsets: Mapping[str, int], length: int) -> dict[str, bytes]:
        """Read at most ``length`` bytes of each of several files. Files that do not exist are missing."""

        def read() -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            for key, offset in offsets.items():
                with suppress(NotFound):
                    found[key] = self._read(key, offset, length)
            return found

        return await anyio.to_thread.run_sync(read)

    async def open_range(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes]:
        """Read bytes of a file in chunks. Ends early when the file is shorter or missing."""
        try:
            path = await anyio.to_thread.run_sync(self._path, key)
            file = await anyio.open_file(path, "rb")
        except (OSError, NotFound):
            return
        async with file:
            await file.seek(offset)
            while length > 0 and (chunk := await file.read(min(CHUNK, length))):
                length -= len(chunk)
                yield chunk

    async def delete(self, keys: Collection[str]) -> None:
        """Delete files so that a power cut does not bring them back. Those that do not exist are ignored."""

        def delete() -> None:
            folders: set[Path] = set()
            for key in keys:
                with suppress(FileNotFoundError, NotFound):
                    path = self._path(key)
                    path.unlink()
                    folders.add(path.parent)
            for folder in folders:
                with suppress(FileNotFoundError):
                    disk.sync_folder(folder)

        await anyio.to_thread.run_sync(delete)

    async def retire_folder(self, folder: str) -> None:
        """Take a folder out of sight in one step: after a crash, nothing below it is found again."""

        def retire() -> None:
            retired = self._path(folder + RETIRED)
            with suppress(NotFound):
                shutil.rmtree(retired, ignore_errors=True)  # of an earlier attempt
                with suppress(FileNotFoundError):
                    self._path(folder).rename(retired)
                    disk.sync_folder(self._root)

        await anyio.to_thread.run_sync(retire)

    async def delete_folder(self, folder: str) -> None:
        """Delete all files below a folder, retired ones and drafts included. A missing folder is ignored."""

        def delete() -> None:
            for name in (folder, folder + DRAFT, folder + RETIRED):
                with suppress(NotFound):
                    shutil.rmtree(self._path(name), ignore_errors=True)

        await anyio.to_thread.run_sync(delete)

    async def list(self, folder: str) -> dict[str, int]:
        """List the files below a folder: the size in bytes by key."""

        def look() -> dict[str, int]:
            found: dict[str, int] = {}
            with suppress(NotFound):
                waiting = [self._path(folder)]
                while waiting:
                    _scan(waiting.pop(), waiting, found)
            return {Path(path).relative_to(self._root).as_posix(): size for path, size in found.items()}

        return await anyio.to_thread.run_sync(look)

    async def folders(self) -> list[str]:
        """List the folders at the top of the storage: drafts that were never published, but no retired ones."""

        def look() -> list[str]:
            with os.scandir(self._root) as entries:
                names = (entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
                return sorted(name for name in names if not name.endswith(RETIRED))

        return await anyio.to_thread.run_sync(look)

    async def free(self) -> int:
        """Return the free bytes of the disk."""
        return (await anyio.to_thread.run_sync(shutil.disk_usage, self._root)).free

    @asynccontextmanager
    async def lease(self, keys: Collection[str]) -> AsyncIterator[LocalFiles]:
        """Make files available to other processes. They are local already, so nothing is copied."""
        for key in keys:
            checked(key)
        yield LocalFiles(str(self._root))

    async def spool(self, folder: str) -> str:
        """Create the folder in which a recorder writes, so that it survives a power cut. Returns its path."""

        def create() -> str:
            path = self._path(folder)
            _create_folder(path)
            return os.path.abspath(path)

        return await anyio.to_thread.run_sync(create)

    def draft(self, folder: str) -> Draft:
        """Return a draft of a new folder."""
        return Draft(str(self._root / checked(folder)))


def _create_folder(path: Path) -> None:
    """Create a folder and those above it, so that their names survive a power cut."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in missing:
        disk.sync_folder(folder.parent)


def _scan(folder: Path, waiting: list[Path], found: dict[str, int]) -> None:
    """Add the files of a folder to ``found`` and its folders to ``waiting``, except those being removed."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    found[entry.path] = entry.stat(follow_symlinks=False).st_size
