"""The export process: writes a window of a recording as a file of its own, says how far it is, leaves nothing half.

What it tells the engine is JSON, one object a message: ``{"done", "total"}`` in bytes, at the end ``{"index"}`` or
``{"error", "full"}``. This module imports no codec library.
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
from rtstream.mp4.progressive import Flat, plan
from rtstream.mp4.recordings import StoredRecording
from rtstream.storage import Draft, LocalFiles

VIDEO_FILE, INDEX_FILE = "video.mp4", "index.json"
TELL_EVERY_S = 0.2


@dataclass(frozen=True)
class ExportJob:
    """What to export: [start, end] (Unix seconds) of ``runs``; ``codecs`` are those of RFC 6381.

    ``files`` holds the segments. The video and its index are written to ``draft`` and published. At least ``room``
    bytes of the disk stay free.
    """

    files: LocalFiles
    runs: Sequence[StoredRecording]
    codecs: str
    start: float
    end: float
    draft: Draft
    room: int


def main(connection: Connection, job: ExportJob) -> None:
    """Carry out one job and end. Ends early, leaving nothing, when the engine is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            _send(connection, {"done": done, "total": total})

    try:
        tell(0, 0)
        index = export(job, tell)
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
    """Write and publish a video.

    Returns:
        The index of the video without its fragments.

    Raises:
        ValueError: The window cannot be exported.
        OSError: A file cannot be read or written. Nothing is left after either.
    """
    with job.draft as draft:
        flat = plan(job.runs, job.start, job.end, job.files.open)
        if draft.free() < flat.size + job.room:
            raise OSError(errno.ENOSPC, "there is not enough room on the disk")
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


def write(flat: Flat, files: LocalFiles, draft: Draft, progress: Callable[[int], None] = lambda done: None) -> None:
    """Write the video of a draft. ``progress`` is called with the bytes written so far. Raises OSError, ValueError."""
    ranges = [(stretch.key, stretch.offset, stretch.length) for stretch in flat.stretches]
    draft.assemble(VIDEO_FILE, flat.header, ranges, flat.times, files, progress)
