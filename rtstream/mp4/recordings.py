"""Stored footage: segments in files, and the recordings they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StoredSegment:
    """Whole fragments (moof + mdat) that begin with a keyframe.

    Attributes:
        key: Key of the file in its storage.
        offset: First byte in the file.
        length: Number of bytes.
        start: Unix seconds at which the first picture is shown.
    """

    key: str
    offset: int
    length: int
    start: float


@dataclass(frozen=True)
class StoredRecording:
    """One recording: its fMP4 init segment and its segments, sorted by start."""

    init: bytes
    pieces: Sequence[StoredSegment]
