"""Queries on webhook deliveries, the outbox from which alerts are sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, select, update

from rtstream.json_types import JsonObject
from rtstream.states import DeliveryState
from rtstream.store.rows import RowReader
from rtstream.store.tables import alerts, deliveries, delivery_attempts


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A stored webhook delivery."""

    id: str
    alert_id: str
    seq: int
    url: str
    payload: JsonObject
    state: DeliveryState
    attempts: int
    next_at: float
    created_at: float
    attempted_at: float | None
    """Unix time of the last attempt."""


@dataclass(frozen=True, slots=True)
class DeliveryAttemptRow:
    """A stored attempt of a delivery."""

    delivery_id: str
    at: float
    status: int | None
    latency_s: float
    error: str


_DELIVERIES = RowReader(
    DeliveryRow,
    deliveries,
    attempted_at=select(func.max(delivery_attempts.c.at))
    .where(delivery_attempts.c.delivery_id == deliveries.c.id)
    .scalar_subquery(),
)
_ATTEMPTS = RowReader(DeliveryAttemptRow, delivery_attempts)


def insert(conn: Connection, *rows: JsonObject) -> None:
    """Add webhooks to the outbox, in the transaction that writes their alerts."""
    if rows:
        conn.execute(deliveries.insert(), rows)


def waiting(conn: Connection) -> list[str]:
    """Return the ids of the alerts that have a webhook to send."""
    return list(conn.execute(select(deliveries.c.alert_id).where(deliveries.c.state == "pending").distinct()).scalars())


def pending(conn: Connection, alert_ids: Collection[str], limit: int) -> list[DeliveryRow]:
    """Return up to ``limit`` pending webhooks of these alerts, by alert and in the order of its firings."""
    wanted = and_(deliveries.c.alert_id.in_(alert_ids), deliveries.c.state == "pending")
    query = _DELIVERIES.select().where(wanted).order_by(deliveries.c.alert_id, deliveries.c.seq).limit(limit)
    return _DELIVERIES.all(conn, query)


def of_alert(conn: Connection, alert_id: str, limit: int) -> list[tuple[DeliveryRow, list[DeliveryAttemptRow]]]:
    """Return up to ``limit`` webhooks of an alert, newest first, each with its attempts, oldest first."""
    query = _DELIVERIES.select().where(deliveries.c.alert_id == alert_id).order_by(deliveries.c.seq.desc()).limit(limit)
    found = _DELIVERIES.all(conn, query)
    attempts: dict[str, list[DeliveryAttemptRow]] = {row.id: [] for row in found}
    of_these = delivery_attempts.c.delivery_id.in_(attempts)
    for attempt in _ATTEMPTS.all(conn, _ATTEMPTS.select().where(of_these).order_by(delivery_attempts.c.id)):
        attempts[attempt.delivery_id].append(attempt)
    return [(row, attempts[row.id]) for row in found]


def retry(conn: Connection, alert_id: str, delivery_id: str | None, now: float) -> int:
    """Make a webhook pending again, or all failed ones of the alert if ``delivery_id`` is None.

    Returns:
        The number of webhooks that are now pending.
    """
    which = [deliveries.c.alert_id == alert_id]
    which.append(deliveries.c.id == delivery_id if delivery_id is not None else deliveries.c.state == "dead")
    return conn.execute(update(deliveries).where(*which).values(state="pending", attempts=0, next_at=now)).rowcount


def states(conn: Connection, alert_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the number of webhooks per alert and state."""
    query = select(deliveries.c.alert_id, deliveries.c.state, func.count().label("number"))
    found: dict[str, dict[str, int]] = {}
    grouped = query.where(deliveries.c.alert_id.in_(alert_ids)).group_by(deliveries.c.alert_id, deliveries.c.state)
    for row in conn.execute(grouped):
        found.setdefault(row.alert_id, {})[row.state] = row.number
    return found


def last_errors(conn: Connection, alert_ids: Collection[str]) -> dict[str, str]:
    """Return the error of the newest attempt, for each alert whose newest attempt failed."""
    newest = (
        select(deliveries.c.alert_id, func.max(delivery_attempts.c.id).label("attempt"))
        .join(delivery_attempts, delivery_attempts.c.delivery_id == deliveries.c.id)
        .where(deliveries.c.alert_id.in_(alert_ids))
        .group_by(deliveries.c.alert_id)
        .subquery()
    )
    query = select(newest.c.alert_id, delivery_attempts.c.error).join(
        delivery_attempts, delivery_attempts.c.id == newest.c.attempt
    )
    return {row.alert_id: row.error for row in conn.execute(query) if row.error}


_UPDATE_STATE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery_id"))
    .values(state=bindparam("to_state"), attempts=deliveries.c.attempts + 1, next_at=bindparam("to_next_at"))
)


def store_attempts(conn: Connection, attempts: Sequence[JsonObject]) -> None:
    """Log attempts and store the state of their webhooks. Webhooks that have been deleted are skipped.

    Args:
        conn: The connection.
        attempts: Per attempt ``delivery_id``, ``at``, ``latency_s``, ``status``, ``error``, and the new ``state`` and
            ``next_at`` of its webhook.
    """
    ids = [attempt["delivery_id"] for attempt in attempts]
    existing = set(conn.execute(select(deliveries.c.id).where(deliveries.c.id.in_(ids))).scalars())
    logged = [
        {name: attempt[name] for name in ("delivery_id", "at", "latency_s", "status", "error")}
        for attempt in attempts
        if attempt["delivery_id"] in existing
    ]
    if not logged:
        return
    conn.execute(delivery_attempts.insert(), logged)
    conn.execute(
        _UPDATE_STATE,
        [
            {"delivery_id": attempt["delivery_id"], "to_state": attempt["state"], "to_next_at": attempt["next_at"]}
            for attempt in attempts
        ],
    )


def trim(conn: Connection, before: float, most_pending: int, limit: int) -> None:
    """Remove finished webhooks and bound the number of pending ones.

    Webhooks created before a time are removed, up to ``limit`` per alert. Of the pending webhooks of an alert, the
    oldest beyond ``most_pending`` are abandoned.
    """
    for alert_id in conn.execute(select(alerts.c.id)).scalars().all():
        oldest = select(deliveries.c.id).where(deliveries.c.alert_id == alert_id).order_by(deliveries.c.seq)
        conn.execute(
            deliveries.delete().where(
                deliveries.c.id.in_(oldest.limit(limit)),
                deliveries.c.state != "pending",
                deliveries.c.created_at < before,
            )
        )
    crowded = (
        select(deliveries.c.alert_id, func.count().label("number"))
        .where(deliveries.c.state == "pending")
        .group_by(deliveries.c.alert_id)
        .having(func.count() > most_pending)
    )
    for row in conn.execute(crowded).all():
        waiting = and_(deliveries.c.alert_id == row.alert_id, deliveries.c.state == "pending")
        first = select(deliveries.c.id).where(waiting).order_by(deliveries.c.seq).limit(row.number - most_pending)
        conn.execute(update(deliveries).where(deliveries.c.id.in_(first)).values(state="dead"))
