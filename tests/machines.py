"""Settings of Hypothesis state machines, and databases for them."""

from __future__ import annotations

import sqlite3
from functools import cache

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from rtstream.store import alerts, indexes, search_tables, streams
from rtstream.store.tables import metadata
from tests.rtstream.store.conftest import INDEX, STREAM

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
QUICK = settings(max_examples=10, stateful_step_count=20, deadline=None, derandomize=True, suppress_health_check=CHECKS)
LONG = settings(max_examples=600, stateful_step_count=60, deadline=None, suppress_health_check=CHECKS)


def run(machine: type[RuleBasedStateMachine], how: settings = QUICK) -> None:
    """Run a machine. Each run of the quick settings makes the same steps."""
    run_state_machine_as_test(machine, settings=how)


@cache
def _empty() -> bytes:
    """An empty database, because creating the tables takes longer than the steps of a machine."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as conn:
        metadata.create_all(conn)
        search_tables.create(conn)
        streams.ensure_default_collection(conn, 0.0)
        plain = conn.connection.driver_connection
        assert isinstance(plain, sqlite3.Connection)
    found = plain.serialize()
    engine.dispose()
    return found


def opened(content: bytes) -> Connection:
    """A database in memory with this content."""
    plain = sqlite3.connect(":memory:", check_same_thread=False)
    plain.deserialize(content)
    conn = create_engine("sqlite://", creator=lambda: plain, poolclass=StaticPool).connect()
    conn.exec_driver_sql("PRAGMA foreign_keys=ON")
    conn.commit()
    return conn


def memory() -> Connection:
    """A new database in memory, with the tables and a default collection."""
    return opened(_empty())


def close(conn: Connection) -> None:
    """Close a database in memory, whose pool would otherwise keep it open."""
    conn.close()
    conn.engine.dispose()


def content(conn: Connection) -> bytes:
    """The content of a database in memory, as a backup."""
    plain = conn.connection.driver_connection
    assert isinstance(plain, sqlite3.Connection)
    return plain.serialize()


def add_stream(conn: Connection, stream_id: str) -> None:
    """Add a stream."""
    streams.insert(conn, id=stream_id, created_at=0.0, **STREAM)


def add_alerts(conn: Connection, *alert_ids: str) -> None:
    """Add alerts on a new index of a stream."""
    add_stream(conn, "rts-1")
    indexes.insert(conn, id="one", stream_id="rts-1", name="one", counters={}, created_at=0.0, **INDEX)
    alerts.insert_event(conn, id="event-1", prompt="p", label="l", rule=None, created_at=0.0)
    kind = {"stream_id": "rts-1", "index_id": "one", "event_id": "event-1", "status": "enabled", "options": {}}
    for alert_id in alert_ids:
        alerts.insert_alert(conn, id=alert_id, created_at=0.0, judged_scene=0, fired=0, **kind)
