"""The segments at both ends of a window, cut to the fragments that the window needs."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import anyio.to_thread
from sqlalchemy import Connection

from rtstream.mp4.fragment_reader import segment_fragments
from rtstream.mp4.recordings import StoredSegment
from rtstream.rules.playlist import Segment
from rtstream.rules.playlist import SegmentRow as PlainSegment
from rtstream.rules.window_cut import SegmentFragment, cut
from rtstream.storage import LocalFiles, Storage
from rtstream.store import recordings as rows
from rtstream.store.database import Database

log = logging.getLogger(__name__)

CACHED = 256
MOMENT_S = 1e-6

_Place = tuple[str, str, int, int]
"""Stream, path, offset and length of a segment."""

Edges = Mapping[float, Segment | None]
"""Segments that extend past an end of a window, by their stored start. They are cut to the window, or None."""


class WindowEdges:
    """Cuts segments. Their fragments are read once and cached."""

    def __init__(self, db: Database, media: Storage) -> None:
        self._db = db
        self._media = media
        self._cache: OrderedDict[_Place, list[SegmentFragment]] = OrderedDict()

    async def of(self, stream_id: str, start: float, end: float) -> Edges:
        """Cut the segments that begin before a window or end after it."""
        found = await self._db.read(rows.segments_across, stream_id, start, end)
        across = {row.start: (Segment._make(row), init) for row, init in found}
        return await self._parts(stream_id, across, start, end)

    async def find(self, stream_id: str, recording_id: str, at: float, start: float, end: float) -> Segment | None:
        """Return the segment of a recording that contains Unix time ``at``, cut to the window [start, end]."""

        def query(conn: Connection) -> tuple[Segment, bytes] | None:
            row = rows.segment_at(conn, stream_id, recording_id, at + MOMENT_S, end)
            if row is None or row.start >= end or row.start + row.duration <= start:
                return None
            recording = rows.find(conn, stream_id, row.recording_id)
            return None if recording is None else (Segment._make(row), recording.init)

        found = await self._db.read(query)
        if found is None:
            return None
        segment, init = found
        if segment.start >= start and segment.end <= end:
            return segment
        return (await self._parts(stream_id, {at: (segment, init)}, start, end))[at]

    async def _parts(
        self, stream_id: str, across: Mapping[float, tuple[Segment, bytes]], start: float, end: float
    ) -> Edges:
        """Cut segments to the window [start, end]. An entry is None if nothing is left or it cannot be read."""
        fragments = await self._fragments(stream_id, list(across.values()))
        parts: dict[float, Segment | None] = {}
        for (at, (segment, _)), own in zip(across.items(), fragments, strict=True):
            found = cut(own, segment.end, start, end)
            parts[at] = None
            if found is not None:
                parts[at] = Segment(
                    found.start, found.duration, segment.recording_id, segment.path, found.offset, found.length
                )
        return parts

    async def _fragments(self, stream_id: str, wanted: Sequence[tuple[Segment, bytes]]) -> list[list[SegmentFragment]]:
        places = [(stream_id, segment.path, segment.offset, segment.length) for segment, _ in wanted]
        found = {place: self._cache[place] for place in places if place in self._cache}
        missing = {
            place: (init, StoredSegment(f"{stream_id}/{segment.path}", segment.offset, segment.length, segment.start))
            for place, (segment, init) in zip(places, wanted, strict=True)
            if place not in found
        }
        if missing:
            async with self._media.lease([stored.key for _, stored in missing.values()]) as files:
                read = await anyio.to_thread.run_sync(
                    lambda: [_read(init, stored, files) for init, stored in missing.values()]
                )
            found |= zip(missing, read, strict=True)
        for place, fragments in found.items():
            if fragments:
                self._cache[place] = fragments
                self._cache.move_to_end(place)
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)
        return [found[place] for place in places]


def within(segments: Iterable[PlainSegment], edges: Edges) -> Iterator[PlainSegment]:
    """Replace the segments at the ends of a window by their cut parts."""
    for row in segments:
        if row[0] not in edges:
            yield row
        elif (left := edges[row[0]]) is not None:
            yield left


def _read(init: bytes, stored: StoredSegment, files: LocalFiles) -> list[SegmentFragment]:
    try:
        return segment_fragments(init, stored, files.open)
    except (OSError, ValueError) as exc:
        # Without the fragments, the part outside the window cannot be cut off, so the segment is not served.
        log.warning("a segment at the end of a window cannot be read: %s", exc)
        return []
