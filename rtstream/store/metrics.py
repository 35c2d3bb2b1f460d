"""Totals for monitoring, read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from rtstream.store import journal as journal_rows
from rtstream.store.tables import deliveries, scene_indexes, streams


@dataclass(frozen=True)
class StreamTotals:
    """Totals of one stream."""

    id: str
    name: str
    recorded_bytes: int


@dataclass(frozen=True)
class IndexTotals:
    """Totals of one index. ``counters`` are windows and model calls by name."""

    id: str
    name: str
    stream_id: str
    counters: dict[str, float]


@dataclass(frozen=True)
class Totals:
    """Totals of the engine."""

    streams: list[StreamTotals]
    indexes: list[IndexTotals]
    webhooks: dict[str, int]
    """Number of stored webhooks by state."""
    journal_seq: int
    """Number of the newest journal entry."""


def totals(conn: Connection) -> Totals:
    """Return the present totals."""
    of_streams = select(streams.c.id, streams.c.name, streams.c.recorded_bytes).order_by(streams.c.id)
    of_indexes = select(
        scene_indexes.c.id, scene_indexes.c.name, scene_indexes.c.stream_id, scene_indexes.c.counters
    ).order_by(scene_indexes.c.id)
    states = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
    return Totals(
        [StreamTotals(*row) for row in conn.execute(of_streams)],
        [IndexTotals(row.id, row.name or "", row.stream_id, row.counters) for row in conn.execute(of_indexes)],
        {str(state): count for state, count in conn.execute(states)},
        journal_rows.latest(conn),
    )
