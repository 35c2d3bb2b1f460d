"""Queries on the targets of WebSocket connections (``ws_connection_id`` of the API)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from rtstream.store.tables import ws_bindings


def bind(conn: Connection, connection_id: str, kind: str, target_id: str, now: float) -> None:
    """Bind a stream, index, alert or transcript to a connection, which then receives its results."""
    conn.execute(
        ws_bindings.insert()
        .prefix_with("OR IGNORE", dialect="sqlite")
        .values(connection_id=connection_id, kind=kind, target_id=target_id, created_at=now)
    )


def copy(conn: Connection, kind: str, source_id: str, target_id: str, now: float) -> None:
    """Bind a target to every connection that another target of its kind is bound to."""
    bound = select(ws_bindings.c.connection_id).where(ws_bindings.c.kind == kind, ws_bindings.c.target_id == source_id)
    for connection_id in list(conn.execute(bound).scalars()):
        bind(conn, connection_id, kind, target_id, now)


def targets(conn: Connection, connection_id: str) -> set[tuple[str, str]]:
    """Return the targets of a connection, as (kind, id)."""
    rows = conn.execute(select(ws_bindings).where(ws_bindings.c.connection_id == connection_id)).all()
    return {(row.kind, row.target_id) for row in rows}


def trim(conn: Connection, before: float) -> None:
    """Delete bindings from before the Unix time ``before``."""
    conn.execute(delete(ws_bindings).where(ws_bindings.c.created_at < before))
