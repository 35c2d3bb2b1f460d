"""The journal as a running thing: append wakes readers; readers wait with a cursor and a deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import Broadcast
from rtstream.models import JournalPage, Message
from rtstream.store import journal as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry, Filter, JournalRow

MAX_PAGE = 500
EVERYTHING = Filter()


class Journal:
    """The one way results leave the engine. All outlets read from here."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._grown = Broadcast()

    async def append(self, *entries: Entry) -> list[int]:
        """Write entries in one transaction and wake the readers; returns their numbers."""

        def write(conn: Connection) -> list[int]:
            return [rows.append(conn, entry) for entry in entries]

        seqs = await self._db.write(write)
        self.wake()
        return seqs

    def wake(self) -> None:
        """Tell readers that entries were committed (by ``append``, or with other rows in one transaction)."""
        self._grown.notify()

    @property
    def grown(self) -> anyio.Event:
        """Set at the next append. Take it, then read, then wait for it: nothing in between is missed."""
        return self._grown.next

    async def latest(self) -> int:
        """The newest number; 0 when there is none yet."""
        return await self._db.read(rows.latest)

    async def read(
        self,
        since: int | None,
        which: Filter = EVERYTHING,
        limit: int = 100,
        *,
        wait_s: float = 0.0,
    ) -> JournalPage:
        """Entries after ``since`` that pass the filter, oldest first; without ``since`` the newest ones.

        Waits up to ``wait_s`` seconds for the first. The cursor moves past entries that the filter left out.
        """
        limit = max(1, min(limit, MAX_PAGE))
        truncated = False
        with anyio.move_on_after(wait_s):
            while True:
                grown = self._grown.next  # taken before the read: an append in between is not missed
                page = await self._page(since, which, limit)
                truncated |= page.truncated
                if page.entries or wait_s <= 0:
                    return page.model_copy(update={"truncated": truncated})
                since = page.cursor
                await grown.wait()
        page = await self._page(since, which, limit)
        return page.model_copy(update={"truncated": truncated or page.truncated})

    async def _page(self, since: int | None, which: Filter, limit: int) -> JournalPage:
        def query(conn: Connection) -> JournalPage:
            last = rows.latest(conn)
            if since is None:
                entries = [message for message, _ in rows.newest(conn, which, limit)]
                return JournalPage(entries=entries, cursor=last)
            found = [message for message, _ in rows.after(conn, since, which, limit + 1)]
            more = len(found) > limit
            found = found[:limit]
            oldest = rows.oldest(conn)
            # A cursor from the future (another data folder): start over rather than wait for ever.
            ahead = since > last
            return JournalPage(
                entries=found,
                cursor=found[-1].seq if more else last,
                has_more=more,
                truncated=ahead or (oldest > 0 and since + 1 < oldest),
            )

        return await self._db.read(query)

    async def follow(self, since: int, batch: int = 200) -> AsyncIterator[Sequence[tuple[Message, JournalRow]]]:
        """Every entry after ``since``, in order, without end, in batches of (message, row)."""
        while True:
            grown = self._grown.next
            found = await self._db.read(rows.after, since, EVERYTHING, batch)
            if found:
                since = found[-1][0].seq
                yield found
            else:
                await grown.wait()
