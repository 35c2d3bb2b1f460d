"""The journal of results. Readers wait for entries after a cursor, and appending wakes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import Broadcast
from rtstream.models import JournalPage, Message
from rtstream.store import journal as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry, Filter, JournalRow

EVERYTHING = Filter()


class Journal:
    """The only way for results to leave the engine. The API, WebSockets and MCP all read from it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._grown = Broadcast()

    async def append(self, *entries: Entry) -> list[int]:
        """Write entries in one transaction, wake the readers and return the numbers of the entries."""
        seqs = await self._db.write(rows.append_all, entries)
        self.wake()
        return seqs

    def wake(self) -> None:
        """Notify readers that entries were committed (by ``append``, or with other rows in one transaction)."""
        self._grown.notify()

    @property
    def grown(self) -> anyio.Event:
        """Return an event that is set at the next append.

        Take it before reading, so that no entry in between is missed.
        """
        return self._grown.next

    async def latest(self) -> int:
        """Return the newest number, or 0 if there are no entries yet."""
        return await self._db.read(rows.latest)

    async def read(
        self,
        since: int | None,
        which: Filter = EVERYTHING,
        limit: int = 100,
        *,
        wait_s: float = 0.0,
    ) -> JournalPage:
        """Return entries after ``since`` that pass the filter, oldest first. Without ``since``, return the newest ones.

        Waits up to ``wait_s`` seconds for the first entry. The returned cursor also passes entries that the filter
        excluded.
        """
        truncated = False
        with anyio.move_on_after(wait_s):
            while True:
                grown = self._grown.next  # taken before the read, so that an append in between is not missed
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
            # The cursor is from another data folder. Starting over is better than waiting for a number that may never
            # come.
            ahead = since > last
            return JournalPage(
                entries=found,
                cursor=found[-1].seq if more else last,
                has_more=more,
                truncated=ahead or (oldest > 0 and since + 1 < oldest),
            )

        return await self._db.read(query)

    async def follow(self, since: int, batch: int = 200) -> AsyncIterator[Sequence[tuple[Message, JournalRow]]]:
        """Yield every entry after ``since`` in order, without end, in batches of (message, row)."""
        while True:
            grown = self._grown.next
            found = await self._db.read(rows.after, since, EVERYTHING, batch)
            if found:
                since = found[-1][0].seq
                yield found
            else:
                await grown.wait()
