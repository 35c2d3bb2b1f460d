"""Queries on backfills: analyses of recorded footage that a user asked for."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from rtstream.states import SceneStatus
from rtstream.store.gap_tables import backfills, gaps
from rtstream.store.gaps import GAPS, GapRow
from rtstream.store.rows import RowReader
from rtstream.store.tables import scenes


@dataclass(frozen=True, slots=True)
class BackfillRow:
    """A stored backfill, whose job has its id. Without an index, it is that of a transcript."""

    id: str
    stream_id: str
    index_id: str | None
    engine: str
    language: str | None
    start: float
    end: float | None
    counters: dict[str, float]
    most_cost: float | None
    created_at: float


_BACKFILLS = RowReader(BackfillRow, backfills)


def insert(conn: Connection, **values: object) -> None:
    """Add a backfill."""
    conn.execute(backfills.insert().values(**values))


def get(conn: Connection, backfill_id: str) -> BackfillRow | None:
    """Return a backfill, or None if it has ended."""
    return _BACKFILLS.first(conn, _BACKFILLS.select().where(backfills.c.id == backfill_id))


def all_backfills(conn: Connection) -> list[BackfillRow]:
    """Return the backfills that have not ended, oldest first."""
    return _BACKFILLS.all(conn, _BACKFILLS.select().order_by(backfills.c.created_at, backfills.c.id))


def of_index(conn: Connection, index_id: str) -> list[BackfillRow]:
    """Return the backfills of an index that have not ended, oldest first."""
    query = _BACKFILLS.select().where(backfills.c.index_id == index_id)
    return _BACKFILLS.all(conn, query.order_by(backfills.c.created_at, backfills.c.id))


def of_transcript(conn: Connection, stream_id: str, engine: str) -> list[BackfillRow]:
    """Return the backfills of a transcript that have not ended, oldest first."""
    query = _BACKFILLS.select().where(
        backfills.c.stream_id == stream_id, backfills.c.engine == engine, backfills.c.index_id.is_(None)
    )
    return _BACKFILLS.all(conn, query.order_by(backfills.c.created_at, backfills.c.id))


def count(conn: Connection, backfill_id: str | None, **add: float) -> None:
    """Add to the counters of a backfill, if there is one and it has not ended."""
    if backfill_id is None or not add:
        return
    found = conn.execute(select(backfills.c.counters).where(backfills.c.id == backfill_id)).scalar()
    if found is None:
        return
    counters = dict(found)
    for key, amount in add.items():
        counters[key] = counters.get(key, 0) + amount
    conn.execute(update(backfills).where(backfills.c.id == backfill_id).values(counters=counters))


def gaps_of(conn: Connection, backfill_id: str) -> list[GapRow]:
    """Return the gaps of a backfill that are still stored, oldest first."""
    return GAPS.all(conn, GAPS.select().where(gaps.c.backfill_id == backfill_id).order_by(gaps.c.start, gaps.c.id))


def remove_gaps(conn: Connection, backfill_id: str) -> None:
    """Remove the gaps of a backfill that are not analysed."""
    conn.execute(delete(gaps).where(gaps.c.backfill_id == backfill_id, gaps.c.analysed.is_(False)))


def last_failure(conn: Connection, backfill_id: str) -> str:
    """Return the reason for which the last window of a backfill failed, or an empty string."""
    row = conn.execute(select(backfills.c.index_id).where(backfills.c.id == backfill_id)).first()
    if row is None or row.index_id is None:
        return ""
    failure = scenes.c.detail["failure"].as_string()
    query = select(failure).where(
        scenes.c.index_id == row.index_id, scenes.c.status == SceneStatus.FAILED, scenes.c.gap_id.is_not(None)
    )
    return conn.execute(query.order_by(scenes.c.id.desc()).limit(1)).scalar() or ""


def end(conn: Connection, backfill_id: str) -> None:
    """Remove a backfill with its gaps. Those whose alerts are still to be evaluated stay."""
    remove_gaps(conn, backfill_id)
    conn.execute(delete(backfills).where(backfills.c.id == backfill_id))
