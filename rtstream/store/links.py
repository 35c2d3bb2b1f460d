"""Queries on playback links."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Column, ColumnElement, Connection, String, delete, func, select, update
from sqlalchemy import cast as cast_column
from sqlalchemy.exc import IntegrityError

from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.models import Slice
from rtstream.rules.link_targets import ClipRange, LinkKind, LinkTarget, Purpose
from rtstream.store.rows import Query, ResultRow
from rtstream.store.tables import links, streams, videos

AT_ONCE = 500
"""Values in one condition; databases limit their number."""


@dataclass(frozen=True)
class Link:
    """A row of ``links``. Times are Unix seconds; ``expires_at`` is None while its stream or video exists."""

    id: str
    target: LinkTarget
    purpose: Purpose
    created_at: float
    expires_at: float | None
    revoked_at: float | None


@dataclass(frozen=True)
class NewLink:
    """A link to add. Times are Unix seconds."""

    id: str
    target_hash: str
    target: LinkTarget
    purpose: Purpose
    created_at: float
    expires_at: float | None


def get(conn: Connection, link_id: str) -> Link | None:
    """Read a link, whatever its state."""
    row = conn.execute(select(links).where(links.c.id == link_id)).first()
    return None if row is None else _link(row)


def current(conn: Connection, hashes: Sequence[str], until: float) -> dict[str, str]:
    """Return the ids, by target hash, of the links that are valid at least until ``until`` (Unix seconds)."""
    lasting = links.c.expires_at.is_(None) | (links.c.expires_at >= until)
    found: dict[str, str] = {}
    for some in _parts(hashes):
        query = select(links.c.target_hash, links.c.id).where(links.c.target_hash.in_(some), lasting)
        found |= {row.target_hash: row.id for row in conn.execute(query)}
    return found


def extend(conn: Connection, hashes: Sequence[str], now: float, expires_at: float) -> dict[str, str]:
    """Let valid links expire later. Expired ones are detached from their target, which then needs a new link.

    Returns:
        The ids of the valid links by target hash.
    """
    known = list(current(conn, hashes, 0.0))  # usually none, because most targets are new
    if not known:
        return {}
    for some in _parts(known):
        chosen = links.c.target_hash.in_(some)
        conn.execute(update(links).where(chosen, links.c.expires_at < now).values(target_hash=None))
        conn.execute(update(links).where(chosen, links.c.expires_at.is_not(None)).values(expires_at=expires_at))
    return current(conn, known, now)


def insert(conn: Connection, rows: Sequence[NewLink]) -> None:
    """Add links.

    Args:
        conn: The connection.
        rows: The links.

    Raises:
        NotFound: A stream or video was deleted.
    """
    if rows:
        try:
            conn.execute(links.insert(), [_values(row) for row in rows])
        except IntegrityError:
            raise NotFound("The stream or video was deleted meanwhile.") from None


def list_links(conn: Connection, part: Slice, *, stream_id: str | None, video_id: str | None) -> tuple[list[Link], int]:
    """Return one page of links, newest first, and the number of all that match."""
    query = _chosen(select(links), stream_id, video_id)
    page = query.order_by(links.c.created_at.desc(), links.c.id).limit(part.limit).offset(part.offset)
    total = conn.execute(_chosen(select(func.count()).select_from(links), stream_id, video_id)).scalar_one()
    return [_link(row) for row in conn.execute(page)], total


def count(conn: Connection, stream_id: str) -> int:
    """Return the number of links that play a stream."""
    return conn.execute(_chosen(select(func.count()).select_from(links), stream_id, None)).scalar_one()


def revoke(conn: Connection, now: float, *, link_id: str | None, stream_id: str | None, video_id: str | None) -> int:
    """Revoke one link, or all of a stream or video. Returns the number of links that were valid before."""
    query = update(links).where(links.c.revoked_at.is_(None))
    if link_id is not None:
        query = query.where(links.c.id == link_id)
    if stream_id is not None:
        query = query.where(_plays(links.c.stream_id, stream_id))
    if video_id is not None:
        query = query.where(_plays(links.c.video_id, video_id))
    return conn.execute(query.values(revoked_at=now, target_hash=None)).rowcount


def remove_expired(conn: Connection, now: float, revoked_before: float) -> int:
    """Delete links that have expired, were revoked long ago, or play ranges of a stream or video that was deleted.

    Args:
        conn: The connection.
        now: Unix seconds.
        revoked_before: Links without an end that were revoked before this time are deleted.

    Returns:
        The number of deleted links.
    """
    gone = (links.c.expires_at < now) | (links.c.expires_at.is_(None) & (links.c.revoked_at < revoked_before))
    removed = conn.execute(delete(links).where(gone)).rowcount
    several = select(links.c.id, links.c.ranges).where(links.c.kind == "ranges", links.c.video_id.is_(None))
    known = {one for table in (streams, videos) for one in conn.execute(select(table.c.id)).scalars()}
    dead = [row.id for row in conn.execute(several) if any(one not in known for one, _, _ in row.ranges)]
    for some in _parts(dead):
        removed += conn.execute(delete(links).where(links.c.id.in_(some))).rowcount
    return removed


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[at : at + AT_ONCE] for at in range(0, len(values), AT_ONCE))


def _chosen(query: Query, stream_id: str | None, video_id: str | None) -> Query:
    if stream_id is not None:
        query = query.where(_plays(links.c.stream_id, stream_id))
    if video_id is not None:
        query = query.where(_plays(links.c.video_id, video_id))
    return query


def _plays(column: Column[str], source_id: str) -> ColumnElement[bool]:
    """The condition that a link plays a stream or video, or ranges of it among those of others."""
    named = cast_column(links.c.ranges, String).contains(json.dumps(source_id), autoescape=True)
    # Links of several sources name none in the columns. As most links name a stream, the index of streams finds them.
    several = links.c.stream_id.is_(None) & (func.coalesce(links.c.video_id, "") == "")
    return (column == source_id) | (several & named)


def _values(row: NewLink) -> JsonObject:
    target = row.target
    window = target.kind == "window"
    start = target.ranges[0][1] if target.kind == "picture" and target.ranges else target.start
    return {
        "id": row.id,
        "target_hash": row.target_hash,
        "kind": target.kind,
        "stream_id": target.stream_id or None,
        "video_id": target.video_id or None,
        "start": start if target.kind in ("window", "picture") else None,
        "end": target.end if window else None,
        "ranges": [list(part) for part in target.ranges] if target.kind == "ranges" else None,
        "title": target.title,
        "description": target.description,
        "purpose": row.purpose,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": None,
    }


def _link(row: ResultRow) -> Link:
    kind = cast(LinkKind, row.kind)
    ranges: tuple[ClipRange, ...] = ()
    if kind == "video":
        ranges = ((row.video_id, 0.0, math.inf),)
    elif kind == "ranges":
        ranges = tuple((one, start, end) for one, start, end in row.ranges)
    elif kind == "picture" and row.video_id:
        ranges = ((row.video_id, row.start, row.start),)
    start, end = (row.start or 0.0, row.end or row.start or 0.0) if row.stream_id else (0.0, 0.0)
    target = LinkTarget(kind, row.stream_id or "", start, end, ranges, row.title, row.description)
    return Link(row.id, target, row.purpose, row.created_at, row.expires_at, row.revoked_at)
