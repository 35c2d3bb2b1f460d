"""Recorded footage as it is stored: segments in files, and the recordings they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StoredSegment:
    """Whole fragments (moof + mdat) that begin with a keyframe. ``start``: Unix seconds of the first picture."""

    key: str  # of the file in its storage
    offset: int  # bytes
    length: int  # bytes
    start: float


@dataclass(frozen=True)
class StoredRecording:
    """Segments of one recording, sorted by start, and its fMP4 init segment."""

    init: bytes
    pieces: Sequence[StoredSegment]
