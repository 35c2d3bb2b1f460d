"""Responses that are stored for repeated requests."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.store import responses as rows
from rtstream.store import values
from rtstream.store.responses import StoredResponse

FIRST = StoredResponse("/rtstream/event", "k", "abc", 20.0, 201, '{"id":"event-1"}')
SECOND = StoredResponse("/rtstream/alert", "k", "def", 10.0, 200, "{}")


def test_responses_are_stored_by_path_and_key_and_removed(conn: Connection) -> None:
    values.put(conn, "responses", 1)
    for response in (FIRST, SECOND):
        rows.put(conn, response)
    assert rows.load(conn) == [SECOND, FIRST], "oldest first"
    replaced = StoredResponse("/rtstream/event", "k", "abc", 30.0, 201, "{}")
    rows.put(conn, replaced)
    rows.remove(conn, [SECOND.place])
    assert rows.load(conn) == [replaced]
    rows.remove(conn, [replaced.place, ("/", "unknown")])
    assert rows.load(conn) == []
    assert values.get(conn, "responses") == 1
