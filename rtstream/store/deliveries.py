"""Queries on webhook deliveries: the outbox that alerts are sent from."""

from __future__ import annotations

from collections.abc import Collection
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


def of_alert(conn: Connection, alert_id: str, limit: int) -> list[tuple[Row[Any], list[Row[Any]]]]:
    """The newest webhooks of an alert, newest first, each with its attempts, oldest first."""
    query = select(deliveries).where(deliveries.c.alert_id == alert_id).order_by(deliveries.c.seq.desc()).limit(limit)
    found = list(conn.execute(query).all())
    attempts: dict[str, list[Row[Any]]] = {row.id: [] for row in found}
    of_these = delivery_attempts.c.delivery_id.in_(attempts)
    for attempt in conn.execute(select(delivery_attempts).where(of_these).order_by(delivery_attempts.c.id)):
        attempts[attempt.delivery_id].append(attempt)
    return [(row, attempts[row.id]) for row in found]


def again(conn: Connection, alert_id: str, delivery_id: str | None, now: float) -> int:
    """Send a webhook once more, or all that were given up; returns how many."""
    which = [deliveries.c.alert_id == alert_id]
    which.append(deliveries.c.id == delivery_id if delivery_id is not None else deliveries.c.state == "dead")
    return conn.execute(update(deliveries).where(*which).values(state="pending", attempts=0, next_at=now)).rowcount


def states(conn: Connection, alert_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """How many webhooks of each alert are in which state."""
    query = select(deliveries.c.alert_id, deliveries.c.state, func.count().label("number"))
    found: dict[str, dict[str, int]] = {}
    grouped = query.where(deliveries.c.alert_id.in_(alert_ids)).group_by(deliveries.c.alert_id, deliveries.c.state)
    for row in conn.execute(grouped):
        found.setdefault(row.alert_id, {})[row.state] = row.number
    return found


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
