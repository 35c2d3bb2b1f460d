"""Runs the transcripts that alerts without an index read, for as long as there are such alerts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from sqlalchemy import Connection

from rtstream.engine.alerts.state import hears_speech, reads_transcript
from rtstream.errors import InvalidRequest
from rtstream.states import AlertStatus
from rtstream.store import alerts as rows
from rtstream.store.database import Database

if TYPE_CHECKING:
    from rtstream.engine.transcripts import TranscriptService

log = logging.getLogger(__name__)

NEEDED_BY = "alerts"
"""Stands in the place of an index that needs a transcript."""


class AlertTranscripts:
    """The transcripts that alerts read: one per stream, of a transcript that a user started if there is one.

    Args:
        db: The database.
        transcripts: Returns the transcripts.
    """

    def __init__(self, db: Database, transcripts: Callable[[], TranscriptService]) -> None:
        self._db = db
        self._service = transcripts
        self._engines: dict[str, str] = {}
        self._needed: set[str] = set()
        self._agreeing = anyio.Lock()

    def engine(self, stream_id: str) -> str:
        """Return the engine of the transcript that alerts of a stream read, or an empty string if there is none."""
        return self._engines.get(stream_id, "")

    async def choose(self, stream_id: str) -> str:
        """Return the engine whose transcript alerts of a stream read or would read. Raises InvalidRequest."""
        known = self.engine(stream_id)
        if known:
            return known
        started = await self._service().list_running(stream_id)
        return self._service().engine(next(iter(started), None))

    async def is_running(self, stream_id: str) -> bool:
        """Return whether the transcript that alerts of a stream read or would read runs. Raises InvalidRequest."""
        return self._service().is_running(stream_id, await self.choose(stream_id))

    async def agree(self) -> None:
        """Run a transcript on each stream that has an enabled alert on it, and on no other stream."""
        async with self._agreeing:
            wanted = await self._db.read(_streams)
            for stream_id in [one for one in self._engines if one not in wanted]:
                await self._release(stream_id)
                del self._engines[stream_id]
            for stream_id, enabled in wanted.items():
                if not enabled:
                    await self._release(stream_id)
                try:
                    self._engines[stream_id] = await self.choose(stream_id)
                except InvalidRequest as exc:
                    log.warning("alerts on the speech of %s cannot be evaluated: %s", stream_id, exc.message)
                    continue
                if enabled and stream_id not in self._needed:
                    self._needed.add(stream_id)
                    await self._service().need(stream_id, self._engines[stream_id], NEEDED_BY)

    async def _release(self, stream_id: str) -> None:
        if stream_id in self._needed:
            self._needed.discard(stream_id)
            await self._service().release(stream_id, self._engines[stream_id], NEEDED_BY)


def _streams(conn: Connection) -> dict[str, bool]:
    """Return the streams that have an alert on their transcript, and whether one of these is enabled."""
    found: dict[str, bool] = {}
    for alert in rows.without_index(conn):
        if hears_speech(alert) or reads_transcript(alert):
            enabled = alert.status is AlertStatus.ENABLED
            found[alert.stream_id] = found.get(alert.stream_id, False) or enabled
    return found
