"""Single values that survive a restart."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.store import values


def test_a_value_replaces_the_one_before_it(conn: Connection) -> None:
    assert values.get(conn, "budget") is None
    for value in ({"calls": [1, 2]}, 0, False):
        values.put(conn, "budget", value)
        assert values.get(conn, "budget") == value
    values.put(conn, "other", "x")
    assert values.get(conn, "budget") is False
