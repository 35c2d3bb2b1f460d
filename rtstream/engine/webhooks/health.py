"""Sends every change of a stream's health to one receiver: at least once, in order, and through restarts.

The journal is the queue. Only the number of the last entry that was sent is stored.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.journal import Journal
from rtstream.engine.webhooks.sender import SendResult, WebhookSender
from rtstream.json_types import JsonObject
from rtstream.rules.delivery import DELAYS_S, GONE, next_attempt
from rtstream.states import HealthCode
from rtstream.store import journal as journal_rows
from rtstream.store import values
from rtstream.store.database import Database
from rtstream.store.journal import Filter, JournalRow, utc

T = TypeVar("T")

log = logging.getLogger(__name__)

SENT = "health_webhook"
"""Key of the number of the last entry that was sent, or given up."""
HEALTH = Filter(channels=["health"])
READ_TOGETHER = 50
RETRY_S = 2.0
"""Pause in seconds after a database error."""
LONGEST_WAIT_S = 86400.0
"""An older entry is tried once more after the receiver is back, and then given up."""
FAILURES = 2
"""Consecutive failures that are a problem. A single one may be a restart of the receiver."""
NEXT_STEP = "Check the receiver and RTSTREAM_HEALTH_WEBHOOK_URL. Missed entries are sent again for a day."


class ProblemBoard(Protocol):
    """Shows the problems of the engine, as ``HealthLog`` does."""

    async def set_problem(self, code: HealthCode, text: str, next_step: str) -> None:
        """Show a problem."""
        ...

    async def clear_problem(self, code: HealthCode) -> None:
        """Show it no longer."""
        ...


class HealthWebhook:
    """Follows the health entries of the journal, and sends each to the receiver of the settings.

    Args:
        url: URL of the receiver. Empty: nothing is sent.
        db: The database.
        journal: Its journal.
        problems: Shows that the receiver does not accept webhooks.
        sender: Sends them.
        delays_s: Seconds to wait after each failed attempt.
    """

    def __init__(
        self,
        url: str,
        db: Database,
        journal: Journal,
        problems: ProblemBoard,
        sender: WebhookSender,
        delays_s: Sequence[float] = DELAYS_S,
    ) -> None:
        self._url = url
        self._db, self._journal, self._problems, self._sender = db, journal, problems, sender
        self._delays_s = delays_s
        self._failures = 0  # in a row

    async def run(self) -> None:
        """Send entries until cancelled, beginning with those that an earlier run has not sent."""
        sent = await self._until_done(self._begin)
        while self._url:
            grown = self._journal.grown
            found = await self._until_done(lambda since=sent: self._read(since))
            for row in found:
                await self._deliver(row)
                sent = row.seq
                await self._until_done(lambda seq=sent: self._db.write(values.put, SENT, seq))
            if not found:
                await grown.wait()

    async def _begin(self) -> int:
        """Return the number to begin after. Without a receiver, forget it, so that a later one begins at its time."""

        def begin(conn: Connection) -> int:
            sent = values.get(conn, SENT)
            wanted = (sent if isinstance(sent, int) else journal_rows.latest(conn)) if self._url else None
            if wanted != sent:
                values.put(conn, SENT, wanted)
            return wanted or 0

        return await self._db.write(begin)

    async def _read(self, since: int) -> list[JournalRow]:
        return [row for _, row in await self._db.read(journal_rows.after, since, HEALTH, READ_TOGETHER)]

    async def _deliver(self, row: JournalRow) -> None:
        """Send an entry until the receiver accepts it, or the attempts are used up."""
        attempts = 0
        while True:
            result = await self._sender.send(f"health-{row.seq}", self._url, payload_of(row))
            await self._note(result)
            if not result.error:
                return
            attempts += 1
            now = time.time()
            jitter = random.random()  # noqa: S311 - only spreads load
            retry_at = next_attempt(attempts, now, jitter, result.retry_after_s, self._delays_s)
            if retry_at is None or result.status == GONE or not 0 <= now - row.at <= LONGEST_WAIT_S:
                log.warning("health entry %d was not delivered: %s", row.seq, result.error)
                return
            await anyio.sleep(retry_at - now)

    async def _note(self, result: SendResult) -> None:
        self._failures = self._failures + 1 if result.error else 0
        if self._failures >= FAILURES:
            text = f"changes of health are not delivered to the webhook of the settings: {result.error}"
            await self._problems.set_problem(HealthCode.DELIVERY_FAILING, text, NEXT_STEP)
        elif not result.error:
            await self._problems.clear_problem(HealthCode.DELIVERY_FAILING)

    @staticmethod
    async def _until_done(work: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await work()
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "health entries could not be read or marked as sent", exc)
                await anyio.sleep(RETRY_S)


def payload_of(row: JournalRow) -> JsonObject:
    """Return the body of the webhook of an entry."""
    at = utc(row.at, "seconds")
    about = {"type": "stream_health", "rtstream_id": row.stream_id, "rtstream_name": row.stream_name}
    return about | row.data | {"timestamp": at, "seq": row.seq}
