"""Queries on collections and streams."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import Slice
from rtstream.store import streams
from tests.rtstream.store.conftest import STREAM


def add(conn: Connection, name: str, at: float, **values: object) -> None:
    streams.insert(conn, **{**STREAM, "id": f"rts-{name}", "name": name, "created_at": at, **values})


def listed(conn: Connection, **options: str | None) -> list[str]:
    given = {"status": None, "name": None, "ordering": "created_at", "collection_id": None} | options
    rows, total = streams.list_streams(conn, Slice(limit=2), **given)  # pyright: ignore[reportArgumentType]
    assert total >= len(rows)
    return [row.name for row in rows]


def test_streams_are_listed_by_state_name_and_order(conn: Connection) -> None:
    streams.delete(conn, "rts-1")
    add(conn, "Front 100%", 1.0, desired="running", health={"state": "connected"})
    add(conn, "Back_door", 2.0, desired="running", health={"state": "error"})
    add(conn, "Yard", 3.0)
    assert listed(conn) == ["Front 100%", "Back_door"]
    assert listed(conn, ordering="-name") == ["Yard", "Front 100%"]
    assert [listed(conn, status=status) for status in ("connected", "error", "stopped")] == [
        ["Front 100%"],
        ["Back_door"],
        ["Yard"],
    ]
    assert (listed(conn, name="%"), listed(conn, name="_"), listed(conn, name="DOOR")) == (
        ["Front 100%"],
        ["Back_door"],
        ["Back_door"],
    )
    assert streams.counts(conn) == (3, 2)
    assert [row.name for row in streams.list_to_run(conn)] == ["Front 100%", "Back_door"]
    with pytest.raises(InvalidRequest, match="created_at, name"):
        listed(conn, ordering="url")
    with pytest.raises(InvalidRequest, match="status"):
        listed(conn, status="lost")


def test_a_stream_belongs_to_a_collection_that_exists(conn: Connection) -> None:
    with pytest.raises(NotFound, match="c-9"):
        add(conn, "Lost", 1.0, collection_id="c-9")
    streams.insert_collection(conn, id="c-1", name="Home", description="", is_public=False, created_at=5.0)
    add(conn, "Door", 6.0, collection_id="c-1")
    assert streams.ids_of(conn, "c-1") == ["rts-Door"]
    assert streams.update_collection(conn, "c-1", {"name": "House"}).name == "House"
    assert [row.id for row in streams.list_collections(conn)] == ["default", "c-1"]


def test_a_deleted_stream_takes_its_indexes_with_it(conn: Connection) -> None:
    streams.delete(conn, "rts-1")
    with pytest.raises(NotFound):
        streams.get(conn, "rts-1")
    assert conn.exec_driver_sql("SELECT count(*) FROM scene_indexes").scalar_one() == 0
