"""Delivers webhooks from the outbox table: at least once, in order per alert, signed, and retried for hours.

Each alert with pending webhooks has its own lane, so a slow or unreachable receiver does not delay other alerts.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup

from rtstream.concurrency import every, log_failure
from rtstream.engine.webhooks.sender import WebhookSender
from rtstream.errors import RTStreamError
from rtstream.rules.delivery import DELAYS_S, GONE, next_attempt, wait_s
from rtstream.rules.source_urls import parse_webhook
from rtstream.states import DeliveryState
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database
from rtstream.store.deliveries import DeliveryRow

log = logging.getLogger(__name__)

PARALLEL = 256
"""Maximum number of concurrent requests."""
PARALLEL_HOST = 16
"""Maximum number of concurrent requests to one host."""
LOOK_AHEAD = 50
READ_TOGETHER = 500
"""Number of alerts whose webhooks are read in one query."""
RETRY_S = 2.0
"""Pause in seconds after a database error."""
KEEP_S = 30 * 86400.0
"""Seconds for which finished webhooks are kept for the log."""
MAX_PENDING = 10_000
"""Maximum number of pending webhooks per alert. The oldest ones beyond it become dead letters."""
TRIM_EVERY_S = 600.0
MAX_FAILING = 1000


@dataclass(frozen=True)
class AttemptResult:
    """The result of one attempt, and the state of its webhook after it."""

    delivery_id: str
    at: float
    latency_s: float
    status: int | None
    error: str
    state: DeliveryState
    next_at: float


@dataclass(frozen=True)
class FailingReceiver:
    """A receiver that did not accept the last webhook of an alert."""

    stream_id: str
    label: str
    """Label of the alert's event."""
    error: str
    attempts: int
    """Number of consecutive failures."""


@dataclass
class _Lane:
    """The pending webhooks of one alert. ``rows`` are those that have been read, oldest first."""

    rows: Sequence[DeliveryRow] = ()
    complete: bool = False
    """Whether ``rows`` were all pending webhooks when they were read."""
    wake: anyio.Event = field(default_factory=anyio.Event)


