"""Health of all streams: the current state in memory, each change of it in the journal."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from rtstream.concurrency import Broadcast
from rtstream.engine.journal import Journal
from rtstream.models import Health
from rtstream.rules.redaction import redact
from rtstream.rules.text_safety import clean
from rtstream.states import HealthState
from rtstream.store import journal as journal_rows
from rtstream.store import streams as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry

MAX_REASON = 500


class HealthLog:
    """Knows how every stream is that ran since the engine started."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._db = db
        self._journal = journal
        self._health: dict[str, Health] = {}
        self._changed: dict[str, Broadcast] = {}
        self._names: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._trial: set[str] = set()  # streams that are not accepted yet, so that the journal does not mention them

    def add(self, stream_id: str, name: str, url: str, *, trial: bool = False) -> None:
        """Remember a stream's name, and the URL whose credentials its reasons must not show.

        Nothing is written to the journal about a stream on ``trial`` until it is accepted.
        """
        self._names[stream_id] = name
        self._urls[stream_id] = url
        if trial:
            self._trial.add(stream_id)

    async def accept(self, stream_id: str) -> None:
        """End a stream's trial, and write its health to the journal."""
        self._trial.discard(stream_id)
        health = self._health.get(stream_id)
        if health is not None:
            await self._journal.append(self._entry(stream_id, health))

    def rename(self, stream_id: str, name: str) -> None:
        """Use another name in journal entries from now on."""
        self._names[stream_id] = name

    def get(self, stream_id: str) -> Health | None:
        """Return the health of a stream, or None when it has not run since the engine started."""
        return self._health.get(stream_id)

    def changed(self, stream_id: str) -> Broadcast:
        """Return the broadcast that is notified of each change of a stream's health."""
        return self._changed.setdefault(stream_id, Broadcast())

    async def set(self, stream_id: str, state: str, reason: str, *, attempts: int = 0) -> None:
        """Store the health of a stream, and write a journal entry when state or reason differ from before."""
        before = self._health.get(stream_id)
        reason = clean(redact(reason, [self._urls[stream_id]] if stream_id in self._urls else ()), MAX_REASON)
        health = Health(state=HealthState(state), reason=reason, since=time.time(), attempts=attempts)
        if before is not None and before.state == state:
            health.since = before.since
        self._health[stream_id] = health

        def write(conn: Connection) -> bool:
            rows.update_stream(conn, stream_id, health=health.model_dump())
            if before is not None and (before.state, before.reason) == (state, reason):
                return False
            if stream_id in self._trial:
                return False
            journal_rows.append(conn, self._entry(stream_id, health))
            return True

        if await self._db.write(write):
            self._journal.wake()
        self.changed(stream_id).notify()

    def forget(self, stream_id: str) -> None:
        """Forget a stream that was removed."""
        for table in (self._health, self._changed, self._names, self._urls):
            table.pop(stream_id, None)
        self._trial.discard(stream_id)

    def _entry(self, stream_id: str, health: Health) -> Entry:
        data = health.model_dump(mode="json", include={"state", "reason", "since", "attempts"})
        return Entry("health", data, stream_id=stream_id, stream_name=self._names.get(stream_id, ""))
