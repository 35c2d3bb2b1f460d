"""Queries on events, alerts and their decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection, bindparam, func, select, update

from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.models import Page
from rtstream.rules.alert_policy import AlertState
from rtstream.states import AlertStatus, ExtractionType, Outcome
from rtstream.store.rows import Query, RowReader
from rtstream.store.tables import alerts, decisions, events, scene_indexes, scenes, transcript_segments


@dataclass(frozen=True, slots=True)
class EventRow:
    """A stored event."""

    id: str
    prompt: str
    label: str
    rule: JsonObject | None
    created_at: float


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A stored alert with its event and the kind of its index. Without an index, ``index_id`` is empty."""

    id: str
    index_id: str
    event_id: str
    callback_url: str | None
    status: AlertStatus
    options: JsonObject
    state: AlertState
    judged_scene: int
    fired: int
    created_at: float
    event_prompt: str
    event_label: str
    event_rule: JsonObject | None
    stream_id: str
    of_speech: bool
    """Whether its index is an audio index."""

    @property
    def of_stream(self) -> bool:
        """Whether it is on the stream itself: its transcript or its connection."""
        return not self.index_id


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A stored decision with the times and the text of its scene or speech, which are None without either."""

    at: float
    outcome: Outcome
    reason: str
    confidence: float | None
    explanation: str
    seq: int | None
    start: float | None
    end: float | None
    text: str | None
    late: bool


_EVENTS = RowReader(EventRow, events)
_ALERTS = RowReader(
    AlertRow,
    alerts,
    event_prompt=events.c.prompt,
    event_label=events.c.label,
    event_rule=events.c.rule,
    index_id=func.coalesce(alerts.c.index_id, ""),
    of_speech=func.coalesce(scene_indexes.c.extraction_type == ExtractionType.TRANSCRIPT, False),
)
# Decisions about speech of a gap have no scene, but the number of the gap, negative.
_LATE = scenes.c.gap_id.is_not(None) | (decisions.c.scene_id < 0)
_SAID = transcript_segments.c
_BEGAN = func.coalesce(scenes.c.start, _SAID.start)
_ENDED = func.coalesce(scenes.c.end, _SAID.end)
_TEXT = func.coalesce(scenes.c.text, _SAID.text)
_DECISIONS = RowReader(DecisionRow, decisions, start=_BEGAN, end=_ENDED, text=_TEXT, late=_LATE)


def _with_moment(query: Query) -> Query:
    """Join a query of decisions with the scenes and the speech that they are about."""
    return query.outerjoin(scenes, scenes.c.id == decisions.c.scene_id).outerjoin(
        transcript_segments, _SAID.id == decisions.c.segment_id
    )


def insert_event(conn: Connection, **values: object) -> None:
    """Add an event."""
    conn.execute(events.insert().values(**values))


def get_event(conn: Connection, event_id: str) -> EventRow:
    """Return an event. Its id is also accepted without the prefix ``event-``. Raises NotFound."""
    row = _EVENTS.first(conn, _EVENTS.select().where(events.c.id.in_((event_id, f"event-{event_id}"))))
    if row is None:
        raise NotFound(f"There is no event {event_id[:80]}. List the events to see their ids, or create one.")
    return row


def list_events(conn: Connection) -> list[EventRow]:
    """Return all events, oldest first."""
    return _EVENTS.all(conn, _EVENTS.select().order_by(events.c.created_at, events.c.id))


def update_event(conn: Connection, event_id: str, **values: object) -> None:
    """Set columns of an event."""
    conn.execute(update(events).where(events.c.id == event_id).values(**values))


def delete_event(conn: Connection, event_id: str) -> None:
    """Delete an event with its alerts, their decisions and deliveries."""
    conn.execute(events.delete().where(events.c.id == event_id))


_WITH_EVENT = (
    _ALERTS.select()
    .join(events, events.c.id == alerts.c.event_id)
    .outerjoin(scene_indexes, scene_indexes.c.id == alerts.c.index_id)
    .order_by(alerts.c.created_at, alerts.c.id)
)


def insert_alert(conn: Connection, state: AlertState | None = None, **values: object) -> None:
    """Add an alert."""
    conn.execute(alerts.insert().values(state=(state or AlertState()).to_json(), **values))


def of_index(conn: Connection, index_id: str) -> list[AlertRow]:
    """Return the alerts of an index, oldest first."""
    return _ALERTS.all(conn, _WITH_EVENT.where(alerts.c.index_id == index_id))


def of_streams(conn: Connection, stream_id: str | None = None) -> list[AlertRow]:
    """Return the alerts of a stream, or of all streams if ``stream_id`` is None, oldest first."""
    query = _WITH_EVENT
    if stream_id is not None:
        query = query.where(alerts.c.stream_id == stream_id)
    return _ALERTS.all(conn, query)


def without_index(conn: Connection, stream_id: str | None = None) -> list[AlertRow]:
    """Return the alerts on a stream itself, or on all streams if ``stream_id`` is None, oldest first."""
    query = _WITH_EVENT.where(alerts.c.index_id.is_(None))
    if stream_id is not None:
        query = query.where(alerts.c.stream_id == stream_id)
    return _ALERTS.all(conn, query)


def of_event(conn: Connection, event_id: str) -> list[AlertRow]:
    """Return the alerts of an event, oldest first."""
    return _ALERTS.all(conn, _WITH_EVENT.where(alerts.c.event_id == event_id))


def get_alert(conn: Connection, alert_id: str, index_id: str | None = None) -> AlertRow:
    """Return an alert, which must be on the index ``index_id`` if that is given. An empty one stands for no index.

    Raises:
        NotFound: There is no such alert.
    """
    query = _WITH_EVENT.where(alerts.c.id == alert_id)
    if index_id is not None:
        query = query.where(alerts.c.index_id == index_id if index_id else alerts.c.index_id.is_(None))
    row = _ALERTS.first(conn, query)
    if row is None:
        where = " on this index" if index_id else ""
        raise NotFound(f"There is no alert {alert_id[:80]}{where}. List the alerts to see their ids.")
    return row


def fired_between(conn: Connection, alert_ids: Sequence[str], start: float | None, end: float | None) -> dict[str, int]:
    """Return how often alerts fired on moments that overlap [start, end), by id. Alerts that did not are missing."""
    began, ended = func.coalesce(_BEGAN, decisions.c.at), func.coalesce(_ENDED, decisions.c.at)
    query = _with_moment(cast("Query", select(decisions.c.alert_id, func.count())))
    query = query.where(decisions.c.alert_id.in_(alert_ids), decisions.c.outcome == Outcome.FIRED)
    if start is not None:
        query = query.where(ended > start)
    if end is not None:
        query = query.where(began < end)
    found = [list(row) for row in conn.execute(query.group_by(decisions.c.alert_id))]
    return {alert_id: count for alert_id, count in found}


def update_alert(conn: Connection, alert_id: str, **values: object) -> None:
    """Set columns of an alert."""
    conn.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))


def set_state(conn: Connection, alert_id: str, state: AlertState, judged_scene: int) -> None:
    """Set the state of an alert and the number of the newest scene or segment that it has evaluated."""
    update_alert(conn, alert_id, state=state.to_json(), judged_scene=judged_scene)


def delete_alert(conn: Connection, alert_id: str) -> None:
    """Delete an alert with its decisions and deliveries."""
    conn.execute(alerts.delete().where(alerts.c.id == alert_id))


def unevaluated(conn: Connection, alert_ids: Sequence[str], scene_id: int) -> dict[str, AlertStatus]:
    """Return the status of the alerts that still exist and have not evaluated a scene or segment, by id.

    With a ``scene_id`` of 0, all existing alerts are returned.
    """
    query = select(alerts.c.id, alerts.c.status).where(alerts.c.id.in_(alert_ids))
    if scene_id:
        query = query.where(alerts.c.judged_scene < scene_id)
    return {row.id: AlertStatus(row.status) for row in conn.execute(query)}


_STORE_EVALUATION = (
    update(alerts)
    .where(alerts.c.id == bindparam("alert_id"))
    .values(judged_scene=bindparam("judged_scene"), state=bindparam("state"), fired=alerts.c.fired + bindparam("fires"))
)


def store_evaluations(conn: Connection, changes: Sequence[JsonObject]) -> None:
    """Store ``judged_scene`` and ``state`` of the alert ``alert_id`` in each of ``changes``, and add its ``fires``."""
    if changes:
        conn.execute(_STORE_EVALUATION, changes)


def add_decisions(conn: Connection, logged: Sequence[JsonObject]) -> None:
    """Add decisions, which must all have the same columns."""
    if logged:
        conn.execute(decisions.insert(), logged)


def late_firings(conn: Connection, alert_ids: Sequence[str]) -> dict[str, int]:
    """Return how often alerts fired on late scenes, by id. Alerts that did not are missing."""
    query = select(decisions.c.alert_id, func.count()).outerjoin(scenes, scenes.c.id == decisions.c.scene_id)
    wanted = decisions.c.alert_id.in_(alert_ids) & (decisions.c.outcome == Outcome.FIRED) & _LATE
    return {alert_id: count for alert_id, count in conn.execute(query.where(wanted).group_by(decisions.c.alert_id))}


def trim_decisions(conn: Connection, before: float, limit: int) -> int:
    """Delete up to ``limit`` decisions from before a Unix time, except those that fired.

    Returns:
        The number of deleted decisions.
    """
    # The oldest have the lowest ids, so no other rows of a possibly huge table are read.
    oldest = select(decisions.c.id).where(decisions.c.outcome != "fired").order_by(decisions.c.id).limit(limit)
    return conn.execute(decisions.delete().where(decisions.c.id.in_(oldest), decisions.c.at < before)).rowcount


def list_decisions(
    conn: Connection, alert_id: str, start: float | None, end: float | None, page: Page
) -> tuple[list[DecisionRow], bool]:
    """Return a page of decisions whose moments overlap [start, end), newest first, and whether more pages follow.

    If the scene or the speech has been deleted or there was none, the time of the decision is used instead.
    """
    began, ended = func.coalesce(_BEGAN, decisions.c.at), func.coalesce(_ENDED, decisions.c.at)
    query = _with_moment(_DECISIONS.select()).where(decisions.c.alert_id == alert_id)
    if start is not None:
        query = query.where(ended > start)
    if end is not None:
        query = query.where(began < end)
    query = query.order_by(decisions.c.id.desc()).offset(page.offset).limit(page.page_size + 1)
    rows = _DECISIONS.all(conn, query)
    return rows[: page.page_size], len(rows) > page.page_size


def indexes_with_alerts(conn: Connection) -> list[str]:
    """Return the ids of the indexes that have at least one alert."""
    return list(conn.execute(select(alerts.c.index_id).where(alerts.c.index_id.is_not(None)).distinct()).scalars())
