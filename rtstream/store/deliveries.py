"""Queries on webhook deliveries: the outbox that alerts are sent from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from rtstream.store.tables import deliveries, delivery_attempts


def insert(conn: Connection, **values: Any) -> None:
    """Put a webhook into the outbox (in the transaction that writes the alert)."""
    conn.execute(deliveries.insert().values(**values))


def due(conn: Connection, now: float, busy: set[str], limit: int) -> list[Row[Any]]:
    """The next webhook of each alert that is due and has none under way: order is kept per alert."""
    heads = (
        select(func.min(deliveries.c.seq).label("seq"), deliveries.c.alert_id)
        .where(deliveries.c.state == "pending")
        .group_by(deliveries.c.alert_id)
        .subquery()
    )
    query = (
        select(deliveries)
        .join(heads, (heads.c.seq == deliveries.c.seq) & (heads.c.alert_id == deliveries.c.alert_id))
        .where(deliveries.c.state == "pending", deliveries.c.next_at <= now, deliveries.c.alert_id.not_in(busy))
        .order_by(deliveries.c.next_at)
        .limit(limit)
    )
    return list(conn.execute(query).all())


def next_due(conn: Connection, busy: set[str]) -> float | None:
    """When the next webhook falls due, of alerts that have none under way."""
    return conn.execute(
        select(func.min(deliveries.c.next_at)).where(
            deliveries.c.state == "pending", deliveries.c.alert_id.not_in(busy)
        )
    ).scalar()


def attempted(
    conn: Connection,
    delivery_id: str,
    *,
    at: float,
    latency_s: float,
    status: int | None,
    error: str,
    state: str,
    next_at: float,
) -> None:
    """Log one attempt and say where the webhook stands now."""
    conn.execute(
        delivery_attempts.insert().values(
            delivery_id=delivery_id, at=at, latency_s=latency_s, status=status, error=error
        )
    )
    conn.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state=state, attempts=deliveries.c.attempts + 1, next_at=next_at)
    )
