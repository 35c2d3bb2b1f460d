"""Bounds the disk use of recordings by age and by bytes. The oldest go first, evidence of alerts stays."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection

from rtstream.concurrency import every
from rtstream.config import EngineConfig
from rtstream.engine.recordings.projection import RecordingProjection
from rtstream.rules.retention import File, expired, files, unpinned
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.streams import StreamRow

log = logging.getLogger(__name__)

EVERY_S = 15.0
LOOK_AT = 2000
"""Oldest segments of each stream looked at in one round."""
GB = 1_000_000_000


class Retention:
    """Looks every few seconds whether something has to go."""

    def __init__(self, config: EngineConfig, db: Database, projection: RecordingProjection) -> None:
        self._config = config
        self._db = db
        self._projection = projection

    async def run(self) -> None:
        """Remove old recordings until cancelled."""
        await every(EVERY_S, self._all_rounds, "old recordings could not be removed")

    async def _all_rounds(self) -> None:
        while await self.round():
            pass

    async def round(self) -> int:
        """Remove the files that exceed a limit. Returns their number."""
        found: list[tuple[StreamRow, list[File]]] = await self._db.read(self._candidates)
        now = time.time()
        going: dict[tuple[str, str], File] = {}
        for stream, candidates in found:
            own = stream.retention or {}
            days = self._config.retain_days
            age = own.get("max_age_s") or (days * 86400 if days else None)
            limit = own.get("max_bytes")
            excess = max(0, stream.recorded_bytes - limit) if limit else 0
            for file in expired(candidates, before=now - age if age else None, excess=excess):
                going[file.stream_id, file.path] = file
        rest = sorted(
            (f for _, candidates in found for f in candidates if (f.stream_id, f.path) not in going),
            key=lambda file: file.start,
        )
        limit = int(self._config.retain_gb * GB) if self._config.retain_gb else None
        excess = max(0, sum(stream.recorded_bytes for stream, _ in found) - limit) if limit is not None else 0
        for file in expired(rest, before=None, excess=excess - sum(file.bytes for file in going.values())):
            going[file.stream_id, file.path] = file
        await self._remove(list(going.values()))
        return len(going)

    @staticmethod
    def _candidates(conn: Connection) -> list[tuple[StreamRow, list[File]]]:
        found: list[tuple[StreamRow, list[File]]] = []
        for stream in stream_rows.all_streams(conn):
            oldest = rows.oldest_segments(conn, stream.id, LOOK_AT)
            recording = rows.find(conn, stream.id, oldest[-1].recording_id) if oldest else None
            complete = len(oldest) < LOOK_AT and recording is not None and recording.closed
            candidates = files(stream.id, ((s.path, s.start, s.duration, s.length) for s in oldest), complete=complete)
            if candidates:
                candidates = unpinned(candidates, rows.pinned(conn, stream.id, candidates[-1].end))
            found.append((stream, candidates))
        return found

    async def _remove(self, going: list[File]) -> None:
        """Log the removal, forget the segments, then delete the files.

        After a crash, the next reader of the log finishes the removal. Nothing that is removed comes back.
        """
        by_stream: dict[str, list[str]] = {}
        for file in going:
            by_stream.setdefault(file.stream_id, []).append(file.path)
        for stream_id, paths in by_stream.items():
            await self._projection.remove(stream_id, paths)
            log.info("removed %d old files of %s", len(paths), stream_id)
