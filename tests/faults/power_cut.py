"""Checks of a data folder after a power cut, against the trace of the earlier writes.

``Footage`` lists the recordings that must be there, and ``Seen`` the results that clients had received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from rtstream import disk as disks
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.rules.recording_log import LOG_FILE, FilesRemoved, LogLine, SegmentWritten, decode
from rtstream.storage.keys import RETIRED
from rtstream.store import backups
from rtstream.store.integrity import quick_check
from tests.faults.disk_model import Disk
from tests.faults.footage import reading

UNSYNCED = 2
"""Segments of a recording that are closed and not on the disk yet, at most: one that is synced, and one that waits."""


@dataclass(frozen=True)
class Seen:
    """A result that a client received: an entry of the journal, or that a file or a stream was removed."""

    at: float
    """Unix seconds, after the call had returned."""
    kind: str
    value: str


@dataclass
class Footage:
    """The recordings at the moment of a power cut. Paths begin with the id of the stream."""

    written: dict[str, bytes]
    """All bytes that were written."""
    promised: list[tuple[str, int, int]] = field(default_factory=list)
    """Path, offset and length in bytes of the segments that are on the disk."""
    open: dict[str, int] = field(default_factory=dict)
    """Closed segments of each recording that are not on the disk yet."""
    removed: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, disk: Disk) -> Footage:
        """Read the logs and the files of a disk."""
        prefix = "media/"
        safe = {path.removeprefix(prefix): size for path, size in disk.safe_paths().items()}
        files = {path.removeprefix(prefix): data for path, data in disk.paths().items() if path.startswith(prefix)}
        # A stream that is being deleted may be back under its name.
        found = cls({path.replace(RETIRED, ""): data for path, data in files.items() if not path.endswith(LOG_FILE)})
        for key, raw in files.items():
            stream_id, _, rest = key.partition("/")
            if not stream_id.endswith(RETIRED) and rest.endswith(LOG_FILE):
                found._add(stream_id, decode(raw)[0], safe)
        return found

    def _add(self, stream_id: str, lines: list[LogLine], safe: dict[str, int]) -> None:
        removed = {path for line in lines if isinstance(line, FilesRemoved) for path in line.paths}
        self.removed |= {f"{stream_id}/{path}" for path in removed}
        for line in lines:
            if isinstance(line, SegmentWritten) and line.path not in removed:
                path = f"{stream_id}/{line.path}"
                if safe.get(path, 0) >= line.offset + line.length:
                    self.promised.append((path, line.offset, line.length))
                else:
                    self.open[path.rpartition("/")[0]] = self.open.get(path.rpartition("/")[0], 0) + 1


def check(folder: Path, disk: Disk, seen: list[Seen], config: EngineConfig) -> list[str]:
    """Start an engine on a folder that a power cut left. Returns the broken promises.

    Args:
        folder: The data folder, which the engine changes.
        disk: The disk just before the power cut.
        seen: The results that clients had received until then.
        config: Settings of the engine.
    """
    footage = Footage.at(disk)
    flaws = [
        f"{path} has {count} segments that are not synced" for path, count in footage.open.items() if count > UNSYNCED
    ]
    for path in backups.stored(folder):
        if problem := quick_check(path, 10):
            flaws.append(f"{path.name} is damaged: {problem}")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disks, "boot_id", lambda: "after the power cut")
            key = anyio.run(_start, config)
    except Exception as exc:  # noqa: BLE001 - any of them is a broken promise
        return [*flaws, f"the engine does not start: {type(exc).__name__}: {exc}"]
    media = folder / "media"
    with reading(folder) as db:
        rows = [
            (f"{row[0]}/{row[1]}", row[2], row[3])
            for row in db.execute("select stream_id, path, offset, length from segments")
        ]
        journal = {str(row[0]) for row in db.execute("select seq from journal")}
        closed = [row[0] for row in db.execute("select id from recordings where not closed")]
        if problem := db.execute("pragma integrity_check").fetchone()[0] != "ok":
            flaws.append(f"the database is damaged: {problem}")
    flaws += [f"recording {one} has no end" for one in closed]
    flaws += _missing(footage, rows, media)
    for one in seen:
        match one.kind:
            case "entry":
                found = one.value in journal
            case "removed":
                found = not (media / one.value).exists() and all(path != one.value for path, _, _ in rows)
            case "stream removed":
                found = not any(path.startswith(f"{one.value}/") for path, _, _ in rows)
            case _:
                found = key == one.value
        if not found:
            flaws.append(f"{one.kind} {one.value} is not true any more")
    return flaws


def _missing(footage: Footage, rows: list[tuple[str, int, int]], media: Path) -> list[str]:
    """Compare rows with the bytes that were written and with those that were promised."""
    flaws = []
    covered: dict[str, int] = {}
    for path, offset, length in sorted(rows):
        if offset < covered.get(path, 0):
            flaws.append(f"{path} has two rows for byte {offset}")
        covered[path] = offset + length
        data = (media / path).read_bytes() if (media / path).exists() else b""
        if (
            data[offset : offset + length] != footage.written.get(path, b"")[offset : offset + length]
            or len(data) < offset + length
        ):
            flaws.append(f"the row of {path} at {offset} names bytes that were never written")
    for path, offset, length in footage.promised:
        if not any(row[0] == path and row[1] <= offset and row[1] + row[2] >= offset + length for row in rows):
            flaws.append(f"{path} at {offset} was synced, and has no row")
    return flaws


async def _start(config: EngineConfig) -> str:
    async with Engine(config) as engine:
        return engine.api_key


def settings(data_dir: Path) -> EngineConfig:
    """Return the settings of an engine that needs no model and removes nothing by itself."""
    return EngineConfig(
        data_dir=data_dir, local_vision=False, embedding_model="none", min_free_gb=0, retain_percent=0, keep_backups=0
    )
