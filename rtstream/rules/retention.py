"""Which recorded files go when a limit is reached: the oldest first, evidence of alerts never. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass
class File:
    """A recorded file; times in Unix seconds. ``bytes`` counts its segments."""

    stream_id: str
    path: str
    start: float
    end: float
    bytes: int


def files(stream_id: str, segments: Iterable[tuple[str, float, float, int]], *, complete: bool) -> list[File]:
    """Files of segments (path, start, duration, bytes) that are sorted by start.

    Unless ``complete``, the last file is left out: it is being written, or its later segments are missing here.
    """
    found: dict[str, File] = {}
    for path, start, duration, size in segments:
        file = found.setdefault(path, File(stream_id, path, start, start, 0))
        file.end = max(file.end, start + duration)
        file.bytes += size
    return list(found.values()) if complete else list(found.values())[:-1]


def expired(candidates: Sequence[File], *, before: float | None, excess: int) -> list[File]:
    """The files to remove: all that end before ``before``, and the oldest ones until ``excess`` bytes are gone.

    ``candidates`` are sorted by start and hold no file that must stay.
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


def unpinned(candidates: Iterable[File], pins: Sequence[tuple[float, float]]) -> list[File]:
    """Files that share no time with a pinned range."""
    return [file for file in candidates if not any(start < file.end and end > file.start for start, end in pins)]
