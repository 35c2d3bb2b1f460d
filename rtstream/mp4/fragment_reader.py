"""Reads the fragments of a stored segment: where each one is, and when its samples are shown."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from rtstream.mp4.recordings import StoredSegment
from rtstream.mp4.sample_tables import Samples, TrackInfo, read_fragment, read_init
from rtstream.rules.window_cut import SegmentFragment


@dataclass(frozen=True)
class MediaRange:
    """A range of bytes in a file."""

    key: str
    offset: int
    length: int


@dataclass
class SourceFragment:
    """A recorded fragment. Times are seconds on the time line of its recording."""

    stretch: MediaRange
    samples: dict[int, Samples]
    keyframe: bool  # can be decoded without an earlier fragment
    shown: float  # presentation of its first picture in decode order, or of its audio without pictures
    earliest: float  # earliest presentation time of its samples
    decoded: float  # decode time of the first sample of the leading track
    decoded_to: float
    end: float  # end of its last picture


def segment_fragments(
    init: bytes, segment: StoredSegment, open_file: Callable[[str], BinaryIO]
) -> list[SegmentFragment]:
    """Return the fragments of a segment.

    Raises:
        ValueError: The segment is damaged.
        OSError: Its file cannot be read.
    """
    tracks = read_init(init)
    lead = lead_track(tracks)
    found: list[SegmentFragment] = []
    zero: float | None = None
    with open_file(segment.key) as file:
        for stretch, moof in each_fragment(file, segment.key, segment.offset, segment.offset + segment.length):
            own = read_fragment(moof, tracks, lead.id).get(lead.id)
            if own is None:  # audio that ends a recording
                if found:
                    last = found[-1]
                    length = stretch.offset + stretch.length - last.offset
                    found[-1] = SegmentFragment(last.start, last.earliest, last.offset, length, last.keyframe)
                continue
            times = (own.decoded + own.shown_after) / lead.timescale
            zero = segment.start - float(times[0]) if zero is None else zero
            start, earliest = zero + float(times[0]), zero + float(times.min())
            found.append(SegmentFragment(start, earliest, stretch.offset, stretch.length, bool(own.sync[0])))
    return found


def lead_track(tracks: dict[int, TrackInfo]) -> TrackInfo:
    """Return the track that determines the time, which is the video track if there is one."""
    found = next((track for track in tracks.values() if track.handler == b"vide"), next(iter(tracks.values()), None))
    if found is None:
        raise ValueError("the recording has neither video nor audio")
    return found


def each_fragment(file: BinaryIO, key: str, at: int, end: int) -> Iterator[tuple[MediaRange, bytes]]:
    """Yield each fragment (moof + mdat) between two offsets of a file, with its moof box."""
    begin, moof = at, b""
    while at < end:
        file.seek(at)
        head = file.read(16)
        if len(head) < 16:
            raise ValueError("a part of the recording is truncated on disk")
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, 8)
        if size < 8 or at + size > end:
            raise ValueError("a part of the recording is damaged on disk")
        if kind == b"moof":
            begin, moof = at, head + file.read(size - 16)
        at += size
        if kind == b"mdat" and moof:
            yield MediaRange(key, begin, at - begin), moof
            begin, moof = at, b""


def source_fragment(
    stretch: MediaRange, samples: dict[int, Samples], tracks: dict[int, TrackInfo], lead: TrackInfo
) -> SourceFragment:
    """Return a fragment with the times of its samples."""
    shown = {track: (s.decoded + s.shown_after) / tracks[track].timescale for track, s in samples.items()}
    earliest = min(float(times.min()) for times in shown.values())
    own = samples.get(lead.id)
    if own is None:
        return SourceFragment(stretch, samples, False, earliest, earliest, earliest, earliest, earliest)
    times = shown[lead.id]
    last = int(times.argmax())
    return SourceFragment(
        stretch,
        samples,
        bool(own.sync[0]),
        float(times[0]),
        earliest,
        float(own.decoded[0]) / lead.timescale,
        float(own.decoded[-1] + own.durations[-1]) / lead.timescale,
        float(times[last]) + float(own.durations[last]) / lead.timescale,
    )
