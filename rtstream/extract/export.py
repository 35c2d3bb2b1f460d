"""The export process, which writes a window of recordings to a file and reports its progress.

Messages to the engine are JSON objects: ``{"done", "total"}`` in bytes, and at the end ``{"index"}`` or
``{"error", "full"}``. An export that fails leaves nothing behind. This module does not import the codec library.
"""

from __future__ import annotations

import errno
import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from multiprocessing.connection import Connection

from rtstream.json_types import JsonObject
from rtstream.mp4.progressive import ProgressiveFile, plan
from rtstream.mp4.recordings import StoredRecording
from rtstream.storage import Draft, LocalFiles

VIDEO_FILE, INDEX_FILE = "video.mp4", "index.json"
REPORT_EVERY_S = 0.2


@dataclass(frozen=True)
class ExportJob:
    """A window to export.

    Attributes:
        files: The storage of the recordings.
        recordings: The recordings of the window.
        codecs: The codecs parameter (RFC 6381).
        start: Unix seconds.
        end: Unix seconds.
        draft: Draft of the folder with the file and its index.
        room: Bytes that must stay free on the disk.
    """

    files: LocalFiles
    recordings: Sequence[StoredRecording]
    codecs: str
    start: float
    end: float
    draft: Draft
    room: int


def main(connection: Connection, job: ExportJob) -> None:
    """Run one job. Exits early, leaving nothing behind, if the engine is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reported = 0.0

    def report(done: int, total: int) -> None:
        nonlocal reported
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            _send(connection, {"done": done, "total": total})

    try:
        report(0, 0)
        index = export(job, report)
    except BrokenPipeError:
        return
    except ValueError as exc:
        _send(connection, {"error": str(exc), "full": False})
    except OSError as exc:
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        _send(connection, {"error": exc.strerror or "the file could not be written", "full": full})
    else:
        _send(connection, {"index": index})


def _send(connection: Connection, message: JsonObject) -> None:
    connection.send_bytes(json.dumps(message).encode())


def export(job: ExportJob, progress: Callable[[int, int], None]) -> JsonObject:
    """Publish the draft and return its index without the fragments.

    Args:
        job: The window to export.
        progress: Called with the bytes written and the total.

    Raises:
        ValueError: The recordings cannot be exported. Nothing is left behind.
        OSError: The files cannot be written. Nothing is left behind.
    """
    with job.draft as draft:
        flat = plan(job.recordings, job.start, job.end, job.files.open)
        if draft.free() < flat.size + job.room:
            raise OSError(errno.ENOSPC, "there is not enough free space on the disk")
        write(flat, job.files, draft, lambda done: progress(done, flat.size))
        index = {
            "duration": flat.duration,
            "size": flat.size,
            "codecs": job.codecs,
            "init": [flat.init_at, flat.init_length],
            "parts": [astuple(part) for part in flat.parts],
        }
        fragments = [astuple(fragment) for fragment in flat.fragments]
        draft.write(INDEX_FILE, json.dumps({**index, "fragments": fragments}).encode())
        draft.publish()
    return index


def write(
    flat: ProgressiveFile, files: LocalFiles, draft: Draft, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Write the video file of the draft and flush it to disk.

    Args:
        flat: The file to write.
        files: The storage of the recordings.
        draft: The draft, which must not contain the file.
        progress: Called with the number of bytes written.

    Raises:
        OSError: The file cannot be written.
        ValueError: A recording is truncated.
    """
    ranges = [(stretch.key, stretch.offset, stretch.length) for stretch in flat.stretches]
    draft.assemble(VIDEO_FILE, flat.header, ranges, flat.times, files, progress)
