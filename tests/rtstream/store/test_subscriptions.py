"""Targets of WebSocket connections."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.store import subscriptions


def test_a_target_is_bound_once_and_forgotten_after_a_while(conn: Connection) -> None:
    for at in (10.0, 50.0):
        subscriptions.bind(conn, "wsc-1", "stream", "rts-1", at)
    subscriptions.bind(conn, "wsc-1", "alert", "alert-1", 50.0)
    assert subscriptions.targets(conn, "wsc-1") == {("stream", "rts-1"), ("alert", "alert-1")}
    assert subscriptions.targets(conn, "wsc-2") == set()
    subscriptions.trim(conn, 20.0)
    assert subscriptions.targets(conn, "wsc-1") == {("alert", "alert-1")}
