"""Queries on the state of alerts in gaps, and on the late scenes that they have not evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from rtstream.rules.alert_policy import AlertState
from rtstream.states import GapReason
from rtstream.store import indexes, transcripts
from rtstream.store.gap_tables import gap_alerts, gaps
from rtstream.store.gaps import GapRow
from rtstream.store.indexes import SceneRow
from rtstream.store.tables import alerts, scenes

_OWN = gaps.c.reason != GapReason.REQUESTED
"""Gaps of the engine. In those of backfills, no alert has a state before its first late scene."""
LOOK_BACK_S = 3600.0
"""Seconds before a gap in which scenes are expected that are not evaluated yet."""


@dataclass(frozen=True, slots=True)
class GapAlert:
    """The state of an alert in a gap, which is None if the alert does not evaluate it."""

    state: AlertState | None
    judged_scene: int


def begin(conn: Connection, index_id: str, states: Mapping[str, AlertState], at: float) -> None:
    """Store the states of alerts for the gaps of an index that began before ``at``, unless they are stored.

    Args:
        conn: The connection.
        index_id: Id of the index.
        states: State of each alert, by its id.
        at: Unix seconds.
    """
    stored = (
        select(func.count())
        .select_from(gap_alerts)
        .where(gap_alerts.c.gap_id == gaps.c.id, gap_alerts.c.alert_id.in_(states))
    )
    lacking = select(gaps.c.id).where(
        gaps.c.index_id == index_id, gaps.c.start <= at, stored.scalar_subquery() < len(states), _OWN
    )
    for gap_id in list(conn.execute(lacking).scalars()):
        known = select(gap_alerts.c.alert_id).where(gap_alerts.c.gap_id == gap_id)
        had = set(conn.execute(known).scalars())
        for alert_id, state in states.items():
            if alert_id not in had:
                insert(conn, gap_id, alert_id, state)


def begin_speech(conn: Connection, stream_id: str, states: Mapping[str, AlertState], at: float) -> None:
    """Store the states of alerts on speech for the gaps of transcripts that began before ``at``, unless they are.

    Args:
        conn: The connection.
        stream_id: Id of the stream.
        states: State of each alert, by its id.
        at: Unix seconds.
    """
    begun = select(gaps.c.id).where(gaps.c.index_id.is_(None), gaps.c.stream_id == stream_id, gaps.c.start <= at, _OWN)
    for gap_id in list(conn.execute(begun).scalars()):
        for alert_id, state in states.items():
            if get(conn, gap_id, alert_id) is None:
                insert(conn, gap_id, alert_id, state)


def exclude(conn: Connection, stream_id: str, index_id: str, alert_id: str) -> None:
    """Let an alert whose event has changed evaluate no gap that exists. ``index_id`` is empty without an index."""
    of_speech = gaps.c.index_id.is_(None) & (gaps.c.stream_id == stream_id)
    own = select(gaps.c.id).where((gaps.c.index_id == index_id) | of_speech)
    conn.execute(delete(gap_alerts).where(gap_alerts.c.alert_id == alert_id, gap_alerts.c.gap_id.in_(own)))
    for gap_id in list(conn.execute(own).scalars()):
        insert(conn, gap_id, alert_id, None)


def insert(conn: Connection, gap_id: int, alert_id: str, state: AlertState | None) -> None:
    """Store the state that an alert had when a gap began, or that it does not evaluate the gap."""
    values = {"gap_id": gap_id, "alert_id": alert_id, "state": None if state is None else state.to_json()}
    conn.execute(gap_alerts.insert().values(judged_scene=0, **values))


def get(conn: Connection, gap_id: int, alert_id: str) -> GapAlert | None:
    """Return the state of an alert in a gap, or None if it is not stored yet."""
    query = select(gap_alerts.c.state, gap_alerts.c.judged_scene)
    row = conn.execute(query.where(gap_alerts.c.gap_id == gap_id, gap_alerts.c.alert_id == alert_id)).first()
    if row is None:
        return None
    return GapAlert(None if row.state is None else AlertState.from_json(row.state), row.judged_scene)


def advance(conn: Connection, gap_id: int, alert_id: str, state: AlertState, judged_scene: int, fired: int) -> None:
    """Store the state of an alert in a gap after a scene, and add to its firings. Its live state stays as it is."""
    where = (gap_alerts.c.gap_id == gap_id, gap_alerts.c.alert_id == alert_id)
    conn.execute(update(gap_alerts).where(*where).values(state=state.to_json(), judged_scene=judged_scene))
    if fired:
        conn.execute(update(alerts).where(alerts.c.id == alert_id).values(fired=alerts.c.fired + fired))


def reaches_gap(conn: Connection, index_id: str, judged_scene: int, start: float) -> bool:
    """Return whether an alert has evaluated all live scenes before the start of a gap."""
    query = select(scenes.c.id).where(
        scenes.c.index_id == index_id,
        scenes.c.id > judged_scene,
        scenes.c.start < start,
        scenes.c.start >= start - LOOK_BACK_S,
        scenes.c.gap_id.is_(None),
    )
    return conn.execute(query.limit(1)).first() is None


def speech_reaches_gap(conn: Connection, gap: GapRow, judged_segment: int) -> bool:
    """Return whether an alert has evaluated all live sentences before a gap of a transcript."""
    left = transcripts.speech_after(conn, gap.stream_id, gap.engine, judged_segment, 1)
    return not left or not gap.start - LOOK_BACK_S <= left[0].start < gap.start


def next_late_scene(conn: Connection, gap: GapRow, judged_scene: int) -> SceneRow | None:
    """Return the first scene of a gap that was stored after ``judged_scene``."""
    query = indexes.SCENES.select().where(
        scenes.c.index_id == gap.index_id, scenes.c.gap_id == gap.id, scenes.c.id > judged_scene
    )
    if gap.end is not None:
        query = query.where(scenes.c.start >= gap.start - 1e-3, scenes.c.start < gap.end)
    return indexes.SCENES.first(conn, query.order_by(scenes.c.id).limit(1))
