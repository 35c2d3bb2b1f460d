"""The segments at both ends of a window, cut to the fragments that the window needs."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

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
from rtstream.store.recordings import SegmentRow

log = logging.getLogger(__name__)

CACHED = 256
MOMENT_S = 1e-6

Edges = Mapping[float, Segment | None]
"""Segments that extend past an end of a window, by their stored start. They are cut to the window, or None."""


class WindowEdges:
    """Cuts segments. Their fragments are read once and cached."""

    def __init__(self, db: Database, media: Storage) -> None:
        self._db = db
        self._media = media
        self._cache: OrderedDict[tuple[str, str, int, int], list[SegmentFragment]] = OrderedDict()

    async def of(self, stream_id: str, start: float, end: float) -> Edges:
        """Cut the segments that begin before a window or end after it."""

        def query(conn: Connection) -> list[tuple[Segment, bytes]]:
            near = [
                *rows.segments_between(conn, stream_id, start, start + MOMENT_S),
                *rows.segments_between(conn, stream_id, end - MOMENT_S, end),
            ]
            reaching = {row.start: row for row in near if row.start < start or row.start + row.duration > end}
            return [found for row in reaching.values() if (found := _with_init(conn, stream_id, row)) is not None]

        found = await self._db.read(query)
        return {segment.start: await self.part(stream_id, segment, init, start, end) for segment, init in found}

    async def find(self, stream_id: str, recording_id: str, at: float, start: float, end: float) -> Segment | None:
        """Return the segment of a recording that contains Unix time ``at``, cut to the window [start, end]."""

        def query(conn: Connection) -> tuple[Segment, bytes] | None:
            row = rows.segment_at(conn, stream_id, recording_id, at + MOMENT_S)
            if row is None or row.start >= end or row.start + row.duration <= start:
                return None
            return _with_init(conn, stream_id, row)

        found = await self._db.read(query)
        return None if found is None else await self.part(stream_id, *found, start, end)

    async def part(self, stream_id: str, segment: Segment, init: bytes, start: float, end: float) -> Segment | None:
        """Return the part of a segment in the window [start, end], or None if it is empty or cannot be read."""
        if segment.start >= start and segment.end <= end:
            return segment
        found = cut(await self._fragments(stream_id, segment, init), segment.end, start, end)
        if found is None:
            return None
        return Segment(found.start, found.duration, segment.recording_id, segment.path, found.offset, found.length)

    async def _fragments(self, stream_id: str, segment: Segment, init: bytes) -> list[SegmentFragment]:
        place = (stream_id, segment.path, segment.offset, segment.length)
        found = self._cache.get(place)
        if found is None:
            stored = StoredSegment(f"{stream_id}/{segment.path}", segment.offset, segment.length, segment.start)
            async with self._media.lease([stored.key]) as files:
                found = await anyio.to_thread.run_sync(_read, init, stored, files)
            if not found:
                return []
            self._cache[place] = found
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(place)
        return found


def within(segments: Iterable[PlainSegment], edges: Edges) -> Iterator[PlainSegment]:
    """Replace the segments at the ends of a window by their cut parts."""
    for row in segments:
        if row[0] not in edges:
            yield row
        elif (left := edges[row[0]]) is not None:
            yield left


def _with_init(conn: Connection, stream_id: str, row: SegmentRow) -> tuple[Segment, bytes] | None:
    recording = rows.find(conn, stream_id, row.recording_id)
    return None if recording is None else (Segment._make(row), recording.init)


def _read(init: bytes, stored: StoredSegment, files: LocalFiles) -> list[SegmentFragment]:
    try:
        return segment_fragments(init, stored, files.open)
    except (OSError, ValueError) as exc:
        # Without the fragments, the part outside the window cannot be cut off, so the segment is not served.
        log.warning("a segment at the end of a window cannot be read: %s", exc)
        return []
