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


def test_values_are_found_and_removed_by_the_beginning_of_their_key(conn: Connection) -> None:
    for key in ("a/1", "a/2", "a%/3", "b/1"):
        values.put(conn, key, {"of": key})
    assert values.below(conn, "a/") == {"a/1": {"of": "a/1"}, "a/2": {"of": "a/2"}}
    assert set(values.below(conn, "a%/")) == {"a%/3"}
    values.remove(conn, ["a/1", "b/1", "unknown"])
    assert set(values.below(conn, "")) == {"a/2", "a%/3"}
