"""Combines recorded fragments into one progressive MP4 file without re-encoding.

The file begins with new tables. The fragments follow unchanged inside its media data, each with its own header, which
players of the file never see. The same file therefore plays as a file, through its tables, and as HLS, through byte
ranges of its fragments. The fragments' times are rewritten to be continuous, because not every HLS player handles
discontinuities. An edit list cuts to exact pictures. The parts cut off the first and the last GOP remain in the file
but are hidden.

This code runs in an extraction process and does not import the codec library. Errors are ValueErrors with one plain
sentence.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from rtstream.imports import LateModule
from rtstream.mp4.fragment_reader import MediaRange, SourceFragment, each_fragment, lead_track, source_fragment
from rtstream.mp4.fragments import boxes
from rtstream.mp4.moov import TrackTable, box, movie
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import TrackInfo, read_fragment, read_init

if TYPE_CHECKING:
    import numpy as np
else:
    np = LateModule("numpy")

HOLE_S = 0.25
"""Fragments of a recording that are further apart begin a new part."""
FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
_HALF_TICK_S = 0.0005
"""Tolerance for times, which come from stored floats."""

OpenFile = Callable[[str], BinaryIO]
"""Opens a stored file by its key."""


@dataclass(frozen=True)
class Fragment:
    """A part of the finished file that plays on its own after the init segment.

    Attributes:
        start: Unix seconds at which its first picture is shown.
        duration: Seconds.
        part: Number of its part. A discontinuity separates two parts.
        offset: First byte in the finished file.
        length: Number of bytes.
    """

    start: float
    duration: float
    part: int
    offset: int
    length: int


@dataclass(frozen=True)
class Part:
    """A part of the file without a gap: ``start`` and ``end`` in Unix seconds, and ``at`` in seconds into the file."""

    start: float
    end: float
    at: float


@dataclass(frozen=True)
class ProgressiveFile:
    """A progressive MP4 file to be written: the header, then the ranges of recorded bytes.

    Attributes:
        header: First bytes of the file.
        stretches: Recorded bytes that follow the header.
        duration: Playing time in seconds.
        parts: The parts of the file.
        fragments: The fragments of the file.
        init_at: Byte position of the init segment in the file.
        init_length: Bytes of the init segment.
        times: (position, bytes) to be written over the file last. They make the fragments' times continuous; the tables
            do not depend on them.
    """

    header: bytes
    stretches: list[MediaRange]
    duration: float
    parts: list[Part]
    fragments: list[Fragment]
    init_at: int
    init_length: int
    times: list[tuple[int, bytes]]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + sum(stretch.length for stretch in self.stretches)


class FormatMismatch(ValueError):
    """The recordings cannot share one file. ``recording`` is the number of the first one with a different format."""

    def __init__(self, recording: int) -> None:
        super().__init__(recording)
        self.recording = recording

    def __str__(self) -> str:
        return "the format of the recording changes"


@dataclass
class _SourcePart:
    """Consecutive fragments of one recording. ``zero`` is the Unix time at the start of the recording's time line."""

    recording: int
    zero: float
    tracks: dict[int, TrackInfo]
    pieces: list[SourceFragment] = field(default_factory=list)
    shift: float = 0.0  # seconds from the recording's time to the file's

    @property
    def begins(self) -> dict[int, float]:
        """Decode time of each track's first sample, in seconds on the recording's time line."""
        first: dict[int, float] = {}
        for piece in self.pieces:
            for track, samples in piece.samples.items():
                first.setdefault(track, float(samples.decoded[0]) / self.tracks[track].timescale)
        return first

    @property
    def ends(self) -> dict[int, float]:
        """End of each track, in seconds on the recording's time line."""
        return {
            track: float(samples.decoded[-1] + samples.durations[-1]) / self.tracks[track].timescale
            for piece in self.pieces
            for track, samples in piece.samples.items()
        }

    @property
    def shown_to(self) -> float:
        """End of the last picture, in seconds on the recording's time line."""
        return max(piece.end for piece in self.pieces)


def same_format(inits: Sequence[bytes]) -> list[bool]:
    """Return, for each init segment, whether its samples can share one file with those of the last one."""
    formats = [_format(read_init(init)) for init in inits]
    return [found == formats[-1] for found in formats]


def _format(tracks: dict[int, TrackInfo]) -> list[object]:
    return [track.format for _, track in sorted(tracks.items())]


def plan(recordings: Sequence[StoredRecording], start: float, end: float, open_file: OpenFile) -> ProgressiveFile:
    """Plan the file for the window [start, end].

    Gaps between recordings are closed, so that they play back to back.

    Args:
        recordings: The recordings, sorted, with all segments of the window.
        start: Unix seconds.
        end: Unix seconds.
        open_file: Opens a stored file by its key.

    Raises:
        ValueError: Nothing in the window can be read.
        FormatMismatch: The recordings have different formats.
    """
    parts = [part for number, recording in enumerate(recordings) for part in _parts(number, recording, open_file)]
    parts = _trim(parts, start, end)
    if not parts:
        raise ValueError("nothing is recorded in this window")
    wanted = _format(parts[0].tracks)
    for part in parts:
        if _format(part.tracks) != wanted:
            raise FormatMismatch(part.recording)
    _line_up(parts)
    return _assemble(recordings, parts, start, end)


