"""Writes the ``moov`` box of a progressive MP4 file: tables of sample positions and times (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtstream.imports import LateModule
from rtstream.mp4.sample_tables import TrackInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rtstream.mp4.sample_tables import Ints
else:
    np = LateModule("numpy")

MOVIE_SCALE = 90_000
"""Ticks per second of edit lists."""
IDENTITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True)
class TrackTable:
    """All samples of one track in decode order. Times are in ticks of the track.

    Attributes:
        info: The track.
        decoded: Decode time of each sample. It begins anywhere and never decreases.
        last_duration: Duration of the last sample.
        shown_after: Composition offset of each sample.
        sizes: Bytes of each sample.
        sync: Whether each sample can be decoded on its own.
        chunk_at: Byte position of each chunk, relative to the beginning of the media data.
        chunk_counts: Number of samples in each chunk.
        edits: The edit list, as (seconds, composition time at which the edit begins). -1 stands for an empty edit.
    """

    info: TrackInfo
    decoded: Ints
    last_duration: int
    shown_after: Ints
    sizes: Ints
    sync: NDArray[np.bool_]
    chunk_at: Ints
    chunk_counts: Ints
    edits: Sequence[tuple[float, int]]


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box with its header."""
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def movie(tracks: Sequence[TrackTable], media_at: int) -> bytes:
    """Return the moov box of a file.

    Args:
        tracks: The tracks of the file.
        media_at: Byte position of the media data. It does not affect the size of the box.
    """
    traks = [_trak(number, track, media_at) for number, track in enumerate(tracks, 1)]
    duration = max(sum(_scaled(seconds) for seconds, _ in track.edits) for track in tracks)
    mvhd = _full(
        b"mvhd",
        1,
        0,
        struct.pack(">QQIQIH10x", 0, 0, MOVIE_SCALE, duration, 0x10000, 0x100),
        IDENTITY,
        bytes(24),
        struct.pack(">I", len(tracks) + 1),
    )
    return box(b"moov", mvhd, *traks)


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _scaled(seconds: float) -> int:
    return round(seconds * MOVIE_SCALE)


def _trak(number: int, track: TrackTable, media_at: int) -> bytes:
    info = track.info
    shown = sum(_scaled(seconds) for seconds, _ in track.edits)
    # Version 1 boxes, because 32 bits at 90 kHz cover only 13 hours.
    tkhd = _full(b"tkhd", 1, info.flags, struct.pack(">QQIIQ", 0, 0, number, 0, shown), info.placement)
    rows = [struct.pack(">QqHH", _scaled(seconds), at, 1, 0) for seconds, at in track.edits]
    edts = box(b"edts", _full(b"elst", 1, 0, struct.pack(">I", len(rows)), *rows))
    length = int(track.decoded[-1] - track.decoded[0]) + track.last_duration
    mdhd = _full(b"mdhd", 1, 0, struct.pack(">QQIQ", 0, 0, info.timescale, length), info.language, bytes(2))
    minf = box(b"minf", info.media, box(b"stbl", info.stsd, *_tables(track, media_at)))
    return box(b"trak", tkhd, edts, box(b"mdia", mdhd, info.hdlr, minf))


def _tables(track: TrackTable, media_at: int) -> list[bytes]:
    durations = np.append(np.diff(track.decoded), track.last_duration)
    tables = [_full(b"stts", 0, 0, _counted(*_runs(durations)))]
    if track.shown_after.any():
        version = 1 if track.shown_after.min() < 0 else 0
        tables.append(_full(b"ctts", version, 0, _counted(*_runs(track.shown_after))))
    if not track.sync.all():
        tables.append(_full(b"stss", 0, 0, _counted(np.flatnonzero(track.sync) + 1)))
    counts, values = _runs(track.chunk_counts)
    first = np.cumsum(counts) - counts + 1
    tables.append(_full(b"stsc", 0, 0, _counted(first, values, np.ones_like(first))))
    tables.append(_full(b"stsz", 0, 0, bytes(4), _counted(track.sizes)))
    places = (track.chunk_at + media_at).astype(">u8").tobytes()
    tables.append(_full(b"co64", 0, 0, struct.pack(">I", len(track.chunk_at)), places))
    return tables


def _runs(values: Ints) -> tuple[Ints, Ints]:
    """Return the lengths of runs of equal values, and their values."""
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    return np.diff(np.append(starts, len(values))), values[starts]


def _counted(*columns: NDArray[np.integer] | NDArray[np.bool_]) -> bytes:
    """Return the number of rows, followed by the rows of 32-bit numbers (negative ones in two's complement)."""
    rows = np.stack(columns, axis=1)
    return struct.pack(">I", len(rows)) + rows.astype(">i8").astype(">u4").tobytes()
