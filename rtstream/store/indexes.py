"""Queries on scene indexes and scenes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from rtstream.errors import NotFound
from rtstream.json_types import JsonObject
from rtstream.models import Page
from rtstream.rules.scene_detail import SceneDetail
from rtstream.states import AnalysisState, ExtractionType, SceneStatus
from rtstream.store.rows import RowReader
from rtstream.store.tables import scene_indexes, scenes


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A stored index."""

    id: str
    stream_id: str
    name: str | None
    extraction_type: ExtractionType
    extraction_config: JsonObject
    prompt: str | None
    model_name: str | None
    model_config: JsonObject
    status: AnalysisState
    status_reason: str
    counters: dict[str, int]
    created_at: float
    looked_from: float | None


@dataclass(frozen=True, slots=True)
class SceneRow:
    """A stored scene."""

    id: int
    index_id: str
    stream_id: str
    start: float
    end: float
    text: str
    status: SceneStatus
    model: str
    data: JsonObject | None
    detail: SceneDetail
    created_at: float


LONGEST_WINDOW_S = 600.0
"""Longest window of a visual index in seconds."""

_INDEXES = RowReader(IndexRow, scene_indexes)
SCENES = RowReader(SceneRow, scenes)
"""Reads scenes, also in queries of other modules of the store."""


def insert(conn: Connection, **values: object) -> None:
    """Add an index."""
    conn.execute(scene_indexes.insert().values(**values))


def get(conn: Connection, index_id: str, stream_id: str | None = None) -> IndexRow:
    """Return an index, which must be on the stream ``stream_id`` if that is given. Raises NotFound."""
    query = _INDEXES.select().where(scene_indexes.c.id == index_id)
    if stream_id is not None:
        query = query.where(scene_indexes.c.stream_id == stream_id)
    row = _INDEXES.first(conn, query)
    if row is None:
        where = f" on stream {stream_id[:80]}" if stream_id is not None else ""
        raise NotFound(
            f"There is no scene index {index_id[:80]}{where}. List the stream's scene indexes to see their ids."
        )
    return row


def find_same(conn: Connection, stream_id: str, values: JsonObject) -> IndexRow | None:
    """Return the newest index of a stream with the same properties, or None. Without a name, any name counts."""
    properties = ("extraction_type", "extraction_config", "prompt", "model_name", "model_config")
    for row in reversed(of_stream(conn, stream_id)):
        same = all(getattr(row, name) == values[name] for name in properties)
        if same and values["name"] in (None, row.name):
            return row
    return None


def extraction_type(conn: Connection, index_id: str) -> ExtractionType | None:
    """Return the source of an index, or None if there is no such index."""
    found = conn.execute(select(scene_indexes.c.extraction_type).where(scene_indexes.c.id == index_id)).scalar()
    return None if found is None else ExtractionType(found)


def of_stream(conn: Connection, stream_id: str) -> list[IndexRow]:
    """Return the indexes of a stream, oldest first."""
    query = _INDEXES.select().where(scene_indexes.c.stream_id == stream_id)
    return _INDEXES.all(conn, query.order_by(scene_indexes.c.created_at, scene_indexes.c.id))


def update_index(conn: Connection, index_id: str, **values: object) -> None:
    """Set columns of an index."""
    conn.execute(update(scene_indexes).where(scene_indexes.c.id == index_id).values(**values))


def delete_index(conn: Connection, index_id: str) -> None:
    """Delete an index with everything that belongs to it."""
    conn.execute(scene_indexes.delete().where(scene_indexes.c.id == index_id))


def count(conn: Connection, index_id: str, **add: float) -> None:
    """Add to an index's counters."""
    counters = dict(conn.execute(select(scene_indexes.c.counters).where(scene_indexes.c.id == index_id)).scalar() or {})
    for key, amount in add.items():
        counters[key] = counters.get(key, 0) + amount
    update_index(conn, index_id, counters=counters)


def add_scene(conn: Connection, **values: object) -> int:
    """Store a scene. Returns its id, which is larger than all earlier ones."""
    return int(conn.execute(scenes.insert().values(**values)).inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]


def scene_page(
    conn: Connection, index_id: str, start: float | None, end: float | None, page: Page
) -> tuple[list[SceneRow], bool]:
    """Return a page of scenes that overlap [start, end], newest first, and whether more pages follow."""
    query = SCENES.select().where(scenes.c.index_id == index_id)
    if start is not None:
        query = query.where(scenes.c.end > start)
    if end is not None:
        query = query.where(scenes.c.start < end)
    query = query.order_by(scenes.c.start.desc(), scenes.c.id.desc()).offset(page.offset).limit(page.page_size + 1)
    rows = SCENES.all(conn, query)
    return rows[: page.page_size], len(rows) > page.page_size


def scenes_between(conn: Connection, index_id: str, start: float, end: float, limit: int) -> list[SceneRow]:
    """Return the described scenes of an index that overlap [start, end] (Unix seconds), oldest first."""
    query = SCENES.select().where(scenes.c.index_id == index_id, scenes.c.end > start, scenes.c.start < end)
    query = query.where(scenes.c.status == SceneStatus.OK)
    return SCENES.all(conn, query.order_by(scenes.c.start, scenes.c.id).limit(limit))


def newest_between(conn: Connection, stream_id: str, start: float, end: float, limit: int) -> list[SceneRow]:
    """Return the newest scenes of a stream that begin before ``end`` and end after ``start``, newest first."""
    query = SCENES.select().where(
        scenes.c.stream_id == stream_id,
        scenes.c.start < end,
        scenes.c.start > start - LONGEST_WINDOW_S,
        scenes.c.end > start,
        scenes.c.status == SceneStatus.OK,
    )
    return SCENES.all(conn, query.order_by(scenes.c.start.desc()).limit(limit))


def scenes_after(conn: Connection, index_id: str, scene_id: int, limit: int) -> list[SceneRow]:
    """Return the live scenes of an index stored after ``scene_id``, in the order in which they were stored."""
    query = SCENES.select().where(scenes.c.index_id == index_id, scenes.c.id > scene_id, scenes.c.gap_id.is_(None))
    return SCENES.all(conn, query.order_by(scenes.c.id).limit(limit))


def more_scenes_than(conn: Connection, index_id: str, scene_id: int, number: int) -> bool:
    """Return whether more than ``number`` live scenes of an index were stored after ``scene_id``."""
    query = select(scenes.c.id).where(scenes.c.index_id == index_id, scenes.c.id > scene_id, scenes.c.gap_id.is_(None))
    return conn.execute(query.offset(number).limit(1)).first() is not None


def last_scene_id(conn: Connection, index_id: str) -> int:
    """Return the id of the newest scene of an index, or 0 if it has none."""
    return conn.execute(select(func.max(scenes.c.id)).where(scenes.c.index_id == index_id)).scalar() or 0
