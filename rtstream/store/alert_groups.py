"""Queries on alerts on several streams."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.states import AlertStatus
from rtstream.store.rows import RowReader
from rtstream.store.tables import alert_group_streams, alert_groups, alerts, events, streams


@dataclass(frozen=True, slots=True)
class AlertGroupRow:
    """A stored alert on several streams, with its event. ``streams`` is None for all streams."""

    id: str
    event_id: str
    streams: list[str] | None
    callback_url: str | None
    status: AlertStatus
    options: JsonObject
    created_at: float
    event_prompt: str
    event_label: str
    event_rule: JsonObject | None


@dataclass(frozen=True, slots=True)
class GroupStreamRow:
    """A stream of a group. ``alert_id`` is None if it was deleted, or not created for the reason in ``note``."""

    group_id: str
    stream_id: str
    alert_id: str | None
    note: str


_GROUPS = RowReader(
    AlertGroupRow, alert_groups, event_prompt=events.c.prompt, event_label=events.c.label, event_rule=events.c.rule
)
_STREAMS = RowReader(GroupStreamRow, alert_group_streams)
_WITH_EVENT = (
    _GROUPS.select()
    .join(events, events.c.id == alert_groups.c.event_id)
    .order_by(alert_groups.c.created_at, alert_groups.c.id)
)


def insert(conn: Connection, **values: object) -> None:
    """Add a group."""
    conn.execute(alert_groups.insert().values(**values))


def find(conn: Connection, group_id: str) -> AlertGroupRow | None:
    """Return a group, or None if there is none with this id."""
    return _GROUPS.first(conn, _WITH_EVENT.where(alert_groups.c.id == group_id))


def get(conn: Connection, group_id: str) -> AlertGroupRow:
    """Return a group. Raises NotFound."""
    row = find(conn, group_id)
    if row is None:
        raise NotFound(f"There is no alert {group_id[:80]}. List the alerts to see their ids.")
    return row


def all_groups(conn: Connection) -> list[AlertGroupRow]:
    """Return all groups, oldest first."""
    return _GROUPS.all(conn, _WITH_EVENT)


def streams_of(conn: Connection, group_id: str) -> list[GroupStreamRow]:
    """Return the streams of a group for which an alert was created or tried."""
    query = _STREAMS.select().where(alert_group_streams.c.group_id == group_id)
    return _STREAMS.all(conn, query.order_by(alert_group_streams.c.stream_id))


def memberships(conn: Connection) -> dict[str, str]:
    """Return the group of each alert that belongs to one, by the id of the alert."""
    query = select(alert_group_streams.c.alert_id, alert_group_streams.c.group_id)
    found = conn.execute(query.where(alert_group_streams.c.alert_id.is_not(None)))
    return {alert_id: group_id for alert_id, group_id in found}


def missing_streams(conn: Connection, group: AlertGroupRow) -> list[str]:
    """Return the streams of a group for which no alert was created yet, oldest stream first."""
    done = select(alert_group_streams.c.stream_id).where(
        alert_group_streams.c.group_id == group.id, alert_group_streams.c.note == ""
    )
    query = select(streams.c.id).where(streams.c.id.not_in(done)).order_by(streams.c.created_at)
    if group.streams is not None:
        query = query.where(streams.c.id.in_(group.streams))
    return list(conn.execute(query).scalars())


def set_stream(conn: Connection, group_id: str, stream_id: str, alert_id: str | None, note: str = "") -> None:
    """Store the alert of a stream, or the reason why there is none."""
    key = (alert_group_streams.c.group_id == group_id) & (alert_group_streams.c.stream_id == stream_id)
    conn.execute(delete(alert_group_streams).where(key))
    values = {"group_id": group_id, "stream_id": stream_id, "alert_id": alert_id, "note": note}
    conn.execute(alert_group_streams.insert().values(**values))


def update_group(conn: Connection, group_id: str, **values: object) -> None:
    """Set columns of a group and of all its alerts."""
    conn.execute(update(alert_groups).where(alert_groups.c.id == group_id).values(**values))
    conn.execute(update(alerts).where(alerts.c.id.in_(_ids_of_alerts(conn, group_id))).values(**values))


def delete_group(conn: Connection, group_id: str) -> list[str]:
    """Delete a group with its alerts.

    Returns:
        The ids of the indexes that the alerts were on. It is empty for alerts without an index.
    """
    mine = alerts.c.id.in_(_ids_of_alerts(conn, group_id))
    indexes = list(conn.execute(select(func.coalesce(alerts.c.index_id, "")).where(mine).distinct()).scalars())
    conn.execute(delete(alerts).where(mine))
    conn.execute(delete(alert_groups).where(alert_groups.c.id == group_id))
    return indexes


def _ids_of_alerts(conn: Connection, group_id: str) -> list[str]:
    query = select(alert_group_streams.c.alert_id).where(alert_group_streams.c.group_id == group_id)
    return [alert_id for alert_id in conn.execute(query).scalars() if alert_id is not None]
