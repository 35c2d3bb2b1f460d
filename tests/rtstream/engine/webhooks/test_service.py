"""Webhooks are sent at least once, signed and in order per alert, and a slow receiver delays no other."""

# Pyright counts a name that is bound in an "async with" of anyio as possibly unbound.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import base64
import socket
import time
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from sqlalchemy import select, update
from standardwebhooks import Webhook

from rtstream import ids
from rtstream.engine.webhooks.sender import WebhookSender
from rtstream.engine.webhooks.service import WebhookService
from rtstream.rules.delivery import DELAYS_S, failure, next_attempt
from rtstream.store import deliveries as outbox
from rtstream.store.database import Database
from rtstream.store.tables import alerts, deliveries, delivery_attempts
from tests.rtstream.engine.webhooks.receivers import (
    CHECK,
    SECRET,
    Receiver,
    delivering,
    put,
    receiving,
    settled,
    states,
)
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


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


async def test_a_receiver_counts_as_failing_until_it_accepts_a_webhook(db: Database, receiver: Receiver) -> None:
    receiver.answers = [500, 500]
    now = time.time()
    known = {"rtstream_id": "rts-1", "label": "door", "seq": 1}
    webhook = {"id": ids.delivery_id(), "alert_id": "alert-a", "seq": 1, "url": receiver.url, "payload": known}
    standing = {"state": "pending", "attempts": 0, "next_at": now, "created_at": now}
    await db.write(outbox.insert, webhook | standing)
    async with delivering(db, delays_s=[0.5] * 9) as service:
        assert service.failing == []
        await settled(db, [(1, "pending", 1)])
        [failing] = service.failing
        assert (failing.stream_id, failing.label, failing.attempts) == ("rts-1", "door", 1)
        assert "500" in failing.error
        await settled(db, [(1, "pending", 2)])
        assert [each.attempts for each in service.failing] == [2]
        await settled(db, [(1, "delivered", 3)])
        assert service.failing == []


async def test_a_receiver_that_says_gone_gets_no_more_of_it(db: Database, receiver: Receiver) -> None:
    receiver.answers = [410]
    await put(db, 1, receiver.url)
    async with delivering(db):
        await settled(db, [(1, "dead", 1)])
    assert receiver.seqs() == [1]


@pytest.mark.parametrize(
    ("login", "sent"),
    [("bob:s3cret", b"bob:s3cret"), ("b%40b:p%3Aw%2F%C3%A9", b"b@b:p:w/\xc3\xa9"), ("bob", b"bob:"), (":key", b":key")],
)
async def test_user_and_password_of_the_url_are_sent_as_basic_authorization(
    db: Database, receiver: Receiver, login: str, sent: bytes
) -> None:
    await put(db, 1, receiver.url.replace("://", f"://{login}@"))
    async with delivering(db):
        await settled(db, [(1, "delivered", 1)])
    [(headers, _)] = receiver.got
    assert headers["authorization"] == "Basic " + base64.b64encode(sent).decode()
    assert headers["host"] == receiver.url.removeprefix("http://")


@pytest.mark.parametrize("login", ["a[b", "a]b:c", "us℀er:pw", "a：b", "ａ＠b:c", "x[::1]:p"])
async def test_a_url_whose_login_other_parsers_cannot_read_is_delivered_like_any_other(
    db: Database, receiver: Receiver, login: str
) -> None:
    await put(db, 1, receiver.url.replace("://", f"://{login}@"))
    async with delivering(db):
        await settled(db, [(1, "delivered", 1)])
    user, _, password = login.partition(":")
    assert receiver.got[0][0]["authorization"] == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://\ud800@h/", "ftp://h/", ""])
async def test_a_stored_url_that_cannot_be_read_is_a_failed_attempt_and_others_are_delivered(
    db: Database, receiver: Receiver, url: str
) -> None:
    await put(db, 1, url.encode("utf-8", "replace").decode())
    await put(db, 2, receiver.url, "alert-b")
    async with delivering(db):
        await settled(db, [(1, "pending", 1), (2, "delivered", 1)])


async def test_the_host_that_is_named_is_the_one_that_was_checked(db: Database, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]

    async def check(url: str) -> list[str]:
        return ["127.0.0.1"]

    await put(db, 1, f"http://faß.example:{port}/")
    async with anyio.create_task_group() as tasks:
        WebhookService(tasks, db, WebhookSender(check, SECRET, 5.0)).start()
        await settled(db, [(1, "delivered", 1)])
        tasks.cancel_scope.cancel()
    assert receiver.got[0][0]["host"] == f"xn--fa-hia.example:{port}"


