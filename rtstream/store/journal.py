"""Queries on the journal, a table of numbered entries that are appended and read in order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from rtstream.json_types import JsonObject
from rtstream.models import Channel, Message
from rtstream.store.rows import RowReader
from rtstream.store.tables import journal


@dataclass(frozen=True)
class Entry:
    """An entry to be written. ``data`` is the payload in its wire form."""

    channel: str
    data: JsonObject
    stream_id: str = ""
    stream_name: str = ""
    index_id: str = ""
    alert_id: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A stored entry."""

    seq: int
    at: float
    channel: Channel
    stream_id: str
    stream_name: str
    index_id: str
    alert_id: str
    data: JsonObject


TEXTS = ("text", "heard")
"""Fields that are searched for a text: the one that is shown, and speech before it was corrected."""

_ENTRIES = RowReader(JournalRow, journal)


@dataclass(frozen=True)
class Filter:
    """The entries to read. An empty field does not restrict them.

    With ``all_alerts``, ``text`` does not restrict alerts. With ``changed``, scenes that repeat the one before are left
    out.
    """

    streams: Sequence[str] = ()
    channels: Sequence[str] = ()
    labels: Sequence[str] = ()
    text: str = ""
    min_confidence: float | None = None
    all_alerts: bool = False
    changed: bool = False


def append(conn: Connection, entry: Entry) -> int:
    """Write an entry. Returns its number."""
    # Passing the values separately from the statement halves the time that SQLAlchemy takes.
    result = conn.execute(journal.insert(), _values(entry))
    return int(result.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]


def append_all(conn: Connection, entries: Sequence[Entry]) -> list[int]:
    """Write several entries in one statement. Returns their numbers."""
    if len(entries) < 2:
        return [append(conn, entry) for entry in entries]
    numbered = journal.insert().returning(journal.c.seq, sort_by_parameter_order=True)
    return list(conn.execute(numbered, [_values(entry) for entry in entries]).scalars())


def _values(entry: Entry) -> JsonObject:
    return {
        "at": entry.at,
        "channel": entry.channel,
        "stream_id": entry.stream_id,
        "stream_name": entry.stream_name,
        "index_id": entry.index_id,
        "alert_id": entry.alert_id,
        "data": entry.data,
    }


def latest(conn: Connection) -> int:
    """Return the newest number, or 0 if there is none yet."""
    return conn.execute(select(func.max(journal.c.seq))).scalar() or 0


def oldest(conn: Connection) -> int:
    """Return the oldest number that is still stored, or 0 if there is none."""
    return conn.execute(select(func.min(journal.c.seq))).scalar() or 0


def _where(which: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if which.streams:
        conditions.append(journal.c.stream_id.in_(which.streams))
    if which.channels:
        conditions.append(journal.c.channel.in_(which.channels))
    if which.labels:
        conditions.append(journal.c.data["label"].as_string().in_(which.labels))
    if which.text:
        pattern = "%" + which.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        texts = (journal.c.data[key].as_string() for key in TEXTS)
        contains = or_(*(text.ilike(pattern, escape="\\") for text in texts))
        conditions.append(or_(journal.c.channel == "alert", contains) if which.all_alerts else contains)
    if which.min_confidence is not None:
        # Only alerts have a confidence, so this does not restrict other channels.
        confidence = journal.c.data["confidence"].as_float()
        conditions.append(or_(journal.c.channel != "alert", confidence >= which.min_confidence))
    if which.changed:
        conditions.append(journal.c.data["unchanged"].as_boolean().is_not(True))
    return conditions


def after(conn: Connection, since: int, which: Filter, limit: int) -> list[tuple[Message, JournalRow]]:
    """Return up to ``limit`` entries with a number above ``since``, oldest first, each with its row."""
    rows = conn.execute(
        _ENTRIES.select().where(and_(journal.c.seq > since, *_where(which))).order_by(journal.c.seq).limit(limit)
    ).all()
    return [(message(row), row) for row in map(_ENTRIES.build, rows)]


def newest(conn: Connection, which: Filter, limit: int) -> list[tuple[Message, JournalRow]]:
    """Return the newest ``limit`` entries, oldest first, each with its row."""
    rows = conn.execute(
        _ENTRIES.select().where(and_(True, *_where(which))).order_by(journal.c.seq.desc()).limit(limit)
    ).all()
    return [(message(row), row) for row in map(_ENTRIES.build, reversed(rows))]


def iso(at: float) -> str:
    """Return a Unix time in the form used in messages: ISO 8601 in UTC with an offset."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def utc(at: float, precision: Literal["seconds", "milliseconds"] = "milliseconds") -> str:
    """Return a Unix time in the form used in webhooks: ISO 8601 in UTC with a ``Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def message(row: JournalRow) -> Message:
    """Return the wire form of a row."""
    return Message(
        channel=row.channel,
        timestamp=iso(row.at),
        rtstream_id=row.stream_id,
        rtstream_name=row.stream_name,
        data=row.data,
        seq=row.seq,
    )


def trim(conn: Connection, keep: int) -> int:
    """Delete all but the newest ``keep`` entries. Returns the number of deleted ones."""
    last = latest(conn)
    return conn.execute(delete(journal).where(journal.c.seq <= last - keep)).rowcount
