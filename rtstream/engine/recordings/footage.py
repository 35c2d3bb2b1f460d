"""Reads ranges of recorded footage for analysis, as the live taps would have sent them."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.playback import keys, stored_segment
from rtstream.extract.footage import AudioBlock, recorded_audio, sampled_pictures
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.perception.protocols import Picture
from rtstream.rules.gaps import settled_until
from rtstream.rules.playlist import Range, coverage
from rtstream.rules.sample_grid import grid_cell
from rtstream.storage import Storage
from rtstream.store import recordings as rows
from rtstream.store.database import Database
from rtstream.store.recording_clock import without_others

CALL_S = 8.0
"""Footage in seconds that is decoded in one call, which bounds the time and the memory of the call."""
MARGIN_S = 1.0
"""Audio is stored up to this many seconds before or after the pictures of its time."""
PROCESSES = 1
WAITING = 8


class FootageReader:
    """Reads footage, one range at a time. In ``media``, the keys of a stream's files begin with its id.

    ``behind(stream_id)`` is true while footage of a stream is known that is not in the database yet.
    """

    def __init__(self, db: Database, media: Storage, behind: Callable[[str], bool] = lambda _: False) -> None:
        self._db = db
        self._media = media
        self._behind = behind
        self._extractor = Extractor(PROCESSES, WAITING)

    def settled(self, conn: Connection, stream_id: str, start: float) -> float:
        """Return the Unix time up to which nothing more is added to a stream's footage that begins at ``start``."""
        behind = self._behind(stream_id)
        return settled_until(time.time(), rows.newest_end(conn, stream_id), start, behind=behind)

    def recorded(
        self, conn: Connection, stream_id: str, start: float, end: float, after_media: float | None
    ) -> list[Range]:
        """Return the recorded ranges in [start, end), of the recordings between two steps of the clock."""
        found = rows.segments_between(conn, stream_id, start, end)
        return coverage(iter(without_others(conn, stream_id, after_media, found)), start, end)[0]

    async def pictures(
        self, stream_id: str, start: float, end: float, interval_s: float, max_side: int, after_media: float | None
    ) -> list[Picture]:
        """Return the pictures of [start, end) on the sampling grid, oldest first.

        Args:
            stream_id: Id of the stream.
            start: Start of the range in Unix seconds, at which a cell of the grid begins.
            end: End of the range in Unix seconds.
            interval_s: Seconds between pictures.
            max_side: Longest side of a picture in pixels.
            after_media: Media time of the last recording before the step of the clock to begin with, if there was one.

        Raises:
            RTStreamError: A part of the footage cannot be read.
        """
        found: list[Picture] = []
        at = start
        while at < end - 1e-6:
            # A call ends where a cell ends. Of a cell longer than a call, only the first picture is needed.
            cells = max(1, int(CALL_S / interval_s))
            until = min(end, (grid_cell(at, interval_s) + cells) * interval_s)
            stop = min(until, at + CALL_S) if interval_s > CALL_S else until
            recordings = await self._db.read(self._recordings, stream_id, at, stop, after_media)
            taken = await self._call(recordings, at, stop, interval_s, max_side)
            found += taken
            at = until if taken else stop
        return found

    async def _call(
        self, recordings: list[StoredRecording], start: float, end: float, interval_s: float, max_side: int
    ) -> list[Picture]:
        if not recordings:
            return []
        async with self._media.lease(keys(recordings)) as files:
            frames = await self._extractor.run(sampled_pictures, files, recordings, start, end, interval_s, max_side)
        # Where the clock was set back, two recordings may have a picture of the same cell.
        by_cell = {grid_cell(frame.time, interval_s): frame for frame in reversed(frames)}
        return [Picture(one.time, one.jpeg, one.width, one.height) for _, one in sorted(by_cell.items())]

    async def audio(self, stream_id: str, start: float, end: float, after_media: float | None) -> list[AudioBlock]:
        """Return the audio of [start, end) in short blocks, oldest first. A range of a minute has 2 MB.

        Raises:
            RTStreamError: The footage cannot be read.
        """
        recordings = await self._db.read(self._recordings, stream_id, start - MARGIN_S, end + MARGIN_S, after_media)
        if not recordings:
            return []
        async with self._media.lease(keys(recordings)) as files:
            return await self._extractor.run(recorded_audio, files, recordings, start, end)

    def _recordings(
        self, conn: Connection, stream_id: str, start: float, end: float, after_media: float | None
    ) -> list[StoredRecording]:
        pieces: dict[str, list[StoredSegment]] = {}
        found = rows.segments_between(conn, stream_id, start, end)
        for row in without_others(conn, stream_id, after_media, found):
            pieces.setdefault(row.recording_id, []).append(stored_segment(stream_id, row))
        inits = rows.inits(conn, pieces)
        return [StoredRecording(inits[recording], own) for recording, own in pieces.items() if recording in inits]

    async def aclose(self) -> None:
        """End the media process."""
        await self._extractor.aclose()
