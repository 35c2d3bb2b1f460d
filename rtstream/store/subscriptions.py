"""Which jobs a WebSocket connection was bound to (``ws_connection_id`` of the API)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from rtstream.store.tables import ws_bindings


def bind(conn: Connection, connection_id: str, kind: str, target_id: str, now: float) -> None:
    """Deliver what this stream, index, alert or transcript yields to that connection."""
    conn.execute(
        ws_bindings.insert()
        .prefix_with("OR IGNORE", dialect="sqlite")
        .values(connection_id=connection_id, kind=kind, target_id=target_id, created_at=now)
    )


def targets(conn: Connection, connection_id: str) -> set[tuple[str, str]]:
    """What a connection is bound to, as (kind, id)."""
    rows = conn.execute(select(ws_bindings).where(ws_bindings.c.connection_id == connection_id)).all()
    return {(row.kind, row.target_id) for row in rows}


def forget(conn: Connection, before: float) -> None:
    """Remove bindings older than ``before``."""
    conn.execute(delete(ws_bindings).where(ws_bindings.c.created_at < before))