async def test_a_url_without_user_sends_no_authorization(db: Database, receiver: Receiver) -> None:
    await put(db, 1, receiver.url)
    async with delivering(db):
        await settled(db, [(1, "delivered", 1)])
    assert "authorization" not in receiver.got[0][0]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 413, 429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_refused_webhook_waits_as_long_as_the_receiver_asks(
    db: Database, receiver: Receiver, status: int, form: str
) -> None:
    receiver.answers = [status]
    receiver.retry_after = "600" if form == "seconds" else formatdate(time.time() + 600, usegmt=True)
    before = time.time()
    await put(db, 1, receiver.url)
    async with delivering(db):
        await settled(db, [(1, "pending", 1)])
    [row] = await db.read(lambda conn: conn.execute(select(deliveries.c.next_at)).all())
    assert before + 598 <= row.next_at <= time.time() + 601
    [attempt] = await db.read(lambda conn: conn.execute(select(delivery_attempts)).all())
    assert (attempt.status, attempt.error) == (status, failure(status))


async def test_a_redirect_is_not_followed(db: Database, receiver: Receiver) -> None:
    receiver.answers = [302]
    await put(db, 1, receiver.url)
    async with delivering(db):
        await settled(db, [(1, "pending", 1)])
    [attempt] = await db.read(lambda conn: conn.execute(select(delivery_attempts)).all())
    assert (attempt.status, attempt.error) == (302, failure(302))


async def test_an_engine_sends_nothing_to_its_own_machine_unless_that_is_allowed(
    db: Database, receiver: Receiver
) -> None:
    await put(db, 1, receiver.url)
    async with delivering(db, networks="private"):
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


@pytest.mark.parametrize("step_s", [30.0, 3600.0, 86400.0 * 400])
@pytest.mark.parametrize("tried", [False, True])
async def test_a_clock_that_was_set_back_delays_no_webhook(
    db: Database, receiver: Receiver, step_s: float, tried: bool
) -> None:
    await put(db, 1, receiver.url)
    later = time.time() + step_s
    values = {"next_at": later + 2, "attempts": int(tried)}
    await db.write(lambda conn: conn.execute(update(deliveries).values(values)))
    if tried:
        [row] = await db.read(lambda conn: conn.execute(select(deliveries.c.id)).all())
        attempt = {"delivery_id": row.id, "at": later, "status": 500, "latency_s": 0.1, "error": "e"}
        await db.write(lambda conn: conn.execute(delivery_attempts.insert().values(attempt)))
    async with delivering(db):
        await settled(db, [(1, "delivered", 1 + tried)])


async def until_state(db: Database, wanted: str, count: int) -> None:
    await eventually(
        lambda: states(db), lambda found: [state for _, state, _ in found].count(wanted) >= count, limit_s=10
    )


async def test_a_receiver_that_was_down_gets_every_alert_afterwards_in_order(db: Database) -> None:
    # The schedule in thousandths.
    compressed = [delay / 1000 for delay in DELAYS_S]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for seq in range(1, 41):
        await put(db, seq, f"http://127.0.0.1:{port}/hook", "alert-a" if seq % 2 else "alert-b")
    async with anyio.create_task_group() as tasks:
        WebhookService(tasks, db, WebhookSender(CHECK, SECRET, 5.0), compressed).start()
        # Until each alert's first webhook has been tried often enough to stand for ten minutes.
        found = await eventually(
            lambda: states(db), lambda found: all(tries > 5 for seq, _, tries in found if seq <= 2), limit_s=10
        )
        assert {state for _, state, _ in found} == {"pending"}
        with receiving(port) as receiver:
            await receiver.wait_for(lambda: len(receiver.got) == 40)
            await until_state(db, "delivered", 40)
            seqs = receiver.seqs()
        tasks.cancel_scope.cancel()
    assert [seq for seq in seqs if seq % 2] == list(range(1, 41, 2))
    assert [seq for seq in seqs if not seq % 2] == list(range(2, 41, 2))
    tries = {seq: attempts for seq, _, attempts in await states(db)}
    assert tries[1] > 5
    assert {tries[seq] for seq in range(3, 41)} == {1}  # the others waited behind the first


@pytest.mark.parametrize("down_s", [600.0, 3600.0, 6 * 3600.0])
def test_the_schedule_outlasts_outages_of_hours(down_s: float) -> None:
    for jitter in (0.0, 1.0):
        now, attempts = 0.0, 0
        while now < down_s:
            attempts += 1
            following = next_attempt(attempts, now, jitter)
            assert following is not None
            assert following - now <= max(20.0, 2.2 * now)  # never silent for much longer than it was down
            now = following


