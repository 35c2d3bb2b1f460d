"""Edit lists, with which a player shows a file from 0 although the times inside are Unix seconds (ISO 14496-12, 8.6.6).

They belong to the header of one file only. The init segment of a recording has none, because it is used with the
fragments of all its files.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from rtstream.mp4.fragments import boxes, find

BOX = struct.Struct(">I4s")


def with_edit_list(init: bytes, starts: Mapping[int, int]) -> bytes:
    """Return an init segment whose tracks are presented from given media times on.

    Args:
        init: The init segment, without edit lists.
        starts: Media time by track id, in ticks of the track. Tracks without one are not changed.

    Raises:
        ValueError: It is not an init segment.
    """
    moov = find(init, [b"moov"])
    if moov is None:
        raise ValueError("the init segment has no moov box")
    content = bytearray()
    for kind, body, end in boxes(init, *moov):
        track = init[body:end]
        if kind == b"trak":
            track = _edited(track, starts)
        content += BOX.pack(8 + len(track), kind) + track
    return init[: moov[0] - 8] + BOX.pack(8 + len(content), b"moov") + bytes(content) + init[moov[1] :]


def without_edit_list(init: bytes) -> bytes:
    """Return an init segment without the edit lists of ``with_edit_list``."""
    moov = find(init, [b"moov"])
    if moov is None:
        return init
    content = bytearray()
    for kind, body, end in boxes(init, *moov):
        track = init[body:end]
        if kind == b"trak":
            track = b"".join(init[at - 8 : stop] for name, at, stop in boxes(init, body, end) if name != b"edts")
        content += BOX.pack(8 + len(track), kind) + track
    return init[: moov[0] - 8] + BOX.pack(8 + len(content), b"moov") + bytes(content) + init[moov[1] :]


def _edited(track: bytes, starts: Mapping[int, int]) -> bytes:
    """Return the content of a trak box with an edit list behind its header."""
    tkhd = find(track, [b"tkhd"])
    if tkhd is None:
        return track
    (track_id,) = struct.unpack_from(">I", track, tkhd[0] + (20 if track[tkhd[0]] else 12))
    if track_id not in starts:
        return track
    # Version 1, one entry: from the media time to the end, at normal speed.
    entry = struct.pack(">IIQqHH", 1 << 24, 1, 0, starts[track_id], 1, 0)
    elst = BOX.pack(8 + len(entry), b"elst") + entry
    return track[: tkhd[1]] + BOX.pack(8 + len(elst), b"edts") + elst + track[tkhd[1] :]
