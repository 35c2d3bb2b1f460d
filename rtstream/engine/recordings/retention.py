"""Bounds the disk use of recordings by age, by bytes and by their share of the disk.

The oldest are removed first. Evidence of alerts is exempt, except from the share of the disk, for which it is removed
last.
"""

from __future__ import annotations

import logging
import time

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import every
from rtstream.config import EngineConfig
from rtstream.engine.recordings.disk_bound import DiskBound
from rtstream.engine.recordings.projection import RecordingProjection
from rtstream.rules.retention import File, disk_excess, expired, files, unpinned
from rtstream.states import PinKind
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.streams import StreamRow

log = logging.getLogger(__name__)

EVERY_S = 15.0
LOOK_AT = 2000
"""Number of the oldest segments of each stream that one round examines."""
GB = 1_000_000_000


class Retention:
    """Removes old recordings every few seconds.

    Args:
        config: The limits.
        db: The database.
        projection: Removes files.
        bound: Share of the disk, or None if it is unlimited.
    """

    def __init__(
        self, config: EngineConfig, db: Database, projection: RecordingProjection, bound: DiskBound | None = None
    ) -> None:
        self._config = config
        self._db = db
        self._projection = projection
        self._bound = bound
        self._turn = anyio.Lock()

    async def run(self) -> None:
        """Remove old recordings until cancelled."""
        await every(EVERY_S, self._all_rounds, "old recordings could not be removed")

    async def _all_rounds(self) -> None:
        while await self.round():
            pass

    async def make_room(self) -> None:
        """Remove recordings that exceed a limit immediately, because the disk is full."""
        await self._all_rounds()

    async def round(self) -> int:
        """Remove the files that exceed a limit. Returns their number."""
        async with self._turn:
            return await self._round()

    async def _round(self) -> int:
        found: list[tuple[StreamRow, list[File], list[File]]] = await self._db.read(self._candidates)
        now = time.time()
        going: dict[tuple[str, str], File] = {}
        for stream, candidates, _ in found:
            own = stream.retention or {}
            days = self._config.retain_days
            age = own.get("max_age_s") or (days * 86400 if days else None)
            limit = own.get("max_bytes")
            excess = max(0, stream.recorded_bytes - limit) if limit else 0
            for file in expired(candidates, before=now - age if age else None, excess=excess):
                going[file.stream_id, file.path] = file
        total = sum(stream.recorded_bytes for stream, _, _ in found)
        limit = int(self._config.retain_gb * GB) if self._config.retain_gb else None
        copies, free = await self._bound.space() if self._bound else (0, 0)
        if limit is not None:
            _add_oldest(going, [file for _, own, _ in found for file in own], total + copies - limit)
        if self._bound is not None:
            minimum = int(self._config.min_free_gb * GB)
            excess = disk_excess(self._bound.percent, total + copies, free, minimum)
            _add_oldest(going, [file for _, own, _ in found for file in own], excess)
            _add_oldest(going, [file for _, _, evidence in found for file in evidence], excess)
        await self._remove(list(going.values()))
        return len(going)

    @staticmethod
    def _candidates(conn: Connection) -> list[tuple[StreamRow, list[File], list[File]]]:
        """Return each stream with its oldest files, and with those that are evidence of alerts."""
        found: list[tuple[StreamRow, list[File], list[File]]] = []
        for stream in stream_rows.all_streams(conn):
            oldest = rows.oldest_segments(conn, stream.id, LOOK_AT)
            recording = rows.find(conn, stream.id, oldest[-1].recording_id) if oldest else None
            complete = len(oldest) < LOOK_AT and recording is not None and recording.closed
            candidates = files(stream.id, ((s.path, s.start, s.duration, s.length) for s in oldest), complete=complete)
            evidence: list[File] = []
            if candidates:
                until = candidates[-1].end
                candidates = unpinned(
                    candidates, rows.pinned(conn, stream.id, until, PinKind.EXPORT)
                )  # being exported now
                free = unpinned(candidates, rows.pinned(conn, stream.id, until))
                paths = {file.path for file in free}
                evidence = [file for file in candidates if file.path not in paths]
                candidates = free
            found.append((stream, candidates, evidence))
        return found

    async def _remove(self, going: list[File]) -> None:
        """Log the removal, forget the segments, then delete the files.

        After a crash, the next reader of the log completes the removal. Removed footage never reappears.
        """
        by_stream: dict[str, list[str]] = {}
        for file in going:
            by_stream.setdefault(file.stream_id, []).append(file.path)
        for stream_id, paths in by_stream.items():
            await self._projection.remove(stream_id, paths)
            log.info("removed %d old files of %s", len(paths), stream_id)


def _add_oldest(going: dict[tuple[str, str], File], candidates: list[File], excess: int) -> None:
    """Add the oldest of the candidates until the files in ``going`` free ``excess`` bytes."""
    rest = sorted((f for f in candidates if (f.stream_id, f.path) not in going), key=lambda file: file.start)
    for file in expired(rest, before=None, excess=excess - sum(file.bytes for file in going.values())):
        going[file.stream_id, file.path] = file