def _parts(number: int, recording: StoredRecording, open_file: OpenFile) -> Iterator[_SourcePart]:
    """Split a recording at its holes."""
    tracks = read_init(recording.init)
    lead = lead_track(tracks)
    part: _SourcePart | None = None
    zero: float | None = None
    reached = 0.0
    for piece, first in _pieces(recording, tracks, lead, open_file):
        if lead.id not in piece.samples:
            # Audio alone at the end of a recording.
            if part is not None:
                part.pieces.append(piece)
            continue
        if zero is None:
            zero = first - piece.shown
        if part is None or abs(piece.decoded - reached) >= HOLE_S:
            if part is not None:
                yield part
            part = _SourcePart(number, zero, tracks)
        part.pieces.append(piece)
        reached = piece.decoded_to
    if part is not None:
        yield part


def _pieces(
    recording: StoredRecording, tracks: dict[int, TrackInfo], lead: TrackInfo, open_file: OpenFile
) -> Iterator[tuple[SourceFragment, float]]:
    """Yield the fragments of a recording, and the Unix time at which the stored segment of each begins."""
    for stored in recording.pieces:
        try:
            with open_file(stored.key) as file:
                for stretch, moof in each_fragment(file, stored.key, stored.offset, stored.offset + stored.length):
                    samples = read_fragment(moof, tracks)
                    if samples:
                        yield source_fragment(stretch, samples, tracks, lead), stored.start
        except OSError:
            raise ValueError("a part of the recording no longer exists on disk") from None


def _trim(parts: list[_SourcePart], start: float, end: float) -> list[_SourcePart]:
    """Return only the fragments needed to show [start, end], beginning at the last keyframe before it."""
    needed: list[_SourcePart] = []
    for part in parts:
        pieces = part.pieces
        from_, to = start - part.zero + _HALF_TICK_S, end - part.zero - _HALF_TICK_S
        before = [n for n, piece in enumerate(pieces) if piece.keyframe and piece.shown <= from_]
        first = before[-1] if before else next((n for n, piece in enumerate(pieces) if piece.keyframe), len(pieces))
        part.pieces = [piece for piece in pieces[first:] if piece.earliest < to]
        shown = [piece for piece in part.pieces if piece.keyframe]
        if shown and part.shown_to > from_ and shown[0].shown < to:
            needed.append(part)
    return needed


def _assemble(
    recordings: Sequence[StoredRecording], parts: list[_SourcePart], start: float, end: float
) -> ProgressiveFile:
    init = recordings[parts[0].recording].init
    covered = [(part.zero + part.pieces[0].shown, part.zero + part.shown_to) for part in parts]
    covered[0] = (_picture_at(parts[0], start), covered[0][1])
    covered[-1] = (covered[-1][0], min(end, covered[-1][1]))
    # The shown span of the file's own time line.
    begin, finish = _on_file(parts[0], covered[0][0]), _on_file(parts[-1], covered[-1][1])
    places = _places(parts, len(init))
    tracks = [_table(parts, places, track, begin, finish) for track in parts[0].tracks]
    tables = [table for table in tracks if table is not None]
    total = len(init) + sum(piece.stretch.length for part in parts for piece in part.pieces)
    media_at = len(FTYP) + len(movie(tables, 0)) + 16
    header = FTYP + movie(tables, media_at) + struct.pack(">I4sQ", 1, b"mdat", total + 16) + init
    return ProgressiveFile(
        header=header,
        stretches=_merge_adjacent(piece.stretch for part in parts for piece in part.pieces),
        duration=finish - begin,
        parts=[
            Part(start, end, max(0.0, _on_file(part, start) - begin))
            for part, (start, end) in zip(parts, covered, strict=True)
        ],
        fragments=[
            found
            for number, part in enumerate(parts)
            for found in _playable(number, part, places, media_at)
            if found.start < covered[number][1]
        ],
        init_at=media_at,
        init_length=len(init),
        times=[time for part in parts for time in _times(part, places, media_at)],
    )


def _line_up(parts: list[_SourcePart]) -> None:
    """Place each part after the picture and audio of the previous one."""
    parts[0].shift = -min(parts[0].begins.values())
    for before, part in pairwise(parts):
        begins, ends = part.begins, before.ends
        waits = [ends[track] - begins[track] for track in begins if track in ends]
        part.shift = before.shift + max([before.shown_to - part.pieces[0].shown, *waits])


def _on_file(part: _SourcePart, at: float) -> float:
    """Return a Unix time as seconds on the file's own time line."""
    return at - part.zero + part.shift


