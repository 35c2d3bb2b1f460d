"""Stores single values of the engine across restarts, by key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, select

from rtstream.store.tables import kept


def get(conn: Connection, key: str) -> Any:  # Any: each key has its own shape
    """Return the JSON value of a key, or None if it has none."""
    return conn.execute(select(kept.c.value).where(kept.c.key == key)).scalar()


def put(conn: Connection, key: str, value: object) -> None:
    """Store a JSON value in place of the one stored before."""
    conn.execute(delete(kept).where(kept.c.key == key))
    conn.execute(kept.insert().values(key=key, value=value))


def below(conn: Connection, prefix: str) -> dict[str, Any]:  # Any: each key has its own shape
    """Return the JSON values of all keys that begin with ``prefix``, by key."""
    query = select(kept.c.key, kept.c.value).where(kept.c.key.startswith(prefix, autoescape=True))
    return {row.key: row.value for row in conn.execute(query)}


def remove(conn: Connection, keys: Iterable[str]) -> None:
    """Remove the values of keys."""
    for key in keys:
        conn.execute(delete(kept).where(kept.c.key == key))
