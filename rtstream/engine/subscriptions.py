"""Which WebSocket connection wants what: ``ws_connection_id`` arguments, kept through restarts."""

from __future__ import annotations

import re
import time

from sqlalchemy import Connection

from rtstream.errors import InvalidRequest
from rtstream.store import subscriptions as rows
from rtstream.store.database import Database

KEEP_S = 7 * 86400.0
MAX_BOUND = 10_000
"""Connections remembered in memory; the oldest goes first (the table still knows it)."""

_CONNECTION_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Subscriptions:
    """Connection id -> set of (kind, id). Kinds: stream, index, alert, transcript."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._targets: dict[str, set[tuple[str, str]]] = {}

    async def bind(self, connection_id: str | None, kind: str, target_id: str) -> None:
        """Deliver what this job yields to that connection; unknown connections are accepted and get nothing."""
        if not connection_id:
            return
        self.check(connection_id)
        (await self.load(connection_id)).add((kind, target_id))
        await self._db.write(rows.bind, connection_id, kind, target_id, time.time())

    def check(self, connection_id: str | None) -> None:
        """Raise InvalidRequest for what cannot be the id of a connection."""
        if connection_id and not _CONNECTION_ID.fullmatch(connection_id):
            raise InvalidRequest("ws_connection_id is not one: use the connection_id of the WebSocket's first message.")

    async def load(self, connection_id: str) -> set[tuple[str, str]]:
        """The live set of a connection; grows as jobs are bound to it."""
        known = self._targets.get(connection_id)
        if known is None:
            stored = await self._db.read(rows.targets, connection_id)
            known = self._targets.setdefault(connection_id, stored)
            while len(self._targets) > MAX_BOUND:
                self._targets.pop(next(iter(self._targets)))
        return known

    def targets(self, connection_id: str) -> set[tuple[str, str]]:
        """The live set of a connection that was loaded or bound before."""
        return self._targets.setdefault(connection_id, set())

    async def forget_old(self) -> None:
        """Remove what was bound more than a week ago."""

        def query(conn: Connection) -> None:
            rows.forget(conn, time.time() - KEEP_S)

        await self._db.write(query)
