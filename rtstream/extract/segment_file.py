"""Reads segments of a recording as one file."""

from __future__ import annotations

from collections.abc import Iterator

from rtstream.mp4.recordings import StoredRecording
from rtstream.storage import LocalFiles

CHUNK = 1 << 18  # bytes


class SegmentFile:
    """The init segment and the segments of a recording as one file, without holding them in memory."""

    def __init__(self, files: LocalFiles, recording: StoredRecording) -> None:
        """Begin at the init segment. The segments are opened one after the other, in ``files``."""
        self._files, self._recording = files, recording
        self._rest = self._chunks()
        self._chunk = b""

    def _chunks(self) -> Iterator[bytes]:
        yield self._recording.init
        for piece in self._recording.pieces:
            with self._files.open(piece.key) as file:
                file.seek(piece.offset)
                left = piece.length
                while left and (chunk := file.read(min(left, CHUNK))):
                    left -= len(chunk)
                    yield chunk

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, and none at the end."""
        while not self._chunk:
            chunk = next(self._rest, None)
            if chunk is None:
                return b""
            self._chunk = chunk
        read, self._chunk = self._chunk[:size], self._chunk[size:]
        return read
