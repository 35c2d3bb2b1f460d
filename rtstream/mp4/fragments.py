"""Fragmented MP4 as bytes: splitting a muxer's output into fragments, reading their times, naming codecs (RFC 6381).

Box layouts follow ISO/IEC 14496-12 (moov, moof, tfhd, tfdt, trun) and 14496-15 (avcC, hvcC).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TrackRun:
    """The times of one track in one fragment, in ticks of the track's timescale."""

    track_id: int
    first_dts: int
    last_dts: int
    end_dts: int
    end_pts: int  # latest presentation time plus that sample's duration
    time_at: int  # byte position of ``first_dts`` in the fragment, stored in 8 bytes


def boxes(
    data: bytes | bytearray | memoryview, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, and the start and end of the body, of each box in ``data[start:end]``.

    Raises:
        ValueError: A box has an invalid size.
    """
    end = len(data) if end is None else end
    while start < end:
        if end - start < 8:
            raise ValueError("a box header is truncated")
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        if size < head or start + size > end:
            raise ValueError("a box is larger than its container")
        yield kind, start + head, start + size
        start += size


def find(
    data: bytes | bytearray | memoryview, path: list[bytes], start: int = 0, end: int | None = None
) -> tuple[int, int] | None:
    """Return the start and end of the body of the first box at ``path``, or None if there is none.

    Args:
        data: The bytes to search.
        path: Box types, outermost first.
        start: Byte position at which to begin.
        end: Byte position at which to stop, or None for the end of the data.
    """
    for kind, body, stop in boxes(data, start, end):
        if kind == path[0]:
            return (body, stop) if len(path) == 1 else find(data, path[1:], body, stop)
    return None


class FragmentSplitter:
    """A file object for a muxer that splits its output into the init segment and whole fragments.

    Attributes:
        init: The init segment, empty until the muxer has written it.
        fragments: The complete fragments, which the caller removes.
    """

    def __init__(self) -> None:
        self.init = b""
        self.fragments: list[bytearray] = []
        self._data = bytearray()
        self._at = 0  # end of the complete boxes, which wait for their moov or mdat

    def write(self, data: bytes) -> int:
        """Accept bytes from the muxer. Complete fragments are appended to ``fragments``."""
        self._data += data
        while len(self._data) - self._at >= 16:
            size, kind = struct.unpack_from(">I4s", self._data, self._at)
            if size == 1:
                (size,) = struct.unpack_from(">Q", self._data, self._at + 8)
            if len(self._data) - self._at < size:
                break
            self._at += size
            if kind == b"moov":
                self.init = bytes(self._take())
            elif kind == b"mdat":
                self.fragments.append(self._take())
        return len(data)

    def _take(self) -> bytearray:
        """Remove the complete boxes. Only what follows them is copied, because fragments are large."""
        complete, self._data = self._data, self._data[self._at :]
        del complete[self._at :]
        self._at = 0
        return complete


def track_runs(fragment: bytes | bytearray) -> list[TrackRun]:
    """Return the times of each track in a fragment that begins with a moof box.

    Raises:
        ValueError: The fragment is malformed.
    """
    moof = find(fragment, [b"moof"])
    if moof is None:
        raise ValueError("the fragment has no moof box")
    return [_track_run(fragment, body, stop) for kind, body, stop in boxes(fragment, *moof) if kind == b"traf"]


def delay(fragment: bytearray, runs: list[TrackRun], ticks: Mapping[int, int]) -> None:
    """Move the decode times of a fragment.

    Args:
        fragment: The fragment, which is changed in place.
        runs: Its times, from ``track_runs``.
        ticks: Delay of each track id, in ticks.
    """
    for run in runs:
        struct.pack_into(">Q", fragment, run.time_at, run.first_dts + ticks[run.track_id])


def _track_run(data: bytes | bytearray, start: int, end: int) -> TrackRun:
    track_id = default_duration = dts = time_at = 0
    first = last = end_pts = None
    for kind, body, _ in boxes(data, start, end):
        if kind == b"tfhd":
            flags, track_id = struct.unpack_from(">II", data, body)
            # Optional fields appear in the order of their flag bits: base offset (8 bytes), description, duration.
            at = body + 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
            if flags & 8:
                (default_duration,) = struct.unpack_from(">I", data, at)
        elif kind == b"tfdt":
            if data[body] != 1:
                raise ValueError("the fragment stores its times in 32 bits")
            time_at = body + 4
            (dts,) = struct.unpack_from(">Q", data, time_at)
            first = dts
        elif kind == b"trun":
            for duration, offset in _samples(data, body, default_duration):
                last = dts
                end_pts = max(end_pts or 0, dts + offset + duration)
                dts += duration
    if first is None or last is None:
        raise ValueError("the fragment contains no samples")
    return TrackRun(track_id, first, last, dts, end_pts or dts, time_at)


def _samples(data: bytes | bytearray, body: int, default_duration: int) -> Iterator[tuple[int, int]]:
    """Yield the duration and composition offset of each sample of a trun box."""
    flags, count = struct.unpack_from(">II", data, body)
    at = body + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    columns = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    row = struct.Struct(">" + "".join("i" if bit == 0x800 else "I" for bit in columns))
    duration_at = columns.index(0x100) if 0x100 in columns else None
    offset_at = columns.index(0x800) if 0x800 in columns else None
    if not columns:
        yield from ((default_duration, 0) for _ in range(count))
        return
    for values in row.iter_unpack(memoryview(data)[at : at + count * row.size]):
        yield (
            default_duration if duration_at is None else values[duration_at],
            0 if offset_at is None else values[offset_at],
        )


def track_scales(init: bytes) -> dict[int, tuple[bytes, int]]:
    """Return the handler type (``vide``, ``soun``) and timescale (ticks per second) of each track."""
    scales: dict[int, tuple[bytes, int]] = {}
    for body, stop in _traks(init):
        tkhd, mdhd = find(init, [b"tkhd"], body, stop), find(init, [b"mdia", b"mdhd"], body, stop)
        hdlr = find(init, [b"mdia", b"hdlr"], body, stop)
        if tkhd and mdhd and hdlr:
            (track_id,) = struct.unpack_from(">I", init, tkhd[0] + (20 if init[tkhd[0]] else 12))
            (scale,) = struct.unpack_from(">I", init, mdhd[0] + (20 if init[mdhd[0]] else 12))
            scales[track_id] = (init[hdlr[0] + 8 : hdlr[0] + 12], scale)
    return scales


def codecs(init: bytes, *, layer_2: bool = False) -> str:
    """Return the codecs parameter (RFC 6381) of an init segment, such as ``avc1.4D401F,mp4a.40.2``.

    Args:
        init: The init segment.
        layer_2: Whether MPEG-1 or MPEG-2 audio is of layer 2 (MP2). The init segment describes MP3 in the same way.

    Raises:
        ValueError: The description of a codec is missing or cut off, because the sender's was damaged.
    """
    names = []
    for body, stop in _traks(init):
        stsd = find(init, [b"mdia", b"minf", b"stbl", b"stsd"], body, stop)
        if stsd:
            for kind, entry, end in boxes(init, stsd[0] + 8, stsd[1]):
                try:
                    name = _codec(init, kind, entry, end)
                    names.append("mp4a.40.33" if layer_2 and name in ("mp4a.69", "mp4a.6B") else name)
                except (IndexError, struct.error) as exc:
                    raise ValueError(f"the description of the {kind.decode('latin-1')} track is damaged") from exc
    return ",".join(names)


def _traks(init: bytes) -> list[tuple[int, int]]:
    moov = find(init, [b"moov"])
    if moov is None:
        raise ValueError("the init segment has no moov box")
    return [(body, stop) for kind, body, stop in boxes(init, *moov) if kind == b"trak"]


LEAST_AVCC_BYTES = 7  # version, profile, compatibility, level, sizes and counts (ISO/IEC 14496-15 5.3.3.1)


def _codec(init: bytes, kind: bytes, entry: int, end: int) -> str:
    """Return the codec name of one sample entry. Visual entries have 78 bytes before their boxes, audio entries 28."""
    name = kind.decode("latin-1")
    if kind in (b"avc1", b"avc3") and (box := find(init, [b"avcC"], entry + 78, end)):
        if box[1] - box[0] < LEAST_AVCC_BYTES:
            raise IndexError
        return f"{name}.{init[box[0] + 1 : box[0] + 4].hex().upper()}"
    if kind in (b"hvc1", b"hev1") and (box := find(init, [b"hvcC"], entry + 78, end)):
        return f"{name}.{_hevc_profile(init[box[0] : box[1]])}"
    if kind == b"av01" and (box := find(init, [b"av1C"], entry + 78, end)):
        profile, flags = init[box[0] + 1], init[box[0] + 2]
        depth = 12 if flags & 0x60 == 0x60 else 10 if flags & 0x40 else 8
        return f"av01.{profile >> 5}.{profile & 31:02}{'H' if flags & 0x80 else 'M'}.{depth:02}"
    if kind == b"vp09" and (box := find(init, [b"vpcC"], entry + 78, end)):
        profile, level, depth = init[box[0] + 4], init[box[0] + 5], init[box[0] + 6] >> 4
        return f"vp09.{profile:02}.{level:02}.{depth:02}"
    if kind in (b"mp4a", b"mp4v") and (box := find(init, [b"esds"], entry + (28 if kind == b"mp4a" else 78), end)):
        return f"{name}.{_object_type(init[box[0] + 4 : box[1]])}"
    return {"Opus": "opus"}.get(name, name)


def _hevc_profile(hvcc: bytes) -> str:
    """Return the HEVC part of the codec name.

    ISO/IEC 14496-15 annex E.3: profile space, profile, compatibility bits reversed, tier, level, constraints.
    """
    space, tier, profile = hvcc[1] >> 6, hvcc[1] >> 5 & 1, hvcc[1] & 31
    compatible = int(f"{struct.unpack_from('>I', hvcc, 2)[0]:032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in hvcc[6:12].rstrip(b"\0")]
    head = f"{['', 'A', 'B', 'C'][space]}{profile}.{compatible:X}.{'H' if tier else 'L'}{hvcc[12]}"
    return ".".join([head, *constraints])


def _object_type(esds: bytes) -> str:
    """Return the object type indication, and for MPEG-4 audio the audio object type (ISO/IEC 14496-1 7.2.6)."""
    at, indication = 0, 0
    while at + 2 <= len(esds):
        tag, at = esds[at], at + 1
        while esds[at] & 0x80:
            at += 1
        at += 1
        if tag == 3:
            at += 3
        elif tag == 4:
            indication = esds[at]
            at += 13
        elif tag == 5 and indication == 0x40:
            kind = esds[at] >> 3
            return f"40.{32 + ((esds[at] & 7) << 3 | esds[at + 1] >> 5) if kind == 31 else kind}"
        else:
            break
    return f"{indication:02X}"