class WebhookService:
    """Sends the webhooks that are due.

    Args:
        tasks: Task group in which webhooks are sent.
        db: The database.
        sender: Makes the attempts.
        delays_s: Delays before the retries in seconds.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        sender: WebhookSender,
        delays_s: Sequence[float] = DELAYS_S,
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._sender = sender
        self._delays_s = delays_s
        self._lanes: dict[str, _Lane] = {}
        self._failing: dict[str, FailingReceiver] = {}
        self._parallel = anyio.CapacityLimiter(PARALLEL)
        self._hosts: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()
        self._finished: list[tuple[AttemptResult, anyio.Event]] = []
        self._ended = anyio.Event()

    @property
    def failing(self) -> list[FailingReceiver]:
        """The alerts whose last webhook was not accepted."""
        return list(self._failing.values())

    def start(self) -> None:
        """Start sending, beginning with webhooks left from an earlier run."""
        self._tasks.start_soon(self._run)

    def wake(self, alert_ids: Iterable[str]) -> None:
        """Send the new webhooks of these alerts."""
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
        """Read the pending webhooks of several lanes in one query, and start the lanes."""
        alert_ids = list(lanes)
        for begin in range(0, len(alert_ids), READ_TOGETHER):
            part = alert_ids[begin : begin + READ_TOGETHER]
            try:
                rows = await self._db.read(outbox.pending, part, READ_TOGETHER * 2)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "webhooks could not be read", exc)
                rows = []
            found = {alert_id: list(own) for alert_id, own in groupby(rows, key=lambda row: row.alert_id)}
            for alert_id in part:
                lane = lanes[alert_id]
                lane.rows = found.get(alert_id, ())
                lane.complete = bool(lane.rows) and len(rows) < READ_TOGETHER * 2
                self._tasks.start_soon(self._follow, alert_id, lane)

    async def _run(self) -> None:
        self._tasks.start_soon(self._log_attempts)
        while True:
            try:
                self.wake(await self._db.read(outbox.waiting))  # left from an earlier run
                break
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "webhooks could not be read", exc)
                await anyio.sleep(RETRY_S)
        await every(TRIM_EVERY_S, self._trim, "old webhooks could not be removed")

    async def _trim(self) -> None:
        await self._db.write(outbox.trim, time.time() - KEEP_S, MAX_PENDING, 1000)

    async def _follow(self, alert_id: str, lane: _Lane) -> None:
        """Send the webhooks of one alert in order until none is pending."""
        rows, complete = lane.rows, lane.complete
        while True:
            if await self._send(lane, rows) and complete and not lane.wake.is_set():
                break
            lane.wake = anyio.Event()
            try:
                rows = await self._db.read(outbox.pending, [alert_id], LOOK_AHEAD)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, f"webhooks of alert {alert_id} could not be read", exc)
                await anyio.sleep(RETRY_S)
                continue
            complete = len(rows) < LOOK_AHEAD
        del self._lanes[alert_id]

    async def _send(self, lane: _Lane, rows: Sequence[DeliveryRow]) -> bool:
        """Send webhooks in order until one fails or is not due, and wait until that one is due.

        Returns:
            Whether all of them were delivered.
        """
        for row in rows:
            pause = wait_s(row.next_at, time.time(), row.attempted_at)
            if pause > 0:
                with anyio.move_on_after(pause):
                    await lane.wake.wait()
                return False
            if not await self._deliver(row):
                return False
        return True

    async def _deliver(self, row: DeliveryRow) -> bool:
        """Make and log one attempt. Returns whether it succeeded, so that the next webhook may follow at once."""
        host = _host(row.url)
        limiter = self._hosts.get(host)  # dropped when no lane uses it
        if limiter is None:
            limiter = self._hosts[host] = anyio.CapacityLimiter(PARALLEL_HOST)
        async with limiter, self._parallel:
            attempt = await self._attempt(row)
        logged = anyio.Event()
        self._finished.append((attempt, logged))
        self._ended.set()
        await logged.wait()
        return attempt.state is DeliveryState.DELIVERED

    async def _log_attempts(self) -> None:
        """Log attempts, with all that ended during the previous write in one transaction."""
        while True:
            await self._ended.wait()
            self._ended = anyio.Event()
            finished, self._finished = self._finished, []
            while True:
                try:
                    await self._db.write(outbox.store_attempts, [asdict(attempt) for attempt, _ in finished])
                    break
                except Exception as exc:  # noqa: BLE001 - logged
                    log_failure(log, "webhook attempts could not be logged", exc)
                    await anyio.sleep(RETRY_S)
            for _, logged in finished:
                logged.set()

    async def _attempt(self, row: DeliveryRow) -> AttemptResult:
        began = time.monotonic()
        result = await self._sender.send(row.id, row.url, row.payload)
        self._note_result(row, result.error)
        now = time.time()
        state, next_at = DeliveryState.DELIVERED, now
        if result.error:
            jitter = random.random()  # noqa: S311 - only spreads load
            retry_at = None
            if result.status != GONE:
                retry_at = next_attempt(row.attempts + 1, now, jitter, result.retry_after_s, self._delays_s)
            state, next_at = (DeliveryState.DEAD, now) if retry_at is None else (DeliveryState.PENDING, retry_at)
        latency_s = round(time.monotonic() - began, 4)
        return AttemptResult(row.id, now, latency_s, result.status, result.error, state, next_at)

    def _note_result(self, row: DeliveryRow, error: str) -> None:
        before = self._failing.pop(row.alert_id, None)
        if error and len(self._failing) < MAX_FAILING:
            stream_id, label = str(row.payload.get("rtstream_id", "")), str(row.payload.get("label", ""))
            attempts = before.attempts + 1 if before else row.attempts + 1
            self._failing[row.alert_id] = FailingReceiver(stream_id, label, error, attempts)


def _host(url: str) -> str:
    """Return the host of a receiver; empty for a URL that cannot be read, whose attempt fails with the reason."""
    try:
        return parse_webhook(url).host
    except RTStreamError:
        return ""
