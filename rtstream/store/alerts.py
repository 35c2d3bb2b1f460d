"""Queries on events, alerts and their decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.store.tables import alerts, decisions, events, scene_indexes, scenes


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


def with_stream(conn: Connection, stream_id: str | None = None) -> list[Row[Any]]:
    """All alerts (of a stream) as in ``of_index``, with their ``stream_id``."""
    query = _WITH_EVENT.add_columns(scene_indexes.c.stream_id).join(
        scene_indexes, scene_indexes.c.id == alerts.c.index_id
    )
    if stream_id is not None:
        query = query.where(scene_indexes.c.stream_id == stream_id)
    return list(conn.execute(query).all())


def of_event(conn: Connection, event_id: str) -> list[Row[Any]]:
    """The alerts of an event as in ``of_index``."""
    return list(conn.execute(_WITH_EVENT.where(alerts.c.event_id == event_id)).all())


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


def unjudged(conn: Connection, alert_ids: Sequence[str], scene_id: int) -> dict[str, str]:
    """The status of those of these alerts that exist and have not judged this scene (0: whatever they have)."""
    query = select(alerts.c.id, alerts.c.status).where(alerts.c.id.in_(alert_ids))
    if scene_id:
        query = query.where(alerts.c.judged_scene < scene_id)
    return {row.id: row.status for row in conn.execute(query)}


_JUDGED = (
    update(alerts)
    .where(alerts.c.id == bindparam("alert_id"))
    .values(judged_scene=bindparam("judged_scene"), state=bindparam("state"), fired=bindparam("fired"))
)


def judged(conn: Connection, changes: Sequence[JsonObject]) -> None:
    """Set where alerts stand: ``alert_id``, ``judged_scene``, ``state`` and ``fired`` of each."""
    if changes:
        conn.execute(_JUDGED, changes)


def add_decisions(conn: Connection, logged: Sequence[JsonObject]) -> None:
    """Log what was decided; all with the same columns."""
    if logged:
        conn.execute(decisions.insert(), logged)


def trim_decisions(conn: Connection, before: float, limit: int) -> int:
    """Remove up to ``limit`` decisions made before a time; those that fired stay. Returns how many went."""
    # The oldest have the lowest ids: nothing else of what may be a huge table is looked at.
    oldest = select(decisions.c.id).where(decisions.c.outcome != "fired").order_by(decisions.c.id).limit(limit)
    return conn.execute(decisions.delete().where(decisions.c.id.in_(oldest), decisions.c.at < before)).rowcount


def decisions_of(
    conn: Connection, alert_id: str, start: float | None, end: float | None, page: int, page_size: int
) -> tuple[list[Row[Any]], bool]:
    """Decisions on what shares time with [start, end), newest first, with its times and text; more?

    Where the scene is gone, or there was none, the time of the decision stands for it.
    """
    began, ended = func.coalesce(scenes.c.start, decisions.c.at), func.coalesce(scenes.c.end, decisions.c.at)
    query = (
        select(decisions, scenes.c.start, scenes.c.end, scenes.c.text)
        .outerjoin(scenes, scenes.c.id == decisions.c.scene_id)
        .where(decisions.c.alert_id == alert_id)
    )
    if start is not None:
        query = query.where(ended > start)
    if end is not None:
        query = query.where(began < end)
    query = query.order_by(decisions.c.id.desc()).offset((page - 1) * page_size).limit(page_size + 1)
    rows = list(conn.execute(query).all())
    return rows[:page_size], len(rows) > page_size


def indexes_with_alerts(conn: Connection) -> list[str]:
    """Ids of the indexes that have at least one alert."""
    return list(conn.execute(select(alerts.c.index_id).distinct()).scalars())
