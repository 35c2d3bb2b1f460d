"""Queries on collections and streams."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, update

from rtstream.errors import InvalidRequest, NotFound
from rtstream.json_types import JsonObject
from rtstream.models import MediaType, Slice
from rtstream.states import DesiredState
from rtstream.store.rows import RowReader
from rtstream.store.tables import collections, streams, videos

DEFAULT_COLLECTION = "default"

ORDERINGS = {
    "created_at": streams.c.created_at,
    "name": streams.c.name,
    "status": streams.c.desired,
    "id": streams.c.id,
}


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A stored collection."""

    id: str
    name: str
    description: str
    is_public: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stored stream. ``url`` and ``detect_url`` may contain credentials."""

    id: str
    name: str
    url: str
    collection_id: str
    created_at: float
    media_types: list[MediaType]
    audio: bool
    sample_rate: float
    store: bool
    enable_transcript: bool
    desired: DesiredState
    health: JsonObject
    media: JsonObject | None
    retention: JsonObject | None
    tracks: str | None
    recorded_bytes: int
    detect_url: str | None = None
    vocabulary: list[str] | None = None


_COLLECTIONS = RowReader(CollectionRow, collections)
_STREAMS = RowReader(StreamRow, streams)


def ensure_default_collection(conn: Connection, now: float) -> None:
    """Create the collection ``default`` unless it exists."""
    if conn.execute(select(collections.c.id).where(collections.c.id == DEFAULT_COLLECTION)).first() is None:
        conn.execute(
            collections.insert().values(
                id=DEFAULT_COLLECTION, name="Default", description="Default collection", is_public=False, created_at=now
            )
        )


def get_collection(conn: Connection, collection_id: str) -> CollectionRow:
    """Return a collection. Raises NotFound."""
    row = _COLLECTIONS.first(conn, _COLLECTIONS.select().where(collections.c.id == collection_id))
    if row is None:
        raise NotFound(f"There is no collection {collection_id}. The collection 'default' always exists.")
    return row


def in_collection(conn: Connection, collection_id: str) -> tuple[list[str], list[str]]:
    """Return the ids of the streams and of the videos of a collection. Raises NotFound."""
    get_collection(conn, collection_id)
    of_streams = select(streams.c.id).where(streams.c.collection_id == collection_id)
    of_videos = select(videos.c.id).where(videos.c.collection_id == collection_id)
    return list(conn.execute(of_streams).scalars()), list(conn.execute(of_videos).scalars())


def delete_collection(conn: Connection, collection_id: str) -> None:
    """Delete a collection, which must be empty."""
    conn.execute(collections.delete().where(collections.c.id == collection_id))


def list_collections(conn: Connection) -> list[CollectionRow]:
    """Return all collections, oldest first."""
    return _COLLECTIONS.all(conn, _COLLECTIONS.select().order_by(collections.c.created_at))


def insert_collection(conn: Connection, **values: object) -> None:
    """Add a collection."""
    conn.execute(collections.insert().values(**values))


def update_collection(conn: Connection, collection_id: str, values: JsonObject) -> CollectionRow:
    """Set columns of a collection. Raises NotFound."""
    get_collection(conn, collection_id)
    if values:
        conn.execute(update(collections).where(collections.c.id == collection_id).values(**values))
    return get_collection(conn, collection_id)


def insert(conn: Connection, collection_id: str, **values: object) -> None:
    """Add a stream. Raises NotFound for an unknown collection."""
    get_collection(conn, collection_id)
    conn.execute(streams.insert().values(collection_id=collection_id, **values))


def get(conn: Connection, stream_id: str) -> StreamRow:
    """Return a stream. Raises NotFound."""
    row = _STREAMS.first(conn, _STREAMS.select().where(streams.c.id == stream_id))
    if row is None:
        raise NotFound(f"There is no stream {stream_id[:80]}. List the streams to see the ids that exist.")
    return row


def delete(conn: Connection, stream_id: str) -> None:
    """Delete a stream with everything that belongs to it."""
    conn.execute(streams.delete().where(streams.c.id == stream_id))


def update_stream(conn: Connection, stream_id: str, **values: object) -> None:
    """Set columns of a stream."""
    conn.execute(update(streams).where(streams.c.id == stream_id).values(**values))


def list_to_run(conn: Connection) -> list[StreamRow]:
    """Return the streams that should be running, oldest first."""
    return _STREAMS.all(conn, _STREAMS.select().where(streams.c.desired == "running").order_by(streams.c.created_at))


def all_streams(conn: Connection) -> list[StreamRow]:
    """Return all streams, oldest first."""
    return _STREAMS.all(conn, _STREAMS.select().order_by(streams.c.created_at, streams.c.id))


def ids_of(conn: Connection, collection_id: str) -> list[str]:
    """Return the ids of the streams of a collection."""
    return list(conn.execute(select(streams.c.id).where(streams.c.collection_id == collection_id)).scalars())


def list_streams(
    conn: Connection,
    part: Slice,
    *,
    status: str | None,
    name: str | None,
    ordering: str,
    collection_id: str | None,
) -> tuple[list[StreamRow], int]:
    """Return a page of streams, and the total number of streams that match.

    Args:
        conn: The connection.
        part: The part of the list to return.
        status: ``connected``, ``stopped`` or ``error``, or None for all.
        name: Part of the name, in upper or lower case.
        ordering: A key of ``ORDERINGS``, with ``-`` in front for descending order.
        collection_id: Id of the collection, or None for all.

    Raises:
        InvalidRequest: The ordering or status is unknown.
    """
    column = ORDERINGS.get(ordering.lstrip("-"))
    if column is None:
        raise InvalidRequest(
            f"Streams cannot be ordered by that field. Use one of {', '.join(ORDERINGS)}, with - for descending."
        )
    where: list[ColumnElement[bool]] = []
    if status is not None:
        where.append(_has_status(status))
    if name:
        pattern = "%" + name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        where.append(streams.c.name.ilike(pattern, escape="\\"))
    if collection_id is not None:
        where.append(streams.c.collection_id == collection_id)
    total = conn.execute(select(func.count()).select_from(streams).where(*where)).scalar_one()
    direction = column.desc() if ordering.startswith("-") else column.asc()
    query = _STREAMS.select().where(*where).order_by(direction, streams.c.id).limit(part.limit).offset(part.offset)
    return _STREAMS.all(conn, query), total


def _has_status(status: str) -> ColumnElement[bool]:
    in_error = streams.c.health["state"].as_string() == "error"
    match status:
        case "stopped":
            return streams.c.desired == "stopped"
        case "error":
            return (streams.c.desired == "running") & in_error
        case "connected":
            return (streams.c.desired == "running") & ~in_error
    raise InvalidRequest("status must be connected, stopped or error.")


def counts(conn: Connection) -> tuple[int, int]:
    """Return the number of streams, and of those that should be running."""
    total = conn.execute(select(func.count()).select_from(streams)).scalar_one()
    running = conn.execute(select(func.count()).select_from(streams).where(streams.c.desired == "running")).scalar_one()
    return total, running