async def test_a_webhook_that_is_given_up_is_shown_and_can_be_sent_again(db: Database, receiver: Receiver) -> None:
    receiver.answers = [500, 500]
    await put(db, 1, receiver.url)
    async with anyio.create_task_group() as tasks:
        delivery = WebhookService(tasks, db, WebhookSender(CHECK, SECRET, 5.0), [0.01])
        delivery.start()
        await settled(db, [(1, "dead", 2)])
        assert await db.read(outbox.states, ["alert-a"]) == {"alert-a": {"dead": 1}}
        assert await db.read(outbox.last_errors, ["alert-a"]) == {"alert-a": failure(500)}
        assert await db.write(outbox.retry, "alert-a", None, time.time()) == 1
        delivery.wake(["alert-a"])
        await settled(db, [(1, "delivered", 1)])
        tasks.cancel_scope.cancel()
    assert await db.read(outbox.last_errors, ["alert-a"]) == {}
    [(_, attempts)] = await db.read(outbox.of_alert, "alert-a", 10)
    assert [(a.status, a.error) for a in attempts] == [(500, failure(500))] * 2 + [(200, "")]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


async def test_a_host_is_tried_at_each_of_its_addresses(db: Database, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]

    async def check(url: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    await put(db, 1, f"http://hooks.example:{port}/a%20b?q=ü")
    async with anyio.create_task_group() as tasks:
        WebhookService(tasks, db, WebhookSender(check, SECRET, 5.0)).start()
        await settled(db, [(1, "delivered", 1)])
        tasks.cancel_scope.cancel()
    headers, _ = receiver.got[0]
    assert headers["host"] == f"hooks.example:{port}"
    assert headers[":path"] == "/a%20b?q=%C3%BC"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000, "response headers are too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 50_000, "response headers are too long"),
        (b"HTTP/1.1 100 Continue\r\n" + b"x: a\r\n" * 50_000, "response headers are too long"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: " + b"a" * 9000 + b"\r\n\r\n", "did not respond within 0.5 s"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "too many informational responses"),
        (b"HTTP/1.1 199 More\r\n\r\n" * 100_000, "too many informational responses"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "RemoteProtocolError"),
        (b"SSH-2.0-server\r\n\r\n", "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\n", "did not respond within 0.5 s"),
    ],
)
async def test_a_receiver_that_answers_nonsense_or_never_ends_is_a_failed_attempt(
    db: Database, answer: bytes, error: str
) -> None:
    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            if answer:
                with suppress(anyio.BrokenResourceError, BrokenPipeError):
                    await stream.send(answer)
            if "within" in error:  # until the sender gives up
                with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                    await stream.receive()

    async with anyio.create_task_group() as tasks:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)
        await put(db, 1, f"http://127.0.0.1:{port}/")
        WebhookService(tasks, db, WebhookSender(CHECK, SECRET, 0.5)).start()
        await settled(db, [(1, "pending", 1)])
        tasks.cancel_scope.cancel()
    await listener.aclose()
    [attempt] = await db.read(lambda conn: conn.execute(select(delivery_attempts)).all())
    assert error in attempt.error


async def test_an_answer_without_end_is_not_waited_for(db: Database) -> None:
    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            with suppress(anyio.BrokenResourceError):
                await stream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                while True:
                    await stream.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    async with anyio.create_task_group() as tasks:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        tasks.start_soon(listener.serve, serve)
        await put(db, 1, f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/")
        WebhookService(tasks, db, WebhookSender(CHECK, SECRET, 5.0)).start()
        await settled(db, [(1, "delivered", 1)])
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def test_an_alert_that_is_deleted_while_its_webhook_is_under_way_does_no_harm(
    db: Database, receiver: Receiver
) -> None:
    receiver.blocked_paths = {"/slow"}
    await put(db, 1, f"{receiver.url}/slow", "alert-a")
    async with delivering(db):
        await receiver.wait_for(lambda: receiver.blocked)
        await db.write(lambda conn: conn.execute(alerts.delete().where(alerts.c.id == "alert-a")))
        receiver.block.set()
        await receiver.wait_for(lambda: receiver.seqs() == [1])
        await put(db, 2, receiver.url, "alert-b")
    async with delivering(db):
        await settled(db, [(2, "delivered", 1)])


async def test_finished_webhooks_go_after_their_time_and_too_many_waiting_ones_are_given_up(db: Database) -> None:
    for seq in range(1, 6):
        await put(db, seq, "http://127.0.0.1:1/", "alert-a")
    await put(db, 6, "http://127.0.0.1:1/", "alert-b")
    await db.write(lambda conn: conn.execute(update(deliveries).where(deliveries.c.seq <= 2).values(state="delivered")))
    await db.write(outbox.trim, time.time() - 60, 10, 100)
    assert len(await states(db)) == 6
    await db.write(outbox.trim, time.time() + 60, 2, 100)
    assert await states(db) == [(3, "dead", 0), (4, "pending", 0), (5, "pending", 0), (6, "pending", 0)]
