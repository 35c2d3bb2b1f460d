"""Models a disk that loses power: it holds all synced data, and any part of the rest.

A file keeps all data from before its last completed sync. Of later writes, a random number from the first one on is
there, the last of them perhaps in part, and any page of them may still have its old content (zeros behind the old end).
A name is safe once its folder was synced. Other names and removals of names are there or not, in one of two ways:

- ordered: as with a journal, all names that were older than any completed sync are there, and a random number of the
  following ones.
- unordered: as POSIX allows, each for itself.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.trace import Kind, Record

PAGE = 4096


@dataclass
class File:
    """A file or a folder. ``names`` are those of a folder that are safe."""

    is_folder: bool = False
    names: dict[str, File] = field(default_factory=dict)
    safe: bytearray = field(default_factory=bytearray)
    """Content up to the last completed sync, without zeros at the end that only ``safe_size`` shows."""
    safe_size: int = 0
    pending: list[Record] = field(default_factory=list)
    count: int = 0
    """Number of writes and truncations so far."""

    def commit(self, count: int) -> None:
        """Make the first ``count`` changes safe."""
        done = len(self.pending) - (self.count - count)
        for record in self.pending[: max(0, done)]:
            self.safe_size = changed(self.safe, self.safe_size, record)
        del self.pending[: max(0, done)]

    def content(self, chance: random.Random | None) -> tuple[bytes, int]:
        """Return the content and the size after a power cut, or those of now without a ``chance``."""
        data, size = bytearray(self.safe), self.safe_size
        kept = self.pending if chance is None else self.pending[: chance.randint(0, len(self.pending))]
        for number, record in enumerate(kept):
            part = record
            if chance is not None and number == len(kept) - 1 and record.kind is Kind.WRITE and chance.random() < 0.5:
                cut = chance.randint(0, len(record.data))
                part = Record(record.kind, record.inode, record.offset, record.at, "", "", record.data[:cut])
            size = changed(data, size, part)
        if chance is not None and chance.random() < 0.6:
            self._forget_pages(data, kept, chance)
        return bytes(data[:size]), size

    def _forget_pages(self, data: bytearray, kept: list[Record], chance: random.Random) -> None:
        pages = {
            page
            for record in kept
            if record.kind is Kind.WRITE
            for page in range(record.offset // PAGE, (record.offset + len(record.data) - 1) // PAGE + 1)
        }
        for page in sorted(pages):
            if chance.random() < 0.3:
                begin, end = page * PAGE, min((page + 1) * PAGE, len(data))
                old = bytes(self.safe[begin:end])
                data[begin:end] = old + bytes(max(0, end - begin) - len(old))


def changed(data: bytearray, size: int, record: Record) -> int:
    """Apply a write or a truncation to the content of a file. Returns its size."""
    if record.kind is Kind.TRUNCATE:
        del data[record.offset :]
        return record.offset
    end = record.offset + len(record.data)
    if len(data) < record.offset:
        data.extend(bytes(record.offset - len(data)))
    data[record.offset : end] = record.data
    return max(size, end)


Entries = list[tuple[File, str, File | None]]
"""Folder, name, and the file that it names from now on."""


@dataclass
class NameChange:
    """Names that appear or, with None, disappear in one step, each in its folder."""

    names: Entries
    is_safe: bool = False


Names = dict[int, dict[str, File]]
"""The names in each folder, by ``id``."""


class Disk:
    """The state of a folder while a trace is read.

    Args:
        root_inode: Inode of the folder, which is empty at first.
    """

    def __init__(self, root_inode: int) -> None:
        self.root = File(is_folder=True)
        self._files = {root_inode: self.root}
        self._all = [self.root]
        self._now: Names = {}
        self._safe: Names = {}
        self._changes: list[NameChange] = []
        self._folded = 0
        """Number of changes that were safe, with all before them, and are in ``_safe``."""
        self._journaled = 0
        """Number of changes of names that are older than some completed sync."""
        self._syncs: dict[int, tuple[File, int, int]] = {}

    def apply(self, record: Record) -> None:
        """Follow one record."""
        match record.kind:
            case Kind.WRITE | Kind.TRUNCATE:
                file = self._files[record.inode]
                file.pending.append(record)
                file.count += 1
            case Kind.SYNC_BEGIN:
                file = self._files[record.inode]
                self._syncs[record.offset] = file, file.count, self._folded + len(self._changes)
            case Kind.SYNC_END:
                self._synced(*self._syncs.pop(record.offset))
            case Kind.CREATE | Kind.MKDIR:
                folder, name = self._place(record.path)
                found = self._names(folder).get(name)
                if record.kind is Kind.CREATE and found is not None and found is self._files.get(record.inode):
                    return  # two processes created it, and both noted it
                file = File(is_folder=record.kind is Kind.MKDIR)
                self._files[record.inode] = file
                self._all.append(file)
                self._name([(folder, name, file)])
            case Kind.UNLINK:
                self._name([(*self._place(record.path), None)])
            case Kind.RENAME | Kind.LINK:
                folder, name = self._place(record.path)
                moved: Entries = [(*self._place(record.target), self._names(folder)[name])]
                self._name(moved if record.kind is Kind.LINK else [(folder, name, None), *moved])

    def find(self, path: str) -> File | None:
        """Return the file or folder that now has a path."""
        found = self.root
        for part in path.split("/"):
            following = self._names(found).get(part)
            if following is None:
                return None
            found = following
        return found

    def _place(self, path: str) -> tuple[File, str]:
        folder, _, name = path.rpartition("/")
        found = self.find(folder) if folder else self.root
        assert found is not None, f"{folder} was not created below the traced folder"
        return found, name

    def _names(self, folder: File) -> dict[str, File]:
        return self._now.setdefault(id(folder), {})

    def _name(self, names: Entries) -> None:
        self._changes.append(NameChange(names))
        _carry_out(self._now, self._changes[-1:])

    def _synced(self, file: File, count: int, changes: int) -> None:
        file.commit(count)
        self._journaled = max(self._journaled, changes)
        if file.is_folder:
            for change in self._changes[: changes - self._folded]:
                change.is_safe = change.is_safe or any(folder is file for folder, _, _ in change.names)
            safe = next((at for at, change in enumerate(self._changes) if not change.is_safe), len(self._changes))
            _carry_out(self._safe, self._changes[:safe])
            del self._changes[:safe]
            self._folded += safe

    def safe_paths(self) -> dict[str, int]:
        """Return the files whose names are safe, with the size of their safe content in bytes."""
        names = {key: dict(found) for key, found in self._safe.items()}
        _carry_out(names, [change for change in self._changes if change.is_safe])
        found: dict[str, int] = {}
        waiting = [("", self.root)]
        while waiting:
            path, file = waiting.pop()
            if file.is_folder:
                waiting += [(f"{path}/{name}".lstrip("/"), below) for name, below in names.get(id(file), {}).items()]
            else:
                found[path] = file.safe_size
        return found

    def paths(self) -> dict[str, bytes]:
        """Return the files as they are now, with their content."""
        found: dict[str, bytes] = {}
        waiting = [("", self.root)]
        while waiting:
            path, file = waiting.pop()
            if file.is_folder:
                waiting += [(f"{path}/{name}".lstrip("/"), below) for name, below in self._names(file).items()]
            else:
                found[path] = file.content(None)[0]
        return found

    def write(self, folder: Path, chance: random.Random) -> None:
        """Write the folder as it may be after a power cut."""
        names = {key: dict(found) for key, found in self._safe.items()}
        _carry_out(names, self._surviving(chance))
        self._write(self.root, folder, names, chance)

    def _surviving(self, chance: random.Random) -> list[NameChange]:
        if chance.random() < 0.5:
            least = self._journaled - self._folded
            return self._changes[: chance.randint(max(0, least), len(self._changes))]
        share = chance.choice([0.0, 0.3, 0.7, 1.0])
        return [change for change in self._changes if change.is_safe or chance.random() < share]

    def _write(self, file: File, path: Path, names: Names, chance: random.Random) -> None:
        if file.is_folder:
            path.mkdir(mode=0o700, exist_ok=True)
            for name, below in names.get(id(file), {}).items():
                self._write(below, path / name, names, chance)
            return
        data, size = file.content(chance)
        path.touch(0o600)
        path.write_bytes(data)
        os.truncate(path, size)


def _carry_out(names: Names, changes: Iterable[NameChange]) -> None:
    for change in changes:
        for folder, name, file in change.names:
            found = names.setdefault(id(folder), {})
            if file is None:
                found.pop(name, None)
            else:
                found[name] = file
