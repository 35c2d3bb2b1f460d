"""The log of the recording that is being written, on the disk before anything is announced."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from rtstream.recorder.disk_sync import DiskSync
from rtstream.rules.recording_log import LOG_FILE, LogLine, SegmentWritten, encode


class RecordingLog:
    """Appends lines to ``folder / "recording.log"``. Created with the first line.

    Every line is one write at the end of the file, so that the engine can add its own lines (removed files) meanwhile.

    Raises:
        OSError: The disk refuses. The line may be there in part; the next one then begins on a line of its own.
    """

    def __init__(self, folder: Path, sync: DiskSync) -> None:
        self._path = folder / LOG_FILE
        self._sync = sync
        self._file: int | None = None
        self._torn = False

    def append(self, line: LogLine) -> None:
        """Write a line. Once this returns, a killed process does not lose it.

        A power cut may take the lines of the last segments. Lines are not synced, because the engine finds the
        segments, which are synced, after the last line. A sync per line would double the cost.
        """
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(self._path, flags, 0o600)
            _hold(self._file)
        raw = encode(line)
        if self._torn:
            raw = b"\n" + raw
        self._torn = True
        written = os.write(self._file, raw)
        if written < len(raw):
            # A full disk takes a part of a line without an error. Writing the rest raises the reason.
            os.write(self._file, raw[written:])
        self._torn = False
        if not isinstance(line, SegmentWritten):
            self._sync.soon(self._file)

    def close(self) -> None:
        """Close the file and release its lock, even while the file is still being synced."""
        if self._file is not None:
            _release(self._file)
            os.close(self._file)
            self._file = None


def _hold(file: int) -> None:
    """Lock the log until it is closed or this process ends, so that no engine adds an end to it meanwhile.

    A POSIX lock would end as soon as this process closes any descriptor of the file, as ``DiskSync`` does.
    """
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _release(file: int) -> None:
    """Unlock the log. The lock would otherwise last until the duplicate that ``DiskSync`` holds is closed."""
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
