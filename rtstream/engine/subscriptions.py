"""Stores which results each WebSocket connection receives (``ws_connection_id`` arguments), across restarts."""

from __future__ import annotations

import re
import time

from sqlalchemy import Connection

from rtstream.errors import InvalidRequest
from rtstream.store import subscriptions as rows
from rtstream.store.database import Database

KEEP_S = 7 * 86400.0
MAX_BOUND = 10_000
"""Maximum number of connections in memory. The oldest is dropped first, but stays in the table."""

_CONNECTION_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Subscriptions:
    """The targets of each connection: (kind, id) with the kinds ``stream``, ``index``, ``alert`` and ``transcript``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._targets: dict[str, set[tuple[str, str]]] = {}

    async def bind(self, connection_id: str | None, kind: str, target_id: str) -> None:
        """Deliver the results of a target to a connection. An unknown connection is accepted and receives nothing.

        Raises:
            InvalidRequest: The connection id is malformed.
        """
        if not connection_id:
            return
        self.check(connection_id)
        (await self.load(connection_id)).add((kind, target_id))
        await self._db.write(rows.bind, connection_id, kind, target_id, time.time())

    async def copy(self, kind: str, source_id: str, target_id: str) -> None:
        """Deliver the results of a target to all connections that receive those of another target of its kind."""
        await self._db.write(rows.copy, kind, source_id, target_id, time.time())
        for targets in self._targets.values():
            if (kind, source_id) in targets:
                targets.add((kind, target_id))

    def check(self, connection_id: str | None) -> None:
        """Check the form of a connection id. Raises InvalidRequest."""
        if connection_id and not _CONNECTION_ID.fullmatch(connection_id):
            raise InvalidRequest("Invalid ws_connection_id. Use the connection_id from the first WebSocket message.")

    async def load(self, connection_id: str) -> set[tuple[str, str]]:
        """Return the live set of a connection's targets, which grows as targets are bound to it."""
        known = self._targets.get(connection_id)
        if known is None:
            stored = await self._db.read(rows.targets, connection_id)
            known = self._targets.setdefault(connection_id, stored)
            while len(self._targets) > MAX_BOUND:
                self._targets.pop(next(iter(self._targets)))
        return known

    def targets(self, connection_id: str) -> set[tuple[str, str]]:
        """Return the live set of a connection that was loaded or bound before."""
        return self._targets.setdefault(connection_id, set())

    async def trim(self) -> None:
        """Remove targets that were bound more than a week ago."""

        def query(conn: Connection) -> None:
            rows.trim(conn, time.time() - KEEP_S)

        await self._db.write(query)
