"""The export process: writes a window of a recording as a file of its own, says how far it is, leaves nothing half.

What it tells the engine is JSON, one object a message: ``{"done", "total"}`` in bytes, at the end ``{"index"}`` or
``{"error", "full"}``. This module imports no codec library.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import astuple, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

from rtstream.mp4.progressive import Flat, Stretch, plan
from rtstream.mp4.recordings import StoredRecording

VIDEO_FILE, INDEX_FILE = "video.mp4", "index.json"
PARTIAL = ".partial"
"""What is appended to the name of a folder while it is written."""
COPY_BYTES = 32 << 20
TELL_EVERY_S = 0.2


@dataclass(frozen=True)
class ExportJob:
    """What to export: [start, end] (Unix seconds) of ``runs``; ``codecs`` are those of RFC 6381.

    ``folder`` is made, with the file and its index. At least ``room`` bytes of the disk stay free.
    """

    runs: Sequence[StoredRecording]
    codecs: str
    start: float
    end: float
    folder: str
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


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def export(job: ExportJob, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Write the folder and give its index without the fragments. Raises ValueError, OSError; then nothing is left."""
    folder, partial = Path(job.folder), Path(job.folder + PARTIAL)
    partial.mkdir(parents=True, mode=0o700)
    try:
        flat = plan(job.runs, job.start, job.end)
        if shutil.disk_usage(partial).free < flat.size + job.room:
            raise OSError(errno.ENOSPC, "there is not enough room on the disk")
        write(flat, partial / VIDEO_FILE, lambda done: progress(done, flat.size))
        index = {
            "duration": flat.duration,
            "size": flat.size,
            "codecs": job.codecs,
            "init": [flat.init_at, flat.init_length],
            "parts": [astuple(part) for part in flat.parts],
        }
        fragments = [astuple(fragment) for fragment in flat.fragments]
        with open(partial / INDEX_FILE, "x", encoding="utf-8") as file:
            json.dump({**index, "fragments": fragments}, file)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(partial)
        partial.rename(folder)
        _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return index


def write(flat: Flat, path: Path, progress: Callable[[int], None] = lambda done: None) -> None:
    """Write the file, which must not exist, and wait until the disk has it.

    ``progress`` hears how many bytes there are. Raises OSError, ValueError.
    """
    with open(path, "xb", buffering=0) as out, ThreadPoolExecutor(1) as disk:
        done = _write_all(out, flat.header)
        syncing: Future[None] | None = None
        for stretch in flat.stretches:
            with open(stretch.path, "rb", buffering=0) as source:
                for copied in _copy(source, out, stretch):
                    done += copied
                    progress(done)
            if syncing is None or syncing.done():
                # The disk writes what is there while more is copied; what it could not is told at the end.
                syncing = disk.submit(os.fsync, out.fileno())
        for at, time in flat.times:
            out.seek(at)
            _write_all(out, time)
        last = disk.submit(os.fsync, out.fileno())
        while wait([last], TELL_EVERY_S).not_done:
            progress(done)  # a process that says nothing is taken for a hung one
        if syncing is not None:
            syncing.result()
        last.result()


def _sync_folder(folder: Path) -> None:
    """Make names in a folder last through a power cut; Windows writes them at once and cannot open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: BinaryIO, out: BinaryIO, stretch: Stretch) -> Iterator[int]:
    """Copy bytes, inside the kernel where it can; gives how many each time. Raises ValueError when some are missing."""
    at, rest = stretch.offset, stretch.length
    in_kernel = hasattr(os, "copy_file_range")
    while rest:
        copied = 0
        if in_kernel:
            try:
                copied = os.copy_file_range(source.fileno(), out.fileno(), min(rest, COPY_BYTES), at)
            except OSError:
                in_kernel = False  # not on this file system; a full disk says so again below
                continue
        else:
            source.seek(at)
            copied = _write_all(out, source.read(min(rest, 1 << 20)))
        if not copied:
            raise ValueError("a part of the recording is cut short on disk")
        at, rest = at + copied, rest - copied
        yield copied


def _write_all(out: BinaryIO, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[out.write(rest) :]
    return len(data)
