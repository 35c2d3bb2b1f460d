"""The exact moments at which screens change, found in the footage when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from itertools import groupby

from sqlalchemy import Connection

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.playback import keys, stored_segment
from rtstream.errors import RTStreamError
from rtstream.extract.screen_edges import changed_at
from rtstream.mp4.recordings import StoredRecording
from rtstream.storage import Storage
from rtstream.store import recordings as rows
from rtstream.store.database import Database

MAX_KNOWN = 5000
LONGEST_S = 30.0
"""Longest range in seconds that is searched for a change."""
PROCESSES = 1
WAITING = 64


class ScreenEdges:
    """Finds changes of screens in recordings. In ``media``, the keys of a stream's files begin with its id."""

    def __init__(self, db: Database, media: Storage) -> None:
        self._db = db
        self._media = media
        self._extractor = Extractor(PROCESSES, WAITING)
        self._known: OrderedDict[tuple[str, float, float], float | None] = OrderedDict()

    async def changed_at(self, stream_id: str, before: float, after: float) -> float | None:
        """Return the time of the first picture of the screen that ``after`` shows and ``before`` does not.

        Args:
            stream_id: Id of the stream.
            before: Unix time of a picture of the screen before.
            after: Unix time of a picture of the new screen.

        Returns:
            Unix seconds, or None if the footage does not show it.
        """
        key = (stream_id, before, after)
        if key not in self._known:
            try:
                found = await self._search(*key) if 0 < after - before <= LONGEST_S else None
            except RTStreamError:  # deleted meanwhile, damaged, or too busy
                return None
            self._known[key] = found
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return self._known.get(key)

    async def _search(self, stream_id: str, before: float, after: float) -> float | None:
        recordings = await self._db.read(_recordings, stream_id, before, after)
        if not recordings:
            return None
        async with self._media.lease(keys(recordings)) as files:
            return await self._extractor.run(changed_at, files, recordings, before, after)

    async def aclose(self) -> None:
        """End the media process."""
        await self._extractor.aclose()


def _recordings(conn: Connection, stream_id: str, before: float, after: float) -> list[StoredRecording]:
    found = rows.segments_between(conn, stream_id, before, after + 0.001)
    pieces = {
        recording_id: [stored_segment(stream_id, row) for row in own]
        for recording_id, own in groupby(found, key=lambda row: row.recording_id)
    }
    inits = rows.inits(conn, pieces)
    return [StoredRecording(inits[recording], own) for recording, own in pieces.items() if recording in inits]
