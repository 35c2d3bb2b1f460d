"""Queries for the marks on the timeline of the player."""

from __future__ import annotations

from sqlalchemy import Connection, select

from rtstream.json_types import JsonObject
from rtstream.store import tables

SCENES_READ = 2000
"""Maximum number of scenes read per window. The player shows far fewer."""


def alerts(conn: Connection, stream_id: str, start: float, end: float, limit: int) -> list[JsonObject]:
    """Return up to ``limit`` firings that overlap [start, end] (Unix seconds), newest first."""
    journal = tables.journal
    found = conn.execute(
        select(journal.c.data)
        .where(
            journal.c.stream_id == stream_id,
            journal.c.channel == "alert",
            journal.c.data["end"].as_float() > start,
            journal.c.data["start"].as_float() < end,
        )
        .order_by(journal.c.seq.desc())
        .limit(limit)
    ).scalars()
    return [{"kind": "alert", "start": data["start"], "end": data["end"], "label": data["label"]} for data in found]


def scenes(conn: Connection, stream_id: str, start: float, end: float) -> list[tuple[float, float, str]]:
    """Return start, end and text of the first scenes that overlap [start, end] (Unix seconds)."""
    columns = tables.scenes.c
    rows = conn.execute(
        select(columns.start, columns.end, columns.text)
        .where(columns.stream_id == stream_id, columns.start < end, columns.end > start, columns.status == "ok")
        .order_by(columns.start)
        .limit(SCENES_READ)
    )
    return [(row.start, row.end, row.text) for row in rows]
