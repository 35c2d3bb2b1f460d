"""What of a window is recorded, and the HLS playlist that plays it. Times are Unix seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

Range = tuple[float, float]
SegmentRow = tuple[float, float, str, str, int, int]
"""A :class:`Segment` as a plain tuple."""

HOLE_S = 0.25
"""Holes shorter than this, in seconds, are none: segments of one recording rarely meet to the microsecond."""


class Segment(NamedTuple):
    """One recorded segment: where it is in time, and which bytes of which file it is; a length of 0 means all."""

    start: float
    duration: float  # seconds
    recording_id: str
    path: str
    offset: int  # bytes
    length: int  # bytes

    @property
    def end(self) -> float:
        return self.start + self.duration


def coverage(segments: Iterable[SegmentRow], start: float, end: float) -> tuple[list[Range], list[Range]]:
    """The recorded ranges of the window [start, end], and the gaps. Together they are the window.

    ``segments`` are sorted by start. Holes shorter than ``HOLE_S`` are no gaps, unless nothing is recorded at all.
    """
    covered: list[Range] = []
    gaps: list[Range] = []
    begin = reached = start  # recorded without a gap from ``begin`` to ``reached``
    found = False
    for at, duration, _, _, _, _ in segments:
        until = at + duration
        if until <= start or at >= end:
            continue
        found = True
        if at - reached >= HOLE_S:
            if reached > begin:
                covered.append((begin, reached))
            gaps.append((reached, at))
            begin = at
        if until > reached:
            reached = until
    reached = min(reached, end)
    if not found:
        return [], [(start, end)]
    if end - reached < HOLE_S:
        reached = end
    covered.append((begin, reached))
    if reached < end:
        gaps.append((reached, end))
    return covered, gaps


def gaps_between(ranges: Sequence[Range]) -> list[Range]:
    """The holes of at least ``HOLE_S`` between ranges that are in order."""
    return [(before[1], after[0]) for before, after in pairwise(ranges) if after[0] - before[1] >= HOLE_S]


def playlist(
    chosen: Iterable[SegmentRow],
    start: float,
    *,
    init_url: Callable[[str], str],
    segment_url: Callable[[str], str],
) -> str:
    """The HLS media playlist (RFC 8216, VOD, fMP4 byte ranges) of these segments in this order.

    Whole ones are listed, and EXT-X-START names the exact beginning: Unix time ``start`` in the first one. HLS knows no
    exact end. ``init_url`` takes a recording id, ``segment_url`` a path.
    The wall clock is given at the beginning, after each discontinuity and with each file, about once a minute; players
    count on from there. A day has 21,600 segments: what is done for each one counts, and none is kept.
    Raises ValueError when there is no segment.
    """
    lines: list[str] = []
    same_file: list[str] = []  # segments that follow each other in one file, without what is the same for all of them
    recording, path, url = "", "", ""
    first = reached = longest = 0.0
    for at, duration, recording_id, file, offset, length in chosen:
        if file != path or recording_id != recording or not -HOLE_S < at - reached < HOLE_S:
            if same_file:
                lines.append(_entries(same_file, url))
                same_file = []
            if recording_id != recording:
                if recording:
                    lines.append("#EXT-X-DISCONTINUITY")
                else:
                    first = at
                recording = recording_id
                lines.append(f'#EXT-X-MAP:URI="{init_url(recording)}"')
            elif abs(at - reached) >= HOLE_S:
                lines.append("#EXT-X-DISCONTINUITY")
            path, url = file, segment_url(file)
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_iso(at)}")
        place = f"\n#EXT-X-BYTERANGE:{length}@{offset}" if length else ""
        same_file.append(f"{duration:.6f},{place}")
        reached = at + duration
        if duration > longest:
            longest = duration
    if not same_file:
        raise ValueError("no segment is in the window")
    lines.append(_entries(same_file, url))
    head = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f"#EXT-X-START:TIME-OFFSET={max(0.0, start - first):.6f},PRECISE=YES",
    ]
    return "\n".join([*head, *lines, "#EXT-X-ENDLIST\n"])


def _entries(segments: Sequence[str], url: str) -> str:
    """Playlist entries of one file: joined in one go, since a day's addresses are megabytes."""
    return "#EXTINF:" + f"\n{url}\n#EXTINF:".join(segments) + f"\n{url}"


def nearest(ranges: Sequence[Range], start: float, end: float, *, storing: bool = True) -> str:
    """What to tell who asked for a window without a recording: where the nearest of ``ranges`` are.

    ``storing``: whether the stream is recorded at all.
    """
    if not ranges:
        if storing:
            return "Nothing is recorded on this stream yet. Wait until it is connected and has recorded a few seconds."
        return "This stream is not recorded. Connect it with store=true to be able to play it back."
    asked = f"at {stamp(start)}" if start == end else f"between {stamp(start)} and {stamp(end)}"
    near = sorted(ranges, key=lambda r: max(r[0] - end, start - r[1], 0.0))[:3]
    listed = "; ".join(f"{stamp(a)} to {stamp(b)}" for a, b in sorted(near))
    return f"Nothing is recorded {asked}. The nearest recorded ranges are: {listed}."


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp(at: float) -> str:
    """A Unix time as a number that can be passed on, and readable."""
    return f"{at:.3f} ({datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC)"
