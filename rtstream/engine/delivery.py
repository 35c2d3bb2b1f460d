"""Webhooks: sent from the outbox table, at least once, in order per alert, signed, retried for hours.

Each alert that has something to send has a lane of its own, so a receiver that is slow or gone holds up nobody else.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

import anyio
import httpx
from anyio.abc import TaskGroup
from sqlalchemy import Row
from standardwebhooks import Webhook

from rtstream.errors import RTStreamError
from rtstream.rules.delivery import DELAYS_S, GONE, next_attempt
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database

log = logging.getLogger(__name__)

PARALLEL = 256
"""Webhooks under way at the same time."""
PARALLEL_HOST = 16
"""The same, to one host."""
LOOK_AHEAD = 50
MAX_ANSWER = 64 * 1024
"""Bytes of a receiver's answer that are read."""
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
class Attempt:
    """How one attempt went, and where its webhook stands now."""

    delivery_id: str
    at: float
    latency_s: float
    status: int | None
    error: str
    state: str
    next_at: float


@dataclass
class _Lane:
    wake: anyio.Event = field(default_factory=anyio.Event)


class Delivery:
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
        self._done: list[tuple[Attempt, anyio.Event]] = []
        self._book = anyio.Event()
        self._plain: httpx.AsyncClient | None = None
        self._secure: httpx.AsyncClient | None = None

    def start(self) -> None:
        """Begin with what was left from before."""
        self._tasks.start_soon(self._run)

    def wake(self, alert_ids: Iterable[str]) -> None:
        """These alerts have something new to send."""
        for alert_id in alert_ids:
            lane = self._lanes.get(alert_id)
            if lane is not None:
                lane.wake.set()
            else:
                lane = self._lanes[alert_id] = _Lane()
                self._tasks.start_soon(self._follow, alert_id, lane)

    async def _run(self) -> None:
        try:
            self._tasks.start_soon(self._keep_books)
            self.wake(await self._db.read(outbox.waiting))
            while True:
                try:
                    await self._db.write(outbox.trim, time.time() - KEEP_S, MAX_PENDING, 5000)
                except Exception:
                    log.exception("old webhooks could not be removed")
                await anyio.sleep(TRIM_EVERY_S)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                for client in (self._plain, self._secure):
                    if client is not None:
                        await client.aclose()

    async def _follow(self, alert_id: str, lane: _Lane) -> None:
        """Send the webhooks of one alert, one after the other, until there is none left."""
        while True:
            lane.wake = anyio.Event()
            try:
                rows = await self._db.read(outbox.pending, alert_id, LOOK_AHEAD)
            except Exception:
                log.exception("webhooks of alert %s could not be read", alert_id)
                await anyio.sleep(RETRY_S)
                continue
            if not rows and not lane.wake.is_set():
                del self._lanes[alert_id]
                return
            for row in rows:
                pause = row.next_at - time.time()
                if pause > 0:
                    with anyio.move_on_after(pause):
                        await lane.wake.wait()
                    break
                if not await self._deliver(row):
                    break

    async def _deliver(self, row: Row[Any]) -> bool:
        """One attempt, logged; whether the next webhook may follow at once."""
        host = httpx.URL(row.url).host
        limiter = self._hosts.get(host)  # gone when no lane uses it
        if limiter is None:
            limiter = self._hosts[host] = anyio.CapacityLimiter(PARALLEL_HOST)
        async with limiter, self._parallel:
            attempt = await self._attempt(row)
        logged = anyio.Event()
        self._done.append((attempt, logged))
        self._book.set()
        await logged.wait()
        return attempt.state == "delivered"

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

    async def _attempt(self, row: Row[Any]) -> Attempt:
        began = time.monotonic()
        status: int | None = None
        error = ""
        retry_after: float | None = None
        try:
            with anyio.fail_after(self._timeout_s):
                status, retry_after = await self._post(row)
            if not 200 <= status < 300:
                error = f"the receiver answered {status}"
        except RTStreamError as exc:
            error = exc.message
        except (httpx.TimeoutException, TimeoutError):
            error = f"the receiver did not answer within {self._timeout_s:.0f} s"
        except (httpx.HTTPError, OSError) as exc:
            error = f"the receiver could not be reached ({type(exc).__name__})"
        except Exception:
            log.exception("webhook %s could not be sent", row.id)
            error = "internal error"
        now = time.time()
        state, next_at = "delivered", now
        if error:
            jitter = random.random()  # noqa: S311 - spreads load, guards nothing
            again = None
            if status != GONE:
                again = next_attempt(row.attempts + 1, now, jitter, retry_after, self._delays_s)
            state, next_at = ("dead", now) if again is None else ("pending", again)
        return Attempt(row.id, now, round(time.monotonic() - began, 4), status, error, state, next_at)

    async def _post(self, row: Row[Any]) -> tuple[int, float | None]:
        """Send it to the first address that takes the connection; the answer's status and Retry-After in seconds."""
        addresses = await self._check(row.url)
        url = httpx.URL(row.url)
        body = json.dumps(row.payload, separators=(",", ":"))
        at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "rtstream-webhooks/1",
            "host": url.netloc.decode(),
            "webhook-id": row.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(row.id, at, body),
        }
        http = self._client(url.scheme)
        for number, address in enumerate(addresses, 1):
            # To the checked address, not to whatever the name resolves to a moment later.
            request = http.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": url.host},
            )
            try:
                response = await http.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(addresses):
                    raise
                continue
            return await _read(response)
        raise httpx.ConnectError("no address")

    def _client(self, scheme: str) -> httpx.AsyncClient:
        options: dict[str, Any] = {"timeout": self._timeout_s, "follow_redirects": False, "trust_env": False}
        if scheme == "http":
            if self._plain is None:
                limits = httpx.Limits(max_connections=PARALLEL, max_keepalive_connections=32)
                self._plain = httpx.AsyncClient(limits=limits, verify=False, **options)  # noqa: S501 - no TLS here
            return self._plain
        if self._secure is None:
            # Connections are not kept: they are known by address, which several hosts may share.
            limits = httpx.Limits(max_connections=PARALLEL, max_keepalive_connections=0)
            self._secure = httpx.AsyncClient(limits=limits, **options)
        return self._secure


async def _read(response: httpx.Response) -> tuple[int, float | None]:
    """Status and Retry-After; at most ``MAX_ANSWER`` bytes of the answer are taken."""
    try:
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > MAX_ANSWER:
                break
    finally:
        await response.aclose()
    after = response.headers.get("retry-after", "")
    return response.status_code, float(after) if after.isdigit() and len(after) < 10 else None
