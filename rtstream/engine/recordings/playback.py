"""Playback links, single frames and contact sheets of the recordings of a stream."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import anyio
from sqlalchemy import Connection

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.links import LinkService, player_url, stream_url
from rtstream.errors import InvalidRequest, NotFound, RTStreamError
from rtstream.extract.frames import MAX_SHEET_PICTURES, contact_sheet, frame_at
from rtstream.models import Playback
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.perception.protocols import Picture
from rtstream.rules.link_targets import LinkOrigin, window_target
from rtstream.rules.playlist import Range, Segment, coverage, describe_nearest
from rtstream.storage import Storage
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database

MAX_WINDOW_S = 31 * 86400.0
LAST_S = 60.0
LONG_S = 3600.0
STALE_S = 10.0
"""A current picture that is older in seconds may not be the newest one."""
PROCESSES = 2
WAITING = 64


@dataclass(frozen=True)
class StreamSheet:
    """A contact sheet. ``times`` holds the Unix seconds of its pictures, row by row."""

    times: list[float]
    jpeg: bytes
    width: int
    height: int


class PlaybackService:
    """Reads recordings. In ``media``, the keys of a stream's files begin with its id."""

    def __init__(self, db: Database, links: LinkService, media: Storage) -> None:
        self._db = db
        self._links = links
        self._media = media
        self._extractor = Extractor(PROCESSES, WAITING)
        self._long = anyio.Lock()

    def _turn(self, start: float, end: float) -> AbstractAsyncContextManager[None]:
        """To be held while the segments of a window are read.

        Long windows are read one at a time. Threads that exchange the interpreter lock at every row take three times as
        long as the same reads in sequence. Short windows do not wait.
        """
        return self._long if end - start > LONG_S else nullcontext()

    async def playback(
        self,
        origin: LinkOrigin,
        stream_id: str,
        start: float | None,
        end: float | None,
        title: str = "",
        description: str = "",
    ) -> Playback:
        """Create links to a window, by default to the last recorded minute.

        A window that ends in the future is cut at the current time, because a link to the past must not play the
        future. Raises InvalidRequest for an impossible window, and NotFound for an empty one.
        """
        stream = await self._db.read(stream_rows.get, stream_id)
        newest = await self._db.read(rows.last_segment, stream_id)
        recorded_to = None if newest is None else newest.start + newest.duration
        if start is None and end is None:
            until = recorded_to or time.time()  # the newest footage of a delayed or stopped stream is in the past
            start, end = until - LAST_S, until
        now = max(time.time(), recorded_to or 0.0)  # later than the current time if the clock was set back
        start, end = window(start, end, now)
        end = max(start, min(end, now))

        def query(conn: Connection) -> tuple[list[Range], list[Range]]:
            return coverage(rows.each_segment(conn, stream_id, start, end), start, end)

        async with self._turn(start, end):
            covered, gaps = await self._db.read(query)
        if not covered:
            ranges = await self._db.read(rows.ranges, stream_id, 3, (start + end) / 2)
            raise NotFound(describe_nearest(ranges, start, end, storing=stream.store))
        target = window_target(stream_id, start, end, title, description)
        (link_id,) = await self._links.create([target], origin.purpose)
        return Playback(
            stream_url=stream_url(origin.base_url, link_id),
            player_url=player_url(origin.base_url, link_id),
            start=start,
            end=end,
            covered=covered,
            gaps=gaps,
        )

    async def frame(self, stream_id: str, at: float, max_side: int) -> Picture:
        """The picture shown at Unix time ``at``. Raises NotFound when nothing was recorded there."""
        stream = await self._db.read(stream_rows.get, stream_id)
        if not math.isfinite(at):
            raise InvalidRequest("The time must be a Unix timestamp in seconds.")
        segment = await self._db.read(rows.shown_at, stream_id, at)
        if segment is None:
            ranges = await self._db.read(rows.ranges, stream_id, 3, at)
            raise NotFound(describe_nearest(ranges, at, at, storing=stream.store))
        recording = await self._db.read(rows.find, stream_id, segment.recording_id)
        assert recording is not None
        piece = stored_segment(stream_id, segment)
        async with self._media.lease([piece.key]) as files:
            found = await self._extractor.run(frame_at, files, recording.init, [piece], at, max_side)
        return Picture(found.time, found.jpeg, found.width, found.height)

    async def sheet(self, stream_id: str, start: float, end: float, count: int, max_side: int) -> StreamSheet:
        """Return a contact sheet of up to ``count`` pictures, spaced evenly over [start, end]. Gaps are omitted."""
        stream = await self._db.read(stream_rows.get, stream_id)
        start, end = window(start, end)
        if not 1 <= count <= MAX_SHEET_PICTURES:
            raise InvalidRequest(f"A contact sheet shows 1 to {MAX_SHEET_PICTURES} pictures.")
        step = (end - start) / count

        def query(conn: Connection) -> tuple[dict[str, StoredRecording], list[float]]:
            recordings: dict[str, StoredRecording] = {}
            times: list[float] = []
            for at in (start + (number + 0.5) * step for number in range(count)):
                if (row := rows.shown_at(conn, stream_id, at)) is not None:
                    times.append(at)
                    piece = stored_segment(stream_id, row)
                    recording = recordings.get(row.recording_id)
                    if recording is None:
                        found = rows.find(conn, stream_id, row.recording_id)
                        assert found is not None
                        recordings[row.recording_id] = StoredRecording(found.init, [piece])
                    elif recording.pieces[-1] != piece:
                        recordings[row.recording_id] = StoredRecording(recording.init, [*recording.pieces, piece])
            return recordings, times

        recordings, times = await self._db.read(query)
        if not times:
            ranges = await self._db.read(rows.ranges, stream_id, 3, (start + end) / 2)
            raise NotFound(describe_nearest(ranges, start, end, storing=stream.store))
        async with self._media.lease(keys(recordings.values())) as files:
            found = await self._extractor.run(contact_sheet, files, list(recordings.values()), times, max_side)
        return StreamSheet(found.times, found.jpeg, found.width, found.height)

    async def newest(self, stream_id: str, max_side: int) -> Picture:
        """Return the last recorded picture. Raises NotFound."""
        last = await self._db.read(rows.last_segment, stream_id)
        if last is None:
            raise NotFound("The stream has no recordings.")
        return await self.frame(stream_id, last.start + max(0.0, last.duration - 0.001), max_side)

    async def newer(self, stream_id: str, live: Picture, max_side: int) -> Picture:
        """Return the last recorded picture if it is much newer than the one of a recorder, else that one.

        A recorder does not store the packets of a very long GOP in memory, and returns its keyframe.
        """
        if time.time() - live.time <= STALE_S:
            return live
        newest = await self._db.read(rows.newest_end, stream_id)
        if newest is None or newest[1] or newest[0] <= live.time + STALE_S:  # a closed recording is an earlier one
            return live
        try:
            return await self.newest(stream_id, max_side)
        except RTStreamError:
            return live

    async def aclose(self) -> None:
        """End the media processes."""
        await self._extractor.aclose()


