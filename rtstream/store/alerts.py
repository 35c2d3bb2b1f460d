"""Queries on events, alerts and their decisions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select, update

from rtstream.errors import NotFound
from rtstream.store.tables import alerts, decisions, events, scenes


def insert_event(conn: Connection, **values: Any) -> None:
    """Add an event."""
    conn.execute(events.insert().values(**values))


def get_event(conn: Connection, event_id: str) -> Row[Any]:
    """One event; the bare hex form without ``event-`` is taken too. Raises NotFound."""
    row = conn.execute(select(events).where(events.c.id.in_((event_id, f"event-{event_id}")))).first()
    if row is None:
        raise NotFound(f"There is no event {event_id[:80]}. Create it first, or list the events to see their ids.")
    return row


def list_events(conn: Connection) -> list[Row[Any]]:
    """All events, oldest first."""
    return list(conn.execute(select(events).order_by(events.c.created_at, events.c.id)).all())


def change_event(conn: Connection, event_id: str, **values: Any) -> None:
    """Set columns of an event."""
    conn.execute(update(events).where(events.c.id == event_id).values(**values))


def delete_event(conn: Connection, event_id: str) -> None:
    """Remove an event with its alerts, their decisions and deliveries."""
    conn.execute(events.delete().where(events.c.id == event_id))


_WITH_EVENT = (
    select(
        alerts,
        events.c.prompt.label("event_prompt"),
        events.c.label.label("event_label"),
        events.c.rule.label("event_rule"),
    )
    .join(events, events.c.id == alerts.c.event_id)
    .order_by(alerts.c.created_at, alerts.c.id)
)


def insert_alert(conn: Connection, **values: Any) -> None:
    """Add an alert."""
    conn.execute(alerts.insert().values(**values))


def of_index(conn: Connection, index_id: str) -> list[Row[Any]]:
    """The alerts of an index with ``event_prompt``, ``event_label``, ``event_rule``, oldest first."""
    return list(conn.execute(_WITH_EVENT.where(alerts.c.index_id == index_id)).all())


def get_alert(conn: Connection, alert_id: str, index_id: str | None = None) -> Row[Any]:
    """One alert with its event's columns. Raises NotFound."""
    query = _WITH_EVENT.where(alerts.c.id == alert_id)
    if index_id is not None:
        query = query.where(alerts.c.index_id == index_id)
    row = conn.execute(query).first()
    if row is None:
        raise NotFound(f"There is no alert {alert_id[:80]} on this index. List the index's alerts to see their ids.")
    return row


def change_alert(conn: Connection, alert_id: str, **values: Any) -> None:
    """Set columns of an alert."""
    conn.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


def delete_alert(conn: Connection, alert_id: str) -> None:
    """Remove an alert with its decisions and deliveries."""
    conn.execute(alerts.delete().where(alerts.c.id == alert_id))


def decisions_of(
    conn: Connection, alert_id: str, start: float | None, end: float | None, page: int, page_size: int
) -> tuple[list[Row[Any]], bool]:
    """Decisions on scenes that share time with [start, end), newest first, with the scene's times and text; more?"""
    query = (
        select(decisions, scenes.c.start, scenes.c.end, scenes.c.text)
        .outerjoin(scenes, scenes.c.id == decisions.c.scene_id)
        .where(decisions.c.alert_id == alert_id)
    )
    if start is not None:
        query = query.where(scenes.c.end > start)
    if end is not None:
        query = query.where(scenes.c.start < end)
    query = query.order_by(decisions.c.id.desc()).offset((page - 1) * page_size).limit(page_size + 1)
    rows = list(conn.execute(query).all())
    return rows[:page_size], len(rows) > page_size


def indexes_with_alerts(conn: Connection) -> list[str]:
    """Ids of the indexes that have at least one alert."""
    return list(conn.execute(select(alerts.c.index_id).distinct()).scalars())


def add_decision(conn: Connection, **values: Any) -> None:
    """Log what was decided about a scene."""
    conn.execute(decisions.insert().values(**values))
