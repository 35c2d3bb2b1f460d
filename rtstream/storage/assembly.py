"""Writing a file from byte ranges of other files, copied inside the kernel where the system can."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import BinaryIO

from rtstream import disk

COPY_BYTES = 32 << 20
READ_BYTES = 1 << 20
REPORT_EVERY_S = 0.2

ByteRange = tuple[str, int, int]
"""Key of a file, offset and length in bytes."""


def assemble(
    path: Path,
    header: bytes,
    ranges: Iterable[ByteRange],
    patches: Iterable[tuple[int, bytes]],
    open_file: Callable[[str], BinaryIO],
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write a file, which must not exist, and wait until it is safe on the disk.

    Args:
        path: The file to write.
        header: Bytes at its beginning.
        ranges: Byte ranges of other files that follow the header.
        patches: Offsets, and the bytes that replace the copied ones there.
        open_file: Opens a file of ``ranges`` by its key.
        progress: Called often with the number of bytes written so far.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: A file is shorter than its range.
    """
    with open(path, "xb", buffering=0) as out, ThreadPoolExecutor(1) as syncs:
        done = _write_all(out, header)
        syncing: Future[None] | None = None
        for key, offset, length in ranges:
            with open_file(key) as source:
                for copied in _copy(source, out, offset, length):
                    done += copied
                    progress(done)
            if syncing is None or syncing.done():
                # The disk writes the copied bytes while more are copied. Errors are raised at the end.
                syncing = syncs.submit(disk.sync_file, out.fileno())
        for at, data in patches:
            out.seek(at)
            _write_all(out, data)
        last = syncs.submit(disk.sync_file, out.fileno())
        while wait([last], REPORT_EVERY_S).not_done:
            progress(done)  # a process without messages counts as hung
        if syncing is not None:
            syncing.result()
        last.result()


def assemble_or_remove(
    path: Path,
    header: bytes,
    ranges: Iterable[ByteRange],
    patches: Iterable[tuple[int, bytes]],
    open_file: Callable[[str], BinaryIO],
) -> None:
    """Do the same as ``assemble``, and leave no part of the file after a failure."""
    try:
        assemble(path, header, ranges, patches, open_file)
    except FileExistsError:
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _copy(source: BinaryIO, out: BinaryIO, at: int, rest: int) -> Iterator[int]:
    """Copy bytes and yield the size of each step. Raises ValueError when the source ends too soon."""
    in_kernel = hasattr(os, "copy_file_range")
    while rest:
        copied = 0
        if in_kernel:
            try:
                copied = os.copy_file_range(source.fileno(), out.fileno(), min(rest, COPY_BYTES), at)
            except OSError:
                in_kernel = False  # not on this file system; a full disk fails again below
                continue
        else:
            source.seek(at)
            copied = _write_all(out, source.read(min(rest, READ_BYTES)))
        if not copied:
            raise ValueError("a part of the recording is truncated on disk")
        at, rest = at + copied, rest - copied
        yield copied


def _write_all(out: BinaryIO, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[out.write(rest) :]
    return len(data)
