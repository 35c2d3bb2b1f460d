"""Segments of a recording are read as one file."""

from __future__ import annotations

from pathlib import Path

from rtstream.extract.segment_file import CHUNK, SegmentFile
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from tests.sources import FILES, key_of


def test_the_segments_follow_the_init_segment(tmp_path: Path) -> None:
    stored = tmp_path / "a.m4s"
    stored.write_bytes(bytes(range(256)) * 4096)
    data, key = stored.read_bytes(), key_of(stored)
    pieces = [StoredSegment(key, 10, 20, 0.0), StoredSegment(key, 100, CHUNK + 7, 1.0)]
    file = SegmentFile(FILES, StoredRecording(b"init", pieces))
    parts = list(iter(lambda: file.read(1000), b""))
    assert max(map(len, parts)) <= 1000
    assert b"".join(parts) == b"init" + data[10:30] + data[100 : 107 + CHUNK]
    assert file.read(1) == b""
