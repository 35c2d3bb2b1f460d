"""Queries on collections and streams."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from rtstream.errors import InvalidRequest, NotFound
from rtstream.json_types import JsonObject
from rtstream.store.tables import collections, streams

DEFAULT_COLLECTION = "default"

ORDERINGS = {
    "created_at": streams.c.created_at,
    "name": streams.c.name,
    "status": streams.c.desired,
    "id": streams.c.id,
}


def ensure_default_collection(conn: Connection, now: float) -> None:
    """The collection ``default`` always exists."""
    if conn.execute(select(collections.c.id).where(collections.c.id == DEFAULT_COLLECTION)).first() is None:
        conn.execute(
            collections.insert().values(
                id=DEFAULT_COLLECTION, name="Default", description="Default collection", is_public=False, created_at=now
            )
        )


def get_collection(conn: Connection, collection_id: str) -> Row[Any]:
    """One collection. Raises NotFound."""
    row = conn.execute(select(collections).where(collections.c.id == collection_id)).first()
    if row is None:
        raise NotFound(f"There is no collection {collection_id}. The collection 'default' always exists.")
    return row


def list_collections(conn: Connection) -> list[Row[Any]]:
    """All collections, oldest first."""
    return list(conn.execute(select(collections).order_by(collections.c.created_at)).all())


def insert_collection(conn: Connection, **values: Any) -> None:
    """Add a collection."""
    conn.execute(collections.insert().values(**values))


def update_collection(conn: Connection, collection_id: str, values: JsonObject) -> Row[Any]:
    """Change a collection. Raises NotFound."""
    get_collection(conn, collection_id)
    if values:
        conn.execute(update(collections).where(collections.c.id == collection_id).values(**values))
    return get_collection(conn, collection_id)


def all_ids(conn: Connection) -> list[str]:
    """Return the ids of all streams."""
    return list(conn.execute(select(streams.c.id)).scalars())


def all_streams(conn: Connection) -> list[Row[Any]]:
    """Return all streams."""
    return list(conn.execute(select(streams)).all())


def insert(conn: Connection, **values: Any) -> None:
    """Add a stream. Raises NotFound for an unknown collection."""
    get_collection(conn, values["collection_id"])
    conn.execute(streams.insert().values(**values))


def get(conn: Connection, stream_id: str) -> Row[Any]:
    """One stream. Raises NotFound."""
    row = conn.execute(select(streams).where(streams.c.id == stream_id)).first()
    if row is None:
        raise NotFound(f"There is no stream {stream_id[:80]}. List the streams to see the ids that exist.")
    return row


def delete(conn: Connection, stream_id: str) -> None:
    """Remove a stream with all that belongs to it."""
    conn.execute(streams.delete().where(streams.c.id == stream_id))


def change(conn: Connection, stream_id: str, **values: Any) -> None:
    """Set columns of a stream."""
    conn.execute(update(streams).where(streams.c.id == stream_id).values(**values))


def wanted(conn: Connection) -> list[Row[Any]]:
    """Streams that should be running."""
    return list(
        conn.execute(select(streams).where(streams.c.desired == "running").order_by(streams.c.created_at)).all()
    )


def ids_of(conn: Connection, collection_id: str) -> list[str]:
    """The streams of a collection."""
    return list(conn.execute(select(streams.c.id).where(streams.c.collection_id == collection_id)).scalars())


def page(
    conn: Connection,
    *,
    limit: int,
    offset: int,
    status: str | None,
    name: str | None,
    ordering: str,
    collection_id: str | None,
) -> tuple[list[Row[Any]], int]:
    """Streams of one page and the number of all that match. Raises InvalidRequest for an unknown ordering or status."""
    column = ORDERINGS.get(ordering.lstrip("-"))
    if column is None:
        raise InvalidRequest(
            f"Streams cannot be ordered by that field. Use one of {', '.join(ORDERINGS)}, with - for descending."
        )
    where: list[Any] = []
    if status is not None:
        where.append(_has_status(status))
    if name:
        pattern = "%" + name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        where.append(streams.c.name.ilike(pattern, escape="\\"))
    if collection_id is not None:
        where.append(streams.c.collection_id == collection_id)
    total = conn.execute(select(func.count()).select_from(streams).where(*where)).scalar_one()
    direction = column.desc() if ordering.startswith("-") else column.asc()
    rows = conn.execute(
        select(streams).where(*where).order_by(direction, streams.c.id).limit(limit).offset(offset)
    ).all()
    return list(rows), total


def _has_status(status: str) -> Any:
    in_error = streams.c.health["state"].as_string() == "error"
    match status:
        case "stopped":
            return streams.c.desired == "stopped"
        case "error":
            return (streams.c.desired == "running") & in_error
        case "connected":
            return (streams.c.desired == "running") & ~in_error
    raise InvalidRequest("A stream's status is one of connected, stopped, error.")


def counts(conn: Connection) -> tuple[int, int]:
    """Number of streams, and of those that should be running."""
    total = conn.execute(select(func.count()).select_from(streams)).scalar_one()
    running = conn.execute(select(func.count()).select_from(streams).where(streams.c.desired == "running")).scalar_one()
    return total, running
