"""A database in memory with a stream, two indexes, and an event with two alerts on the first index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine

from rtstream.store import alerts, indexes, search_tables, streams
from rtstream.store.tables import metadata

STREAM = {
    **{"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}},
    **{"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False},
}
INDEX = {"extraction_type": "time", "extraction_config": {"time": 2}, "model_config": {}, "status": "running"}


@contextmanager
def in_memory() -> Iterator[Connection]:
    """An empty database in memory."""
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as conn:
            yield conn
    finally:
        engine.dispose()


@pytest.fixture
def conn() -> Iterator[Connection]:
    with in_memory() as conn:
        conn.exec_driver_sql("PRAGMA foreign_keys=ON")
        metadata.create_all(conn)
        search_tables.create(conn)
        streams.ensure_default_collection(conn, 0.0)
        streams.insert(conn, id="rts-1", created_at=0.0, **STREAM)
        for name in ("one", "two"):
            indexes.insert(conn, id=name, stream_id="rts-1", name=name, counters={}, created_at=0.0, **INDEX)
        alerts.insert_event(conn, id="event-1", prompt="p", label="l", rule=None, created_at=0.0)
        kind = {"stream_id": "rts-1", "index_id": "one", "event_id": "event-1", "status": "enabled", "options": {}}
        for alert_id in ("alert-1", "alert-2"):
            alerts.insert_alert(conn, id=alert_id, created_at=0.0, judged_scene=0, fired=0, **kind)
        yield conn