def stored_segment(stream_id: str, row: rows.SegmentRow | Segment) -> StoredSegment:
    """Convert the row of a segment to the form that media processes read."""
    return StoredSegment(f"{stream_id}/{row.path}", row.offset, row.length, row.start)


def keys(recordings: Iterable[StoredRecording]) -> set[str]:
    """The keys of all files of recordings."""
    return {piece.key for recording in recordings for piece in recording.pieces}


def window(start: float | None, end: float | None, now: float | None = None) -> tuple[float, float]:
    """Check a requested window. A window without length becomes the second around it (API reference 2.6).

    Args:
        start: Unix seconds.
        end: Unix seconds.
        now: Unix time after which no window may begin. None is the current time.

    Raises:
        InvalidRequest: The window is not possible.
    """
    if start is None or end is None:
        raise InvalidRequest("Pass both start and end as Unix timestamps in seconds.")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise InvalidRequest("start and end must be Unix timestamps in seconds.")
    if end < start:
        raise InvalidRequest("The end of the window is before its start. Swap start and end.")
    if end - start > MAX_WINDOW_S:
        raise InvalidRequest("The window is longer than 31 days. Ask for a shorter one.")
    if start > (time.time() if now is None else now) + 1:
        raise InvalidRequest("The window begins in the future. Pass Unix timestamps in seconds.")
    if end == start:
        start, end = math.floor(start), math.floor(start) + 1
    return float(start), float(end)
