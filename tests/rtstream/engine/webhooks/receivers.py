"""Receivers of webhooks for tests, and the state of deliveries to them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
from sqlalchemy import select

from rtstream import ids
from rtstream.config import EngineConfig
from rtstream.engine.streams.addresses import Addresses
from rtstream.engine.webhooks.sender import WebhookSender
from rtstream.engine.webhooks.service import WebhookService
from rtstream.rules.delivery import DELAYS_S
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database
from rtstream.store.tables import deliveries
from tests.waiting import eventually

CHECK = Addresses(EngineConfig(webhook_allow_networks="loopback")).webhook
SECRET = "c2VjcmV0LWZvci10ZXN0cy1vbmx5IQ=="


@dataclass
class Receiver:
    """A real HTTP server that keeps what it gets."""

    url: str = ""
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Status of the next answers; 200 when used up."""
    retry_after: str = ""
    """Value of the header Retry-After in responses other than 200."""
    block: threading.Event = field(default_factory=threading.Event)
    blocked_paths: set[str] = field(default_factory=set)
    blocked: bool = False
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def seqs(self) -> list[int]:
        return [body["seq"] for _, body in self.got]

    async def wait_for(self, ready: Callable[[], bool]) -> None:
        def wait() -> None:
            with self.arrived:
                assert self.arrived.wait_for(ready, timeout=10)

        with anyio.fail_after(12):
            await anyio.to_thread.run_sync(wait)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path in state.blocked_paths:
                with state.arrived:
                    state.blocked = True
                    state.arrived.notify_all()
                state.block.wait(10)
            with state.arrived:
                status = state.answers.pop(0) if state.answers else 200
                headers = {key.lower(): value for key, value in self.headers.items()}
                state.got.append(({**headers, ":path": self.path, ":body": body.decode()}, json.loads(body)))
                state.arrived.notify_all()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
            if status != 200 and state.retry_after:
                self.send_header("retry-after", state.retry_after)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.block.set()
    server.shutdown()
    server.server_close()
    thread.join()


async def put(db: Database, seq: int, url: str, alert_id: str = "alert-a") -> None:
    now = time.time()
    webhook = {"id": ids.delivery_id(), "alert_id": alert_id, "seq": seq, "url": url, "payload": {"seq": seq}}
    standing = {"state": "pending", "attempts": 0, "next_at": now, "created_at": now}
    await db.write(outbox.insert, webhook | standing)


@asynccontextmanager
async def delivering(
    db: Database, networks: str = "loopback", timeout_s: float = 5.0, delays_s: Sequence[float] = DELAYS_S
) -> AsyncIterator[WebhookService]:
    async with anyio.create_task_group() as tasks:
        check = Addresses(EngineConfig(webhook_allow_networks=networks)).webhook
        delivery = WebhookService(tasks, db, WebhookSender(check, SECRET, timeout_s), delays_s)
        delivery.start()
        yield delivery
        tasks.cancel_scope.cancel()


async def states(db: Database) -> list[tuple[int, str, int]]:
    query = select(deliveries.c.seq, deliveries.c.state, deliveries.c.attempts).order_by(deliveries.c.seq)
    return [tuple(row) for row in await db.read(lambda conn: conn.execute(query).all())]


async def settled(db: Database, expected: list[tuple[int, str, int]]) -> None:
    """The attempt is logged just after the receiver has answered."""
    await eventually(lambda: states(db), lambda found: found == expected, limit_s=5)
