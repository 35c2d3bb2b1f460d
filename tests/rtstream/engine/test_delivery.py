"""Webhooks: at least once, in order per alert, signed, and nobody waits for a slow receiver."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from rtstream import ids
from rtstream.config import EngineConfig
from rtstream.engine.delivery import Delivery
from rtstream.engine.sources import Addresses
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database
from rtstream.store.tables import alerts, collections, deliveries, delivery_attempts, events, scene_indexes, streams

pytestmark = pytest.mark.anyio

SECRET = "c2VjcmV0LWZvci10ZXN0cy1vbmx5IQ=="


@dataclass
class Receiver:
    """A real HTTP server that keeps what it gets."""

    url: str = ""
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Status of the next answers; 200 when used up."""
    block: threading.Event = field(default_factory=threading.Event)
    blocked_paths: set[str] = field(default_factory=set)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def seqs(self) -> list[int]:
        return [body["seq"] for _, body in self.got]

    async def wait_for(self, ready: Callable[[], bool]) -> None:
        def wait() -> None:
            with self.arrived:
                assert self.arrived.wait_for(ready, timeout=10)

        with anyio.fail_after(12):
            await anyio.to_thread.run_sync(wait)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path in state.blocked_paths:
                state.block.wait(10)
            with state.arrived:
                status = state.answers.pop(0) if state.answers else 200
                headers = {key.lower(): value for key, value in self.headers.items()}
                state.got.append(({**headers, ":path": self.path, ":body": body.decode()}, json.loads(body)))
                state.arrived.notify_all()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.block.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)

    def rows(conn: Any) -> None:
        conn.execute(collections.insert().values(id="c", name="c", created_at=0))
        conn.execute(
            streams.insert().values(
                id="rts-1",
                name="s",
                url="u",
                collection_id="c",
                created_at=0,
                media_types=[],
                sample_rate=1,
                store=False,
                enable_transcript=False,
                desired="stopped",
                health={},
            )
        )
        conn.execute(
            scene_indexes.insert().values(
                id="idx",
                stream_id="rts-1",
                extraction_type="time",
                extraction_config={},
                model_config={},
                status="stopped",
                counters={},
                created_at=0,
            )
        )
        conn.execute(events.insert().values(id="event-1", prompt="p", label="l", created_at=0))
        for name in ("alert-a", "alert-b"):
            conn.execute(
                alerts.insert().values(
                    id=name, index_id="idx", event_id="event-1", status="enabled", options={}, state={}, created_at=0
                )
            )

    await db.write(rows)
    yield db
    await db.aclose()


async def put(db: Database, seq: int, url: str, alert_id: str = "alert-a") -> None:
    now = time.time()
    webhook = {"id": ids.delivery_id(), "alert_id": alert_id, "seq": seq, "url": url, "payload": {"seq": seq}}
    standing = {"state": "pending", "attempts": 0, "next_at": now, "created_at": now}
    await db.write(outbox.insert, webhook | standing)


@asynccontextmanager
async def delivering(db: Database, host: str = "127.0.0.1", timeout_s: float = 5.0) -> AsyncIterator[Delivery]:
    async with anyio.create_task_group() as tasks:
        delivery = Delivery(tasks, db, Addresses(EngineConfig(host=host)).webhook, SECRET, timeout_s)
        delivery.start()
        yield delivery
        tasks.cancel_scope.cancel()


async def states(db: Database) -> list[tuple[int, str, int]]:
    query = select(deliveries.c.seq, deliveries.c.state, deliveries.c.attempts).order_by(deliveries.c.seq)
    return [tuple(row) for row in await db.read(lambda conn: conn.execute(query).all())]


async def settled(db: Database, expected: list[tuple[int, str, int]]) -> None:
    """The attempt is logged just after the receiver has answered."""
    with anyio.fail_after(5):
        while await states(db) != expected:
            await anyio.sleep(0.01)


async def test_a_webhook_is_signed_so_that_the_standard_library_of_the_scheme_accepts_it(
    db: Database, receiver: Receiver
) -> None:
    await put(db, 1, f"{receiver.url}/hook")
    async with delivering(db):
        await receiver.wait_for(lambda: len(receiver.got) == 1)
        await settled(db, [(1, "delivered", 1)])
    headers, body = receiver.got[0]
    assert Webhook(SECRET).verify(headers[":body"], headers) == body == {"seq": 1}


async def test_webhooks_of_one_alert_arrive_in_order_also_when_the_first_fails(
    db: Database, receiver: Receiver
) -> None:
    receiver.answers = [500]
    for seq in (1, 2, 3):
        await put(db, seq, receiver.url)
    async with delivering(db):
        await receiver.wait_for(lambda: len(receiver.got) == 4)
    assert receiver.seqs() == [1, 1, 2, 3]
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]


async def test_a_receiver_that_hangs_delays_no_other_alert(db: Database, receiver: Receiver) -> None:
    receiver.blocked_paths = {"/slow"}
    await put(db, 1, f"{receiver.url}/slow", "alert-a")
    await put(db, 2, f"{receiver.url}/fast", "alert-b")
    async with delivering(db):
        await receiver.wait_for(lambda: receiver.seqs() == [2])
        receiver.block.set()
        await receiver.wait_for(lambda: receiver.seqs() == [2, 1])


async def test_a_receiver_that_says_gone_gets_no_more_of_it(db: Database, receiver: Receiver) -> None:
    receiver.answers = [410]
    await put(db, 1, receiver.url)
    async with delivering(db):
        await settled(db, [(1, "dead", 1)])
    assert receiver.seqs() == [1]


async def test_a_redirect_is_not_followed(db: Database, receiver: Receiver) -> None:
    receiver.answers = [302]
    await put(db, 1, receiver.url)
    async with delivering(db):
        await settled(db, [(1, "pending", 1)])
    [attempt] = await db.read(lambda conn: conn.execute(select(delivery_attempts)).all())
    assert (attempt.status, attempt.error) == (302, "the receiver answered 302")


async def test_an_engine_that_listens_to_the_network_sends_nothing_to_its_own_machine(
    db: Database, receiver: Receiver
) -> None:
    await put(db, 1, receiver.url)
    async with delivering(db, host="0.0.0.0"):
        await settled(db, [(1, "pending", 1)])
    assert receiver.got == []
    [attempt] = await db.read(lambda conn: conn.execute(select(delivery_attempts)).all())
    assert "loopback" in attempt.error


async def test_what_was_not_delivered_before_a_restart_is_delivered_after_it(
    db: Database, receiver: Receiver, tmp_path: Path
) -> None:
    await put(db, 1, receiver.url)
    await db.aclose()
    again = Database.below(tmp_path)
    try:
        async with delivering(again):
            await receiver.wait_for(lambda: receiver.seqs() == [1])
    finally:
        await again.aclose()
