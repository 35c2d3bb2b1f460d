"""Finds the whole fragments at the end of a file that was not finished."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rtstream.mp4.fragments import boxes, find, track_runs, track_scales

PAGE = 4096
"""Bytes that a system writes to a disk at once, at the least."""
ZEROS_ARE_MEDIA = ("mp4v", "jpeg")
"""Codecs (RFC 6381) that are padded with zeros: MPEG-2, MPEG-4 and Motion JPEG."""


def written_length(data: bytes) -> int:
    """Return the bytes before the first page of zeros, which was never written. ``data`` begins with a page."""
    zeros = bytes(PAGE)
    at = data.find(zeros)
    while at >= 0:
        page = -(-at // PAGE) * PAGE
        if data.startswith(zeros, page):
            return page
        at = data.find(zeros, at + 1)
    last = len(data) // PAGE * PAGE
    return len(data) if any(data[last:]) else last


@dataclass(frozen=True, slots=True)
class FoundFragments:
    """Consecutive whole fragments. ``offset`` and ``length`` are bytes of the data that was searched."""

    offset: int
    length: int
    first_time: float  # media time of the first sample in seconds
    end_time: float  # media time at which the last sample ends, in seconds


def lead_track(init: bytes) -> tuple[int, int]:
    """Return the id and the ticks per second of the video track, else of the audio track. Raises ValueError."""
    tracks = track_scales(init)
    for handler in (b"vide", b"soun"):
        for track, (kind, scale) in tracks.items():
            if kind == handler and scale:
                return track, scale
    raise ValueError("the init segment has no video and no audio track")


def header_length(data: bytes) -> int:
    """Return the bytes of the ftyp and moov boxes that a file begins with; 0 when it does not."""
    moov = find(data[: _whole(data, 0)], [b"moov"])
    return moov[1] if moov is not None else 0


def find_fragments(data: bytes, init: bytes) -> FoundFragments | None:
    """Find the whole fragments in the tail of a file.

    Args:
        data: Bytes of the file that begin at a box. They may end in the middle of one.
        init: Init segment of the recording.

    Returns:
        The fragments from the first one with samples of the lead track to the last whole one; None without one.
    """
    track, scale = lead_track(init)
    first: tuple[int, float] | None = None
    end_time, at, pending = 0.0, 0, None
    end = 0
    while (size := _box(data, at)) is not None:
        kind = data[at + 4 : at + 8]
        if kind == b"moof":
            pending = at
        elif kind == b"mdat" and pending is not None:
            try:
                runs = {run.track_id: run for run in track_runs(data[pending : at + size])}
            except (ValueError, struct.error):
                break  # damaged: what follows cannot be trusted
            if (run := runs.get(track)) is not None:
                if first is None:
                    first = pending, run.first_dts / scale
                end_time = max(end_time, run.end_dts / scale)
            end, pending = at + size, None
        at += size
    return None if first is None else FoundFragments(first[0], end - first[0], first[1], end_time)


def has_layer_2(media: bytes, init: bytes) -> bool:
    """Return whether the audio of fragments is of layer 2 (MP2), which an init segment describes as it does MP3.

    Args:
        media: Bytes that begin with a fragment and hold some audio.
        init: Init segment of the recording.
    """
    audio = {track for track, (kind, _) in track_scales(init).items() if kind == b"soun"}
    at = begin = 0
    try:
        while (size := _box(media, at)) is not None:
            if media[at + 4 : at + 8] == b"moof":
                begin = at
                for kind, body, stop in boxes(media, at + 8, at + size):
                    head = _first_sample(media, begin, body, stop, audio) if kind == b"traf" else b""
                    if len(head) == 2 and head[0] == 0xFF and head[1] >= 0xE0:
                        return head[1] >> 1 & 3 == 2  # ISO/IEC 11172-3, 2.4.2.3
            at += size
    except (ValueError, struct.error):  # damaged
        pass
    return False


def _first_sample(media: bytes, begin: int, body: int, stop: int, tracks: set[int]) -> bytes:
    """Return the first two bytes of the samples of a traf box if it belongs to one of the tracks."""
    tfhd, trun = find(media, [b"tfhd"], body, stop), find(media, [b"trun"], body, stop)
    if tfhd is None or trun is None:
        return b""
    (track,) = struct.unpack_from(">I", media, tfhd[0] + 4)
    flags, _, offset = struct.unpack_from(">IIi", media, trun[0])
    if track not in tracks or not flags & 1:
        return b""
    return media[begin + offset : begin + offset + 2]


def _box(data: bytes, at: int) -> int | None:
    """The size of the box at ``at``; None when it is not whole."""
    if len(data) - at < 16:
        return None
    (size,) = struct.unpack_from(">I", data, at)
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, at + 8)
    return size if 8 <= size <= len(data) - at else None


def _whole(data: bytes, at: int) -> int:
    """Bytes of the whole boxes from ``at``."""
    while (size := _box(data, at)) is not None:
        at += size
    return at
