"""Reads the samples of fragmented MP4 as tables of their positions, sizes and times.

Box layouts follow ISO/IEC 14496-12 (tkhd, mdhd, trex, tfhd, tfdt, trun).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rtstream.imports import LateModule
from rtstream.mp4.fragments import boxes, find

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
else:
    np = LateModule("numpy")

NOT_SYNC = 0x10000
"""Bit of a sample's flags. The sample cannot be decoded without earlier ones."""


@dataclass(frozen=True)
class TrackInfo:
    """One track of an init segment. Boxes are complete, including their headers."""

    id: int
    handler: bytes  # b"vide", b"soun"
    timescale: int  # ticks per second
    flags: int  # of tkhd
    placement: bytes  # the last 60 bytes of tkhd: layer, volume, matrix, width, height
    language: bytes  # 2 bytes of mdhd
    hdlr: bytes
    media: bytes  # boxes of minf without stbl
    stsd: bytes
    defaults: tuple[int, int, int]  # of trex: duration (ticks), size (bytes), flags

    @property
    def format(self) -> tuple[bytes, int, tuple[bytes, ...]]:
        """A value that is equal for two init segments whose samples can share one track."""
        # Visual entries have 78 bytes before their boxes, audio entries 28.
        return self.handler, self.timescale, _sample_entries(self.stsd, 78 if self.handler == b"vide" else 28)


@dataclass(frozen=True)
class Samples:
    """The samples of one track in decode order. Times are in ticks.

    Attributes:
        decoded: Decode time of each sample.
        durations: Duration of each sample.
        shown_after: Composition offset of each sample: presentation time minus decode time.
        sizes: Bytes of each sample.
        sync: Whether each sample can be decoded on its own.
        chunks: Byte position in the fragment and number of samples of each chunk.
        time_at: Byte position in the fragment of its first decode time.
        time_bytes: Size of that decode time in bytes.
    """

    decoded: Ints
    durations: Ints
    shown_after: Ints
    sizes: Ints
    sync: NDArray[np.bool_]
    chunks: Sequence[tuple[int, int]]
    time_at: int
    time_bytes: int


def read_init(init: bytes) -> dict[int, TrackInfo]:
    """Return the tracks of an init segment by id.

    Raises:
        ValueError: The init segment is malformed.
    """
    moov = find(init, [b"moov"])
    if moov is None:
        raise ValueError("the recording has no moov box")
    defaults: dict[int, tuple[int, int, int]] = {}
    tracks: dict[int, TrackInfo] = {}
    for kind, body, stop in boxes(init, *moov):
        if kind == b"mvex":
            for inner, at, _ in boxes(init, body, stop):
                if inner == b"trex":
                    track, _, duration, size, flags = struct.unpack_from(">5I", init, at + 4)
                    defaults[track] = (duration, size, flags)
    for kind, body, stop in boxes(init, *moov):
        if kind == b"trak":
            track = _track(init, body, stop, defaults)
            tracks[track.id] = track
    return tracks


def _track(init: bytes, start: int, end: int, defaults: Mapping[int, tuple[int, int, int]]) -> TrackInfo:
    tkhd, mdhd = _need(init, [b"tkhd"], start, end), _need(init, [b"mdia", b"mdhd"], start, end)
    hdlr, minf = _need(init, [b"mdia", b"hdlr"], start, end), _need(init, [b"mdia", b"minf"], start, end)
    stsd = _need(init, [b"stbl", b"stsd"], *minf)
    (track_id,) = struct.unpack_from(">I", init, tkhd[0] + (20 if init[tkhd[0]] else 12))
    (timescale,) = struct.unpack_from(">I", init, mdhd[0] + (20 if init[mdhd[0]] else 12))
    language_at = mdhd[0] + (32 if init[mdhd[0]] else 20)
    return TrackInfo(
        id=track_id,
        handler=init[hdlr[0] + 8 : hdlr[0] + 12],
        timescale=timescale,
        flags=int.from_bytes(init[tkhd[0] + 1 : tkhd[0] + 4], "big"),
        placement=init[tkhd[1] - 60 : tkhd[1]],
        language=init[language_at : language_at + 2],
        hdlr=init[hdlr[0] - 8 : hdlr[1]],
        media=b"".join(init[body - 8 : stop] for kind, body, stop in boxes(init, *minf) if kind != b"stbl"),
        stsd=init[stsd[0] - 8 : stsd[1]],
        defaults=defaults.get(track_id, (0, 0, 0)),
    )


def _need(data: bytes, path: list[bytes], start: int, end: int) -> tuple[int, int]:
    found = find(data, path, start, end)
    if found is None:
        raise ValueError(f"the recording has no {path[-1].decode()} box")
    return found


def _sample_entries(stsd: bytes, fixed: int) -> tuple[bytes, ...]:
    """Return the type, ``fixed`` bytes and configuration of each entry.

    Bit rates are omitted, because they are estimates made at one moment.
    """
    found: list[bytes] = []
    for kind, body, stop in boxes(stsd, 16):
        found.append(kind + stsd[body : body + fixed])
        for inner, at, end in boxes(stsd, body + fixed, stop):
            if inner == b"esds":
                found.append(_decoder_configuration(stsd[at + 4 : end]))
            elif inner != b"btrt":
                found.append(inner + stsd[at:end])
    return tuple(found)