def _picture_at(part: _SourcePart, at: float) -> float:
    """Return the Unix time at which the picture shown at ``at`` begins.

    An edit that cuts into a picture would drop it.
    """
    lead = lead_track(part.tracks)
    begun = part.pieces[0].shown
    for piece in part.pieces:
        if lead.id in piece.samples and piece.shown + part.zero <= at:
            own = piece.samples[lead.id]
            times = (own.decoded + own.shown_after) / lead.timescale
            begun = max([begun, *times[times <= at - part.zero + _HALF_TICK_S].tolist()])
    return part.zero + begun


def _places(parts: list[_SourcePart], at: int) -> dict[MediaRange, int]:
    """Return the byte position of each fragment, relative to the beginning of the media data."""
    places: dict[MediaRange, int] = {}
    for part in parts:
        for piece in part.pieces:
            places[piece.stretch] = at
            at += piece.stretch.length
    return places


def _table(
    parts: list[_SourcePart], places: dict[MediaRange, int], track: int, begin: float, finish: float
) -> TrackTable | None:
    """Return one track of all parts on the file's time line, or None if it has no samples."""
    info = parts[0].tracks[track]
    found = [(part, piece, piece.samples[track]) for part in parts for piece in part.pieces if track in piece.samples]
    if not found:
        return None
    scale = info.timescale
    decoded = np.concatenate([s.decoded + round(part.shift * scale) for part, _, s in found])
    chunks = [(places[piece.stretch] + at, count) for _, piece, s in found for at, count in s.chunks]
    zero = int(decoded[0])
    missing = zero / scale - begin
    edits = [(finish - begin, round(begin * scale) - zero)]
    if missing > 0:  # the track begins later than the shown span
        edits = [(missing, -1), (finish - begin - missing, 0)]
    return TrackTable(
        info=info,
        decoded=decoded,
        last_duration=int(found[-1][2].durations[-1]),
        shown_after=np.concatenate([s.shown_after for _, _, s in found]),
        sizes=np.concatenate([s.sizes for _, _, s in found]),
        sync=np.concatenate([s.sync for _, _, s in found]),
        chunk_at=np.array([at for at, _ in chunks], np.int64),
        chunk_counts=np.array([count for _, count in chunks], np.int64),
        edits=edits,
    )


def _times(part: _SourcePart, places: dict[MediaRange, int], media_at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the byte position and new value of each decode time of a part's fragments."""
    for piece in part.pieces:
        for track, samples in piece.samples.items():
            moved = int(samples.decoded[0]) + round(part.shift * part.tracks[track].timescale)
            where = media_at + places[piece.stretch] + samples.time_at
            yield where, moved.to_bytes(samples.time_bytes, "big")


def _playable(number: int, part: _SourcePart, places: dict[MediaRange, int], media_at: int) -> Iterator[Fragment]:
    """Yield the fragments of a part that begin with a keyframe, each merged with the following ones that do not."""
    keys = [n for n, piece in enumerate(part.pieces) if piece.keyframe]
    for key, following in zip(keys, [*keys[1:], len(part.pieces)], strict=True):
        group = part.pieces[key:following]
        until = part.pieces[following].shown if following < len(part.pieces) else max(piece.end for piece in group)
        length = sum(piece.stretch.length for piece in group)
        start = part.zero + group[0].shown
        yield Fragment(start, until - group[0].shown, number, media_at + places[group[0].stretch], length)


def _merge_adjacent(stretches: Iterator[MediaRange]) -> list[MediaRange]:
    """Merge adjacent ranges of the same file."""
    found: list[MediaRange] = []
    for stretch in stretches:
        last = found[-1] if found else None
        if last is not None and last.key == stretch.key and last.offset + last.length == stretch.offset:
            found[-1] = MediaRange(last.key, last.offset, last.length + stretch.length)
        else:
            found.append(stretch)
    return found


def retime(init: bytes, media: bytes, start: float) -> bytes:
    """Move whole fragments (moof + mdat) so that their first picture is shown at ``start`` seconds.

    Not every HLS player handles discontinuities, so media played back to back needs continuous times.

    Raises:
        ValueError: The fragments are malformed.
    """
    tracks = read_init(init)
    lead = lead_track(tracks)
    moved = bytearray(media)
    shift: float | None = None
    for kind, body, end in boxes(media):
        if kind != b"moof":
            continue
        begin = body - 8
        for track, samples in sorted(read_fragment(media[begin:end], tracks).items(), key=lambda i: i[0] != lead.id):
            scale = tracks[track].timescale
            if shift is None:
                shift = start - float(samples.decoded[0] + samples.shown_after[0]) / scale
            time = max(0, int(samples.decoded[0]) + round(shift * scale))
            at = begin + samples.time_at
            moved[at : at + samples.time_bytes] = time.to_bytes(samples.time_bytes, "big")
    return bytes(moved)
