"""Webhooks: sent from the outbox table, at least once, in order per alert, signed, retried for hours."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
from anyio.abc import TaskGroup
from sqlalchemy import Row
from standardwebhooks import Webhook

from rtstream.errors import RTStreamError
from rtstream.rules.delivery import GONE, next_attempt
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database

log = logging.getLogger(__name__)

PARALLEL = 32
"""Webhooks under way at the same time; one per alert."""
MAX_ANSWER = 64 * 1024
"""Bytes of a receiver's answer that are read."""
IDLE_S = 3600.0

Check = Callable[[str], Awaitable[str]]
"""Resolves a webhook's host, checks where it leads, returns the address to connect to. Raises RTStreamError."""


class Delivery:
    """Sends what is due. ``secret`` is the Standard Webhooks secret (base64) that signs the bodies."""

    def __init__(self, tasks: TaskGroup, db: Database, check: Check, secret: str, timeout_s: float) -> None:
        self._tasks = tasks
        self._db = db
        self._check = check
        self._webhook = Webhook(secret)
        self._timeout_s = timeout_s
        self._busy: set[str] = set()
        self._wake = anyio.Event()

    def start(self) -> None:
        """Begin with what was left from before."""
        self._tasks.start_soon(self._run)

    def wake(self) -> None:
        """There may be something new to send."""
        self._wake.set()

    async def _run(self) -> None:
        async with httpx.AsyncClient(
            timeout=self._timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=PARALLEL),
        ) as http:
            while True:
                self._wake = wake = anyio.Event()
                room = PARALLEL - len(self._busy)
                due = await self._db.read(outbox.due, time.time(), self._busy, room) if room else []
                for row in due:
                    self._busy.add(row.alert_id)
                    self._tasks.start_soon(self._deliver, http, row)
                following = await self._db.read(outbox.next_due, self._busy)
                pause = IDLE_S if following is None else max(0.05, following - time.time())
                with anyio.move_on_after(pause):
                    await wake.wait()

    async def _deliver(self, http: httpx.AsyncClient, row: Row[Any]) -> None:
        began = time.monotonic()
        status: int | None = None
        error = ""
        retry_after: float | None = None
        try:
            status, retry_after = await self._post(http, row)
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
        if not error:
            state, next_at = "delivered", now
        else:
            again = None if status == GONE else next_attempt(row.attempts + 1, now, random.random(), retry_after)  # noqa: S311
            state, next_at = ("dead", now) if again is None else ("pending", again)
        try:
            await self._db.write(
                lambda conn: outbox.attempted(
                    conn,
                    row.id,
                    at=now,
                    latency_s=round(time.monotonic() - began, 4),
                    status=status,
                    error=error,
                    state=state,
                    next_at=next_at,
                )
            )
        finally:
            self._busy.discard(row.alert_id)
            self.wake()

    async def _post(self, http: httpx.AsyncClient, row: Row[Any]) -> tuple[int, float | None]:
        """One attempt; the answer's status and Retry-After in seconds."""
        address = await self._check(row.url)
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
        # To the checked address, not to whatever the name resolves to a moment later.
        request = http.build_request(
            "POST", url.copy_with(host=address), content=body, headers=headers, extensions={"sni_hostname": url.host}
        )
        request.extensions["timeout"] = httpx.Timeout(self._timeout_s).as_dict()
        with anyio.fail_after(self._timeout_s + 1):
            response = await http.send(request, stream=True)
            try:
                size = 0
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > MAX_ANSWER:
                        break
            finally:
                await response.aclose()
        after = response.headers.get("retry-after", "")
        return response.status_code, float(after) if after.isdigit() else None
