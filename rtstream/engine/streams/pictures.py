"""Frames and contact sheets of streams: the current picture of a recorder, or a recorded one."""

from __future__ import annotations

import time

from rtstream.engine.recordings import PlaybackService, StreamSheet
from rtstream.engine.streams.recorders import StreamRecorders
from rtstream.errors import InvalidRequest, NotFound, RTStreamError
from rtstream.perception.protocols import Picture
from rtstream.store import streams as rows
from rtstream.store.database import Database

MAX_SIDE = 4096
UNSTORED_S = 10.0
"""Seconds before now in which the newest segment of a running stream may still be written."""
AHEAD_S = 2.0
"""Seconds that the clock of a client may be ahead."""


class StreamPictures:
    """Takes pictures of streams.

    Args:
        db: The database.
        playback: Reads the recordings.
        recorders: The recorders of the streams.
        default_side: Longest side of a picture in pixels, if a request names none.
    """

    def __init__(self, db: Database, playback: PlaybackService, recorders: StreamRecorders, default_side: int) -> None:
        self._db = db
        self._playback = playback
        self._recorders = recorders
        self._default_side = default_side

    async def frame(self, stream_id: str, at: float | None, max_side: int | None = None) -> Picture:
        """Return the current picture, or the one at Unix time ``at``, at most ``max_side`` pixels long.

        The last seconds of a running stream are not stored yet. Its current picture stands for them.
        """
        side = max(16, min(max_side or self._default_side, MAX_SIDE))
        if at is not None:
            try:
                return await self._playback.frame(stream_id, at, side)
            except NotFound:
                if stream_id not in self._recorders.running or not -AHEAD_S <= time.time() - at <= UNSTORED_S:
                    raise
        await self._db.read(rows.get, stream_id)
        try:
            taken = await self._recorders.snapshot(stream_id, side)
        except RTStreamError:
            return await self._newest(stream_id, side)
        live = Picture(taken.time, taken.payload, taken.width, taken.height)
        return await self._playback.newer(stream_id, live, side)

    async def sheet(
        self, stream_id: str, start: float, end: float, count: int = 9, max_side: int | None = None
    ) -> StreamSheet:
        """Return a contact sheet of [start, end] (Unix seconds), at most ``max_side`` pixels long."""
        side = max(64, min(max_side or self._default_side, MAX_SIDE))
        return await self._playback.sheet(stream_id, start, end, count, side)

    async def _newest(self, stream_id: str, side: int) -> Picture:
        if stream_id in self._recorders.running:
            raise InvalidRequest("The stream has no current picture. Check its health, or ask for a recorded moment.")
        try:
            return await self._playback.newest(stream_id, side)
        except RTStreamError:
            raise InvalidRequest(
                "The stream is stopped and has no recordings, so there is no picture. Start it first."
            ) from None
