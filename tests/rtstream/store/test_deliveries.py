"""The outbox of webhooks."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.json_types import JsonObject
from rtstream.store import deliveries


def put(conn: Connection, *seqs: int, alert_id: str = "alert-1", at: float = 0.0) -> None:
    values = {"url": "http://h/", "payload": {}, "state": "pending", "attempts": 0, "next_at": at, "created_at": at}
    deliveries.insert(conn, *({"id": f"msg-{seq}", "alert_id": alert_id, "seq": seq, **values} for seq in seqs))


def attempt(seq: int, state: str, error: str = "", status: int | None = None) -> JsonObject:
    facts = {"at": 1.0, "latency_s": 0.1, "status": status, "error": error, "next_at": 5.0}
    return {"delivery_id": f"msg-{seq}", "state": state, **facts}


def test_pending_webhooks_are_sent_in_the_order_of_their_firings(conn: Connection) -> None:
    put(conn, 3, 1, 2)
    put(conn, 9, alert_id="alert-2")
    assert set(deliveries.waiting(conn)) == {"alert-1", "alert-2"}
    assert [row.seq for row in deliveries.pending(conn, ["alert-1"], 2)] == [1, 2]
    deliveries.store_attempts(conn, [attempt(seq, "delivered", status=200) for seq in (1, 2, 3)])
    assert deliveries.waiting(conn) == ["alert-2"]
    assert deliveries.states(conn, ["alert-1", "alert-2"]) == {"alert-1": {"delivered": 3}, "alert-2": {"pending": 1}}


def test_attempts_are_logged_and_those_of_deleted_webhooks_skipped(conn: Connection) -> None:
    put(conn, 1)
    deliveries.store_attempts(conn, [attempt(1, "pending", "refused"), attempt(77, "pending", "gone")])
    deliveries.store_attempts(conn, [attempt(1, "dead", "timed out")])
    [(row, attempts)] = deliveries.of_alert(conn, "alert-1", 10)
    assert (row.state, row.attempts, [one.error for one in attempts]) == ("dead", 2, ["refused", "timed out"])
    assert deliveries.last_errors(conn, ["alert-1"]) == {"alert-1": "timed out"}


def test_a_webhook_that_was_given_up_can_be_sent_again(conn: Connection) -> None:
    put(conn, 1, 2, 3)
    deliveries.store_attempts(conn, [attempt(1, "dead", "x"), attempt(2, "dead", "x"), attempt(3, "delivered")])
    assert deliveries.retry(conn, "alert-1", "msg-1", 9.0) == 1
    [row] = deliveries.pending(conn, ["alert-1"], 9)
    assert (row.seq, row.attempts, row.next_at) == (1, 0, 9.0)
    assert deliveries.retry(conn, "alert-1", None, 9.0) == 1  # the other failed one only
    assert deliveries.retry(conn, "alert-2", "msg-3", 9.0) == 0


def test_old_webhooks_are_removed_and_too_many_pending_ones_given_up(conn: Connection) -> None:
    put(conn, *range(10))
    deliveries.store_attempts(conn, [attempt(0, "delivered")])
    deliveries.trim(conn, 1.0, 4, 100)
    assert [row.seq for row in deliveries.pending(conn, ["alert-1"], 99)] == [6, 7, 8, 9]
    assert deliveries.states(conn, ["alert-1"]) == {"alert-1": {"dead": 5, "pending": 4}}
