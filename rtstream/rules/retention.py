"""Selects the recorded files to delete when a limit is reached: the oldest first, but never evidence of alerts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass
class File:
    """A recorded file. Times are Unix seconds; ``bytes`` is the total size of its segments."""

    stream_id: str
    path: str
    start: float
    end: float
    bytes: int


def files(stream_id: str, segments: Iterable[tuple[str, float, float, int]], *, complete: bool) -> list[File]:
    """Group segments into files.

    Args:
        stream_id: The stream of the segments.
        segments: ``(path, start, duration, bytes)`` tuples, sorted by start.
        complete: Whether ``segments`` holds every segment. If not, the last file is left out, because it is still being
            written or some of its segments are missing.
    """
    found: dict[str, File] = {}
    for path, start, duration, size in segments:
        file = found.setdefault(path, File(stream_id, path, start, start, 0))
        file.end = max(file.end, start + duration)
        file.bytes += size
    return list(found.values()) if complete else list(found.values())[:-1]


def expired(candidates: Sequence[File], *, before: float | None, excess: int) -> list[File]:
    """Return the files to delete.

    Args:
        candidates: Files sorted by start, none of which must be retained.
        before: Delete every file that ends before this Unix time, or None for no age limit.
        excess: Bytes to free by deleting the oldest files.
    """
    going: list[File] = []
    freed = 0
    for file in candidates:
        too_old = before is not None and file.end < before
        if not too_old and freed >= excess:
            continue
        going.append(file)
        freed += file.bytes
    return going


def disk_excess(percent: float, own: int, free: int, min_free: int) -> int:
    """Return the bytes to remove so that the disk does not become full.

    Args:
        percent: Percent of the space that is free or their own that recordings may fill; 0 for no bound.
        own: Bytes of recordings and of copies of the database.
        free: Free bytes of the disk.
        min_free: Free bytes below which recording pauses. With a bound, more than that stays free.
    """
    if not percent:
        return 0
    return max(0, int(own - (own + free) * percent / 100), int(min_free * 1.25) - free)


def unpinned(candidates: Iterable[File], pins: Sequence[tuple[float, float]]) -> list[File]:
    """Return the files that do not overlap any pinned range."""
    return [file for file in candidates if not any(start < file.end and end > file.start for start, end in pins)]
