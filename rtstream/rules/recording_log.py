"""The log of a recording: one checksummed line per fact, in the order in which the facts became true.

A line is eight hex digits of the CRC-32 of what follows, a space, a JSON object and a newline. A line that was cut by a
crash or a full disk fails its check and is skipped; the next whole line counts again. Unknown fields and unknown kinds
of lines are ignored, so that an older program can read the log of a newer one.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, TypeVar

MAX_LINE = 1 << 20
"""Bytes of the longest line that is read. An init segment has a few kilobytes, so a longer line is damage."""
LOG_FILE = "recording.log"
"""Name of the log in the folder of its recording."""


@dataclass(frozen=True, slots=True)
class RecordingOpened:
    """The first line: what a reader needs to know of the recording without any database."""

    recording_id: str
    stream_id: str
    started_at: float  # Unix seconds of the first sample
    codecs: str  # RFC 6381
    init: bytes  # fMP4 init segment
    stream_name: str = ""
    url: str = ""  # of the source, without credentials
    media_start: float | None = None
    """Media time of the first sample, in seconds. It orders the recordings of a stream even if a clock was set back."""
    kind: ClassVar[str] = "opened"


@dataclass(frozen=True, slots=True)
class SegmentWritten:
    """A segment is in its file: whole fragments that begin with a keyframe where the recording has video."""

    start: float  # Unix seconds
    duration: float  # seconds
    path: str  # below the folder of the stream
    offset: int  # bytes
    length: int  # bytes
    kind: ClassVar[str] = "segment"


@dataclass(frozen=True, slots=True)
class FilesRemoved:
    """These files were deleted on purpose. The line is written first, so that no scan restores them."""

    paths: tuple[str, ...]
    kind: ClassVar[str] = "removed"


@dataclass(frozen=True, slots=True)
class RecordingClosed:
    """The last line of the recorder: nothing more will be added."""

    ended_at: float  # Unix seconds
    reason: str = ""
    kind: ClassVar[str] = "closed"


LogLine = RecordingOpened | SegmentWritten | FilesRemoved | RecordingClosed
_Line = TypeVar("_Line", RecordingOpened, SegmentWritten, FilesRemoved, RecordingClosed)

_NUMBERS = {"started_at", "ended_at", "start", "duration"}
_COUNTS = {"offset", "length"}


def encode(line: LogLine) -> bytes:
    """Return a line of the log as bytes, with its newline."""
    values: dict[str, object] = {"kind": line.kind, **asdict(line)}
    if isinstance(line, RecordingOpened):
        values["init"] = base64.b64encode(line.init).decode("ascii")
    body = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(raw: bytes) -> tuple[list[LogLine], int]:
    """Read the whole lines of a piece of a log.

    Args:
        raw: Bytes of the log that begin at the start of a line. They may end in the middle of one.

    Returns:
        The lines that pass their check, in order, and the number of bytes up to the end of the last whole line. A
        reader continues there once the log has grown.
    """
    end = raw.rfind(b"\n") + 1
    return list(_lines(raw[:end])), end


def is_whole(raw: bytes) -> bool:
    """Return whether a piece of a log ends with a line and each of its lines passes its check."""
    *lines, rest = raw.split(b"\n")
    return not rest and all(_decoded(line) is not None for line in lines if line)


def _lines(raw: bytes) -> Iterator[LogLine]:
    for text in raw.split(b"\n"):
        line = _decoded(text)
        if line is not None:
            yield line


def _decoded(text: bytes) -> LogLine | None:
    """The line in ``text``; None when it is damaged, or of a kind that this program does not know."""
    if len(text) > MAX_LINE or text[8:9] != b" ":
        return None
    try:
        if int(text[:8], 16) != zlib.crc32(text[9:]):
            return None
        values = json.loads(text[9:])
        if not isinstance(values, dict):
            return None
        match values.pop("kind", None):
            case "opened":
                values["init"] = base64.b64decode(values["init"], validate=True)
                return _line(RecordingOpened, values)
            case "segment":
                return _line(SegmentWritten, values)
            case "removed":
                values["paths"] = tuple(str(path) for path in values["paths"])
                return _line(FilesRemoved, values)
            case "closed":
                return _line(RecordingClosed, values)
    except (ValueError, TypeError, KeyError, binascii.Error):
        pass  # the check fits by chance, or another program wrote it
    return None


def _line(kind: type[_Line], values: dict[str, object]) -> _Line:
    """A line of the known fields of ``values``. Raises TypeError when one is missing or of the wrong type."""
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    for name, value in known.items():
        if name in _NUMBERS and not (isinstance(value, int | float) and abs(value) < 1e12):
            raise TypeError(name)
        if name == "media_start" and not (value is None or (isinstance(value, int | float) and abs(value) < 1e12)):
            raise TypeError(name)
        if name in _COUNTS and not (isinstance(value, int) and 0 <= value < 1 << 62):
            raise TypeError(name)
    return kind(**known)  # pyright: ignore[reportArgumentType] - checked above; a missing field is a TypeError
