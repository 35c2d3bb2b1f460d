"""Computes the recorded ranges of a window and the HLS playlist that plays it. Times are Unix seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

Range = tuple[float, float]
SegmentRow = tuple[float, float, str, str, int, int]
"""A :class:`Segment` as a plain tuple."""

HOLE_S = 0.25
"""Holes shorter than this, in seconds, are ignored, because segments rarely meet to the microsecond."""

CUT_GOP_S = 59.99
"""The recorder cuts a segment of this length in seconds without waiting for a keyframe."""


class Segment(NamedTuple):
    """A recorded segment: its time span, and its byte range in a file.

    A length of 0 stands for the whole file.
    """

    start: float
    duration: float  # seconds
    recording_id: str
    path: str
    offset: int  # bytes
    length: int  # bytes

    @property
    def end(self) -> float:
        """Unix seconds at the end of the segment."""
        return self.start + self.duration


def coverage(segments: Iterable[SegmentRow], start: float, end: float) -> tuple[list[Range], list[Range]]:
    """Return the recorded ranges and the gaps of the window [start, end]. Together they cover the window.

    Args:
        segments: Segments sorted by start.
        start: Start of the window in Unix seconds.
        end: End of the window in Unix seconds.

    Holes shorter than ``HOLE_S`` are not reported as gaps, unless nothing is recorded at all.
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


def whole_gops(segments: Iterable[SegmentRow]) -> Iterator[SegmentRow]:
    """Join each segment that was cut in the middle of a GOP with those that continue it.

    The pictures of a continuation cannot be decoded alone. It follows in the same file, because the recorder begins a
    new one after such a length otherwise.

    Args:
        segments: Segments sorted by start.
    """
    joined: SegmentRow | None = None
    for segment in segments:
        if joined is not None:
            start, _, recording, path, offset, length = joined
            if segment[2:4] == (recording, path) and segment[4] == offset + length:
                joined = (start, segment[0] + segment[1] - start, recording, path, offset, length + segment[5])
                if segment[1] < CUT_GOP_S:
                    yield joined
                    joined = None
                continue
            yield joined
            joined = None
        if segment[1] < CUT_GOP_S:
            yield segment
        else:
            joined = segment
    if joined is not None:
        yield joined


def overlap(recordings: Sequence[tuple[str, float, float]]) -> bool:
    """Return whether a recording begins before an earlier one has ended, because the clock was set back.

    Args:
        recordings: Id, start and end of each recording, in the order of their creation.
    """
    return any(later[1] < earlier[2] - HOLE_S for earlier, later in pairwise(recordings))


def last_recorded(
    segments: Iterable[SegmentRow], recordings: Sequence[tuple[str, float, float]]
) -> Iterator[SegmentRow]:
    """Leave out the segments whose time was recorded again later, entirely.

    A segment of which a part was recorded again is kept: that moment is then there twice, but no moment is missing.

    Args:
        segments: Segments sorted by start.
        recordings: Id, start and end of each recording, in the order of their creation.
    """
    later = {recording[0]: recordings[number + 1 :] for number, recording in enumerate(recordings)}
    for segment in segments:
        start, end = segment[0] + HOLE_S / 2, segment[0] + segment[1] - HOLE_S / 2
        if not any(begin <= start and end <= until for _, begin, until in later.get(segment[2], ())):
            yield segment


def gaps_between(ranges: Sequence[Range]) -> list[Range]:
    """Return the holes of at least ``HOLE_S`` between sorted ranges."""
    return [(before[1], after[0]) for before, after in pairwise(ranges) if after[0] - before[1] >= HOLE_S]


def position(covered: Sequence[Range], at: float) -> float:
    """Return the seconds into a video at which it shows a Unix time.

    Args:
        covered: The ranges that the video shows one after the other.
        at: Unix seconds. Times in gaps and outside belong to the nearest later picture, or to the end.
    """
    shown = 0.0
    for start, end in covered:
        if at < end:
            return shown + max(0.0, at - start)
        shown += end - start
    return shown


def playlist(
    chosen: Iterable[SegmentRow],
    start: float,
    *,
    init_url: Callable[[str], str],
    segment_url: Callable[[str], str],
    own_urls: bool = False,
) -> str:
    """Return an HLS media playlist (RFC 8216, VOD, fMP4) of the segments in the given order.

    The playlist lists whole segments, as byte ranges of files or each under its own URL. EXT-X-START marks the exact
    beginning, while HLS has no way to mark an exact end. The wall clock time is stated at the beginning, after each
    discontinuity and for each file (about once per minute), and players extrapolate from there. A day has 21,600
    segments, so the work per segment is small and no segment is held in memory.

    Args:
        chosen: The segments to play.
        start: Unix time in the first segment at which playback begins.
        init_url: Returns the URL of the init segment of a recording id.
        segment_url: Returns the URL of a path, or with ``own_urls`` the beginning of the URLs of a recording id.
        own_urls: Whether each segment has its own URL, which ends with its start in microseconds and ``.m4s``.

    Raises:
        ValueError: There is no segment.
    """
    lines: list[str] = []
    same_file: list[str] = []  # consecutive segments in one file, without the text that all of them share
    recording, path, url = "", "", ""
    first = reached = longest = 0.0
    for at, duration, recording_id, file, offset, length in chosen:
        if file != path or recording_id != recording or not -HOLE_S < at - reached < HOLE_S:
            if same_file:
                lines.append(_entries(same_file, "" if own_urls else f"\n{url}"))
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
            path, url = file, segment_url(recording if own_urls else file)
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_iso(at)}")
        if own_urls:
            same_file.append(f"{duration:.6f},\n{url}{at * 1e6:.0f}.m4s")
        else:
            place = f"\n#EXT-X-BYTERANGE:{length}@{offset}" if length else ""
            same_file.append(f"{duration:.6f},{place}")
        reached = at + duration
        if duration > longest:
            longest = duration
    if not same_file:
        raise ValueError("no segment is in the window")
    lines.append(_entries(same_file, "" if own_urls else f"\n{url}"))
    head = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f"#EXT-X-START:TIME-OFFSET={max(0.0, start - first):.6f},PRECISE=YES",
    ]
    return "\n".join([*head, *lines, "#EXT-X-ENDLIST\n"])


def _entries(segments: Sequence[str], line: str) -> str:
    """Return the playlist entries of one file, joined in a single step because the URLs of a day are megabytes.

    Each entry ends with ``line``.
    """
    return "#EXTINF:" + f"{line}\n#EXTINF:".join(segments) + line


def describe_nearest(ranges: Sequence[Range], start: float, end: float, *, storing: bool = True) -> str:
    """Return an error text for a window without a recording, which names the nearest recorded ranges.

    Args:
        ranges: The recorded ranges of the stream.
        start: Start of the window in Unix seconds.
        end: End of the window in Unix seconds.
        storing: Whether the stream is recorded at all.
    """
    if not ranges:
        if storing:
            return "Nothing is recorded on this stream yet. Wait until it is connected and has recorded a few seconds."
        return "This stream is not recorded. Connect it with store=true to play it back later."
    window = f"at {format_time(start)}" if start == end else f"between {format_time(start)} and {format_time(end)}"
    near = sorted(ranges, key=lambda r: max(r[0] - end, start - r[1], 0.0))[:3]
    listed = "; ".join(f"{format_time(a)} to {format_time(b)}" for a, b in sorted(near))
    return f"Nothing is recorded {window}. The nearest recorded ranges are: {listed}."


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_time(at: float) -> str:
    """Format a Unix time as a number that can be passed on, followed by a readable form."""
    return f"{at:.3f} ({datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC)"