def _decoder_configuration(esds: bytes) -> bytes:
    """Return the object type and everything after the bit rates of the decoder descriptor (ISO/IEC 14496-1 7.2.6)."""
    at = 0
    while at + 2 <= len(esds):
        tag, at = esds[at], at + 1
        while esds[at] & 0x80:
            at += 1
        at += 1
        if tag == 4:
            return esds[at : at + 1] + esds[at + 13 :]
        at += 3 if tag == 3 else len(esds)
    return esds


def read_fragment(moof: bytes, tracks: Mapping[int, TrackInfo], only: int | None = None) -> dict[int, Samples]:
    """Return the samples of one complete ``moof`` box by track id.

    Args:
        moof: The box.
        tracks: The tracks of the init segment by id.
        only: Track to read, or None for all.

    Raises:
        ValueError: The box is malformed.
    """
    body = find(moof, [b"moof"])
    if body is None:
        raise ValueError("this is not a fragment of a recording")
    found: dict[int, Samples] = {}
    for kind, start, end in boxes(moof, *body):
        if kind == b"traf" and only in (None, _track_id(moof, start, end)):
            track_id, samples = _samples_of(moof, start, end, tracks)
            if len(samples.sizes):
                found[track_id] = samples
    return found


def _track_id(moof: bytes, start: int, end: int) -> int:
    header = find(moof, [b"tfhd"], start, end)
    if header is None:
        raise ValueError("a fragment of the recording does not name its track")
    return int.from_bytes(moof[header[0] + 4 : header[0] + 8], "big")


def _samples_of(moof: bytes, start: int, end: int, tracks: Mapping[int, TrackInfo]) -> tuple[int, Samples]:
    track_id = decoded = time_at = time_bytes = 0
    defaults = (0, 0, 0)
    tables: list[tuple[Ints, Ints, Ints, Ints]] = []
    chunks: list[tuple[int, int]] = []
    for kind, body, _ in boxes(moof, start, end):
        if kind == b"tfhd":
            track_id, defaults = _header(moof, body, tracks)
        elif kind == b"tfdt":
            time_at, time_bytes = body + 4, 8 if moof[body] else 4
            decoded = int.from_bytes(moof[time_at : time_at + time_bytes], "big")
        elif kind == b"trun":
            position, table = _run(moof, body, defaults)
            tables.append(table)
            chunks.append((position, len(table[0])))
    if len(tables) == 1:  # as our recorder writes it; joining would cost as much as everything else
        durations, sizes, flags, shown_after = tables[0]
    else:
        columns = zip(*tables, strict=True) if tables else [[np.zeros(0, np.int64)]] * 4
        durations, sizes, flags, shown_after = (np.concatenate(list(column)) for column in columns)
    times = decoded + np.cumsum(durations) - durations
    sync = (flags & NOT_SYNC) == 0
    return track_id, Samples(times, durations, shown_after, sizes, sync, chunks, time_at, time_bytes)


def _header(moof: bytes, body: int, tracks: Mapping[int, TrackInfo]) -> tuple[int, tuple[int, int, int]]:
    """Return the track id and the defaults in force, which are those of tfhd, else those of trex."""
    flags, track_id = struct.unpack_from(">II", moof, body)
    if track_id not in tracks:
        raise ValueError("the recording contains a track that its init segment does not declare")
    if flags & 1:
        raise ValueError("the recording refers to samples by their position in another file")
    defaults = list(tracks[track_id].defaults)
    at = body + 8 + (4 if flags & 2 else 0)
    for column, bit in enumerate((0x8, 0x10, 0x20)):
        if flags & bit:
            (defaults[column],) = struct.unpack_from(">I", moof, at)
            at += 4
    return track_id, (defaults[0], defaults[1], defaults[2])


def _run(moof: bytes, body: int, defaults: tuple[int, int, int]) -> tuple[int, tuple[Ints, Ints, Ints, Ints]]:
    """Return the position of a trun box's samples in the fragment, and its columns: duration, size, flags, offset."""
    flags, count = struct.unpack_from(">II", moof, body)
    flags, version = flags & 0xFFFFFF, flags >> 24
    at, position = body + 8, 0
    if flags & 0x1:
        (position,) = struct.unpack_from(">i", moof, at)
        at += 4
    first_flags = None
    if flags & 0x4:
        (first_flags,) = struct.unpack_from(">I", moof, at)
        at += 4
    bits = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    rows = np.frombuffer(moof, ">u4", count * len(bits), at).reshape(count, len(bits)).astype(np.int64)

    def column(bit: int, default: int) -> Ints:
        return rows[:, bits.index(bit)] if bit in bits else np.full(count, default, np.int64)

    sample_flags = column(0x400, defaults[2]).copy()
    if first_flags is not None and count:
        sample_flags[0] = first_flags
    shown_after = column(0x800, 0)
    if version:  # signed
        shown_after = np.where(shown_after >= 1 << 31, shown_after - (1 << 32), shown_after)
    return position, (column(0x100, defaults[0]), column(0x200, defaults[1]), sample_flags, shown_after)
