"""The interface of a storage. Keys are relative paths such as ``<stream id>/<recording id>/000001.m4s``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from rtstream.storage.local import Draft, LocalFiles


@dataclass(frozen=True)
class StoredFile:
    """A stored file as it was when it was looked up; a recorded file may still be growing.

    ``size`` is in bytes, ``modified`` in Unix seconds.
    """

    key: str
    size: int
    modified: float
    open_range: Callable[[int, int], AsyncGenerator[bytes]]
    """Reads ``length`` bytes from ``offset`` in chunks. Ends early when the file has become shorter."""


class Storage(Protocol):
    """A place for files. A key that cannot exist is treated as a file that does not exist.

    ``get`` and ``read`` raise NotFound for a file that does not exist. Everything raises OSError when the storage
    itself fails.
    """

    async def put(self, key: str, data: bytes) -> None:
        """Store a file so that it survives a power cut. Readers see the old content or the new, never a part."""
        ...

    async def append(self, key: str, data: bytes) -> None:
        """Add to the end of a file so that it survives a power cut. Another process may add to it meanwhile."""
        ...

    async def is_written(self, key: str) -> bool:
        """Whether another process holds the file open to add to it, and has locked it for that."""
        ...

    async def truncate(self, key: str, size: int) -> None:
        """Cut a file to ``size`` bytes so that this survives a power cut. A file that does not exist is ignored."""
        ...

    async def get(self, key: str) -> StoredFile:
        """Look a file up."""
        ...

    async def read(self, key: str, offset: int = 0, length: int = -1) -> bytes:
        """Read ``length`` bytes (-1: all) of a file from ``offset``. Returns fewer when the file is shorter."""
        ...

    async def read_from(self, offsets: Mapping[str, int], length: int) -> dict[str, bytes]:
        """Read at most ``length`` bytes of each of several files, from the offset given for its key.

        Returns:
            The bytes by key. Files that do not exist are missing from the result.
        """
        ...

    def open_range(self, key: str, offset: int, length: int) -> AsyncGenerator[bytes]:
        """Read bytes of a file in chunks. Ends early when the file is shorter or missing."""
        ...

    async def delete(self, keys: Collection[str]) -> None:
        """Delete files so that a power cut does not bring them back. Those that do not exist are ignored."""
        ...

    async def retire_folder(self, folder: str) -> None:
        """Take a folder out of sight in one step: after a crash, nothing below it is found again."""
        ...

    async def delete_folder(self, folder: str) -> None:
        """Delete all files below a folder, retired ones and drafts included. A missing folder is ignored."""
        ...

    async def list(self, folder: str) -> dict[str, int]:
        """List the files below a folder.

        Returns:
            The size in bytes by key. Empty if the folder does not exist.
        """
        ...

    async def folders(self) -> list[str]:
        """List the folders at the top of the storage, drafts that were never published included."""
        ...

    async def free(self) -> int:
        """Return the bytes that can still be stored."""
        ...

    def lease(self, keys: Collection[str]) -> AbstractAsyncContextManager[LocalFiles]:
        """Make files available as local files to other processes for as long as the context is open."""
        ...

    async def spool(self, folder: str) -> str:
        """Create the local folder in which a recorder writes the files of ``folder``. Returns its absolute path."""
        ...

    def draft(self, folder: str) -> Draft:
        """Return a draft of a new folder. Another process may write and publish it."""
        ...
