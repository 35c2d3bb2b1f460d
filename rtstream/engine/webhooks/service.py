"""Webhooks: sent from the outbox table, at least once, in order per alert, signed, retried for hours.

Each alert that has something to send has a lane of its own, so a receiver that is slow or gone holds up nobody else.
"""

from __future__ import annotations

import json
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup
from standardwebhooks import Webhook

from rtstream.concurrency import every
from rtstream.engine.webhooks.transport import Answer, PostFailed, post
from rtstream.errors import RTStreamError
from rtstream.rules.delivery import DELAYS_S, GONE, failure, next_attempt
from rtstream.states import DeliveryState
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database
from rtstream.store.deliveries import DeliveryRow

log = logging.getLogger(__name__)

PARALLEL = 256
"""Webhooks under way at the same time."""
PARALLEL_HOST = 16
"""The same, to one host."""
LOOK_AHEAD = 50
READ_TOGETHER = 500
"""Alerts whose webhooks are read at once."""
RETRY_S = 2.0
"""Pause after the database failed."""
KEEP_S = 30 * 86400.0
"""Seconds that finished webhooks are kept for the log."""
MAX_PENDING = 10_000
"""Webhooks of one alert that may wait; beyond, the oldest are given up."""
TRIM_EVERY_S = 600.0

Check = Callable[[str], Awaitable[Sequence[str]]]
"""Resolves a webhook's host, checks where it leads, returns the addresses to connect to. Raises RTStreamError."""


@dataclass(frozen=True)
class AttemptResult:
    """How one attempt went, and where its webhook stands now."""

    delivery_id: str
    at: float
    latency_s: float
    status: int | None
    error: str
    state: DeliveryState
    next_at: float


@dataclass
class _Lane:
    """An alert that has something to send. ``rows``: what of it is known, from the first on."""

    rows: Sequence[DeliveryRow] = ()
    complete: bool = False
    """Nothing but ``rows`` waited when they were read."""
    wake: anyio.Event = field(default_factory=anyio.Event)


