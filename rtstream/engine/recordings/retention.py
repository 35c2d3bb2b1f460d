"""Bounds the disk: the oldest recordings go, by age and by bytes; evidence of alerts stays."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection

from rtstream.concurrency import every
from rtstream.config import EngineConfig
from rtstream.rules.retention import File, expired, files, unpinned
from rtstream.storage import Storage
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

    def __init__(self, config: EngineConfig, db: Database, media: Storage) -> None:
        self._config = config
        self._db = db
        self._media = media

    async def run(self) -> None:
        """Remove what has to go until cancelled."""
        await every(EVERY_S, self._all_rounds, "old recordings could not be removed")

    async def _all_rounds(self) -> None:
        while await self.round():
            pass

    async def round(self) -> int:
        """Remove what has to go now; returns how many files went."""
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

    async def agree(self) -> None:
        """After a crash: forget segments without bytes, and remove files that nothing speaks of."""
        for stream_id in await self._db.read(stream_rows.all_ids):
            ends = await self._db.read(rows.file_ends, stream_id)
            lost, orphans = _compare(stream_id, ends, await self._media.list(stream_id))
            if lost:
                log.warning("%d recorded files of %s are missing or cut short", len(lost), stream_id)
                await self._db.write(rows.remove_segments, stream_id, lost)
            await self._media.delete(orphans)

    @staticmethod
    def _candidates(conn: Connection) -> list[tuple[StreamRow, list[File]]]:
        found: list[tuple[StreamRow, list[File]]] = []
        for stream in stream_rows.all_streams(conn):
            oldest = rows.oldest_segments(conn, stream.id, LOOK_AT)
            run = rows.init_of(conn, stream.id, oldest[-1].recording_id) if oldest else None
            complete = len(oldest) < LOOK_AT and run is not None and run.closed
            candidates = files(stream.id, ((s.path, s.start, s.duration, s.length) for s in oldest), complete=complete)
            if candidates:
                candidates = unpinned(candidates, rows.pinned(conn, stream.id, candidates[-1].end))
            found.append((stream, candidates))
        return found

    async def _remove(self, going: list[File]) -> None:
        """Forget the segments, then delete the files: a crash in between leaves a file, never a hole in a playlist."""
        by_stream: dict[str, list[str]] = {}
        for file in going:
            by_stream.setdefault(file.stream_id, []).append(file.path)
        for stream_id, paths in by_stream.items():
            await self._db.write(rows.remove_segments, stream_id, paths)
            await self._media.delete([f"{stream_id}/{path}" for path in paths])
            log.info("removed %d old files of %s", len(paths), stream_id)


def _compare(stream_id: str, ends: dict[str, int], sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    """Known files that are missing or too short, and the keys of files that are not known."""
    lost = [path for path, end in ends.items() if sizes.get(f"{stream_id}/{path}", -1) < end]
    orphans = [key for key in sizes if key.endswith(".m4s") and key.removeprefix(f"{stream_id}/") not in ends]
    return lost, orphans
