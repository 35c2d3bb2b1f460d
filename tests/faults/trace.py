"""A trace of everything that programs change below a folder.

The library ``trace.c`` records the trace. It is loaded into the programs with ``LD_PRELOAD``, because it then needs no
privilege and no device of its own, sees each call of each process in its order, and records names as well as data.
A file system in user space would delay the programs. ``dm-log-writes`` needs a kernel module, and shows the decisions
of one file system only.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("trace.c")
_HEAD = struct.Struct("=IIQqdIIII")


class Kind(IntEnum):
    """Kinds of records, as in ``trace.c``."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    RENAME = 4
    LINK = 5
    UNLINK = 6
    MKDIR = 7
    SYNC_BEGIN = 8
    SYNC_END = 9


@dataclass(frozen=True, slots=True)
class Record:
    """One change. ``path`` and ``target`` are relative to the traced folder."""

    kind: Kind
    inode: int
    offset: int
    """Offset of a write, size after a truncation, or number of a sync."""
    at: float
    """Unix seconds."""
    path: str
    target: str
    data: bytes


class Trace:
    """The trace of the programs that were started with the variable ``LD_PRELOAD`` set to ``library``.

    Args:
        folder: Folder for the library and the trace.
        data_dir: The folder whose changes are recorded, which is empty.
    """

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.root_inode = data_dir.stat().st_ino
        self._file = folder / "trace"
        self.library = str(folder / "trace.so")
        self._file.touch()
        values = {"TRACE": str(self._file), "FOLDER": str(data_dir)}
        defined = [f'-D{name}="{value}"' for name, value in values.items()]
        command = ["cc", "-shared", "-fPIC", "-O1", *defined, str(SOURCE), "-o", self.library, "-ldl"]
        subprocess.run(command, check=True, timeout=60)

    def records(self) -> Iterator[Record]:
        """Read the trace."""
        prefix = len(str(self.data_dir)) + 1
        with self._file.open("rb") as file:
            while head := file.read(_HEAD.size):
                kind, _, inode, offset, at, path, target, size, _ = _HEAD.unpack(head)
                first, second = (file.read(length).decode()[prefix:] for length in (path, target))
                yield Record(Kind(kind), inode, offset, at, first, second, file.read(size))