class WebhookService:
    """Sends what is due. ``secret`` is the Standard Webhooks secret that signs the bodies."""

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        check: Check,
        secret: str,
        timeout_s: float,
        delays_s: Sequence[float] = DELAYS_S,
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._check = check
        self._webhook = Webhook(secret)
        self._timeout_s = timeout_s
        self._delays_s = delays_s
        self._lanes: dict[str, _Lane] = {}
        self._parallel = anyio.CapacityLimiter(PARALLEL)
        self._hosts: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()
        self._done: list[tuple[AttemptResult, anyio.Event]] = []
        self._book = anyio.Event()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def start(self) -> None:
        """Begin with what was left from before."""
        self._tasks.start_soon(self._run)

    def wake(self, alert_ids: Iterable[str]) -> None:
        """These alerts have something new to send."""
        opened: dict[str, _Lane] = {}
        for alert_id in alert_ids:
            lane = self._lanes.get(alert_id)
            if lane is not None:
                lane.wake.set()
            else:
                opened[alert_id] = self._lanes[alert_id] = _Lane()
        if opened:
            self._tasks.start_soon(self._open, opened)

    async def _open(self, lanes: dict[str, _Lane]) -> None:
        """Start lanes with what they have to send, read for all of them at once."""
        alert_ids = list(lanes)
        for begin in range(0, len(alert_ids), READ_TOGETHER):
            part = alert_ids[begin : begin + READ_TOGETHER]
            try:
                rows = await self._db.read(outbox.pending, part, READ_TOGETHER * 2)
            except Exception:
                log.exception("webhooks could not be read")
                rows = []
            found = {alert_id: list(own) for alert_id, own in groupby(rows, key=lambda row: row.alert_id)}
            for alert_id in part:
                lane = lanes[alert_id]
                lane.rows = found.get(alert_id, ())
                lane.complete = bool(lane.rows) and len(rows) < READ_TOGETHER * 2
                self._tasks.start_soon(self._follow, alert_id, lane)

    async def _run(self) -> None:
        self._tasks.start_soon(self._keep_books)
        while True:
            try:
                self.wake(await self._db.read(outbox.waiting))  # what was left from before
                break
            except Exception:
                log.exception("webhooks could not be read")
                await anyio.sleep(RETRY_S)
        await every(TRIM_EVERY_S, self._trim, "old webhooks could not be removed")

    async def _trim(self) -> None:
        await self._db.write(outbox.trim, time.time() - KEEP_S, MAX_PENDING, 1000)

    async def _follow(self, alert_id: str, lane: _Lane) -> None:
        """Send the webhooks of one alert, one after the other, until there is none left."""
        rows, complete = lane.rows, lane.complete
        while True:
            if await self._send(lane, rows) and complete and not lane.wake.is_set():
                break
            lane.wake = anyio.Event()
            try:
                rows = await self._db.read(outbox.pending, [alert_id], LOOK_AHEAD)
            except Exception:
                log.exception("webhooks of alert %s could not be read", alert_id)
                await anyio.sleep(RETRY_S)
                continue
            complete = len(rows) < LOOK_AHEAD
        del self._lanes[alert_id]

    async def _send(self, lane: _Lane, rows: Sequence[DeliveryRow]) -> bool:
        """Send these in order; False when one failed or was not due, after the wait for it."""
        for row in rows:
            pause = row.next_at - time.time()
            if pause > 0:
                with anyio.move_on_after(pause):
                    await lane.wake.wait()
                return False
            if not await self._deliver(row):
                return False
        return True

    async def _deliver(self, row: DeliveryRow) -> bool:
        """One attempt, logged; whether the next webhook may follow at once."""
        host = urlsplit(row.url).hostname or ""
        limiter = self._hosts.get(host)  # gone when no lane uses it
        if limiter is None:
            limiter = self._hosts[host] = anyio.CapacityLimiter(PARALLEL_HOST)
        async with limiter, self._parallel:
            attempt = await self._attempt(row)
        logged = anyio.Event()
        self._done.append((attempt, logged))
        self._book.set()
        await logged.wait()
        return attempt.state is DeliveryState.DELIVERED

    async def _keep_books(self) -> None:
        """Log attempts: all that ended while the last ones were written, in one transaction."""
        while True:
            await self._book.wait()
            self._book = anyio.Event()
            done, self._done = self._done, []
            while True:
                try:
                    await self._db.write(outbox.attempted, [asdict(attempt) for attempt, _ in done])
                    break
                except Exception:
                    log.exception("webhook attempts could not be logged")
                    await anyio.sleep(RETRY_S)
            for _, logged in done:
                logged.set()

    async def _attempt(self, row: DeliveryRow) -> AttemptResult:
        began = time.monotonic()
        answer: Answer | None = None
        error = ""
        try:
            with anyio.fail_after(self._timeout_s):
                answer = await self._post(row)
            if not 200 <= answer.status < 300:
                error = failure(answer.status)
        except RTStreamError as exc:
            error = exc.message
        except TimeoutError:
            error = f"the receiver did not answer within {self._timeout_s:g} s"
        except PostFailed as exc:
            error = f"the receiver could not be reached ({exc})"
        except Exception:
            log.exception("webhook %s could not be sent", row.id)
            error = "internal error"
        status, retry_after = (answer.status, answer.retry_after_s) if answer else (None, None)
        now = time.time()
        state, next_at = DeliveryState.DELIVERED, now
        if error:
            jitter = random.random()  # noqa: S311 - spreads load, guards nothing
            again = None
            if status != GONE:
                again = next_attempt(row.attempts + 1, now, jitter, retry_after, self._delays_s)
            state, next_at = (DeliveryState.DEAD, now) if again is None else (DeliveryState.PENDING, again)
        return AttemptResult(row.id, now, round(time.monotonic() - began, 4), status, error, state, next_at)

    async def _post(self, row: DeliveryRow) -> Answer:
        addresses = await self._check(row.url)
        body = json.dumps(row.payload, separators=(",", ":"))
        at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "rtstream-webhooks/1",
            "webhook-id": row.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(row.id, at, body),
        }
        # To the checked addresses, not to whatever the name resolves to a moment later.
        return await post(row.url, addresses, headers, body.encode(), self._tls, self._timeout_s)
