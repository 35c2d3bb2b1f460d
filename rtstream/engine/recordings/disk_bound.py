"""The share of the disk that recordings may fill."""

from __future__ import annotations

from collections.abc import Callable

import anyio.to_thread
from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.models import StorageForecast
from rtstream.rules.storage_forecast import DEFAULT_PERCENT, ExpectedMedia, bound_bytes, bytes_per_day, sentence
from rtstream.storage import Storage
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store import values
from rtstream.store.database import Database
from rtstream.store.streams import StreamRow

KEY = "retain_percent"


class DiskBound:
    """Bounds the disk use of all recordings to a percentage of the disk.

    The setting ``retain_percent`` takes precedence. Without it, a data folder that this version created has a bound,
    and an older one keeps everything.

    Args:
        config: The settings.
        db: The database.
        media: Storage of the recordings.
        copies: Returns the bytes of the copies of the database, which count towards the bound. Blocks.
    """

    def __init__(self, config: EngineConfig, db: Database, media: Storage, copies: Callable[[], int]) -> None:
        self._config = config
        self._db = db
        self._media = media
        self._copies = copies
        self.percent = config.retain_percent or 0.0

    async def load(self, *, created: bool) -> None:
        """Determine the bound. Pass ``created`` for a new data folder."""
        if created:
            await self._db.write(values.put, KEY, DEFAULT_PERCENT)
        if self._config.retain_percent is None:
            self.percent = float(await self._db.read(values.get, KEY) or 0.0)

    async def space(self) -> tuple[int, int]:
        """Return the bytes of the copies of the database, and the free bytes of the disk."""
        return await anyio.to_thread.run_sync(self._copies), await self._media.free()

    async def forecast(self, row: StreamRow, media: ExpectedMedia) -> StorageForecast:
        """Return the space that a stream is expected to need."""

        def query(conn: Connection) -> tuple[int, tuple[int, float], int]:
            return rows.total_bytes(conn), rows.recent_size(conn, row.id), stream_rows.counts(conn)[1]

        total, recent, streams = await self._db.read(query)
        copies, free = await self.space()
        per_day, measured = bytes_per_day(media, *recent)
        bound = bound_bytes(self.percent, total + copies, free)
        return StorageForecast(
            gb_per_day=round(per_day / 1e9, 2),
            measured=measured,
            bound_gb=None if bound is None else round(bound / 1e9, 2),
            text=sentence(per_day, measured, bound, self.percent, streams),
        )
