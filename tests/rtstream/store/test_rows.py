"""Rows become dataclasses with converted states and details."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table

from rtstream.json_types import JsonObject
from rtstream.store.rows import RowReader
from tests.rtstream.store.conftest import in_memory

METADATA = MetaData()
DOORS = Table(
    *("doors", METADATA, Column("id", Integer, primary_key=True), Column("state", String), Column("before", String)),
    *(Column("detail", JSON), Column("unused", String), Column("owner_id", Integer)),
)
OWNERS = Table("owners", METADATA, Column("id", Integer, primary_key=True), Column("name", String))


class Door(StrEnum):
    """A state."""

    OPEN = "open"
    SHUT = "shut"


@dataclass(frozen=True)
class Lock:
    """A detail."""

    turns: int

    @classmethod
    def from_json(cls, stored: JsonObject | None) -> Lock:
        """Restore it."""
        return cls((stored or {}).get("turns", 0))


@dataclass(frozen=True)
class DoorRow:
    """A row with a column of another table."""

    id: int
    state: Door
    before: Door | None
    detail: Lock
    owner: str


READER = RowReader(DoorRow, DOORS, owner=OWNERS.c.name)


def test_states_details_and_columns_of_other_tables_are_read() -> None:
    with in_memory() as conn:
        METADATA.create_all(conn)
        conn.execute(OWNERS.insert().values(id=1, name="Ann"))
        for number, before in ((1, None), (2, "shut")):
            conn.execute(DOORS.insert().values(id=number, state="open", before=before, detail={"turns": 2}, owner_id=1))
        query = READER.select().join(OWNERS, OWNERS.c.id == DOORS.c.owner_id).order_by(DOORS.c.id)
        first, second = READER.all(conn, query)
        assert first == DoorRow(1, Door.OPEN, None, Lock(2), "Ann")
        assert isinstance(first.state, Door)
        assert isinstance(second.before, Door)
        assert READER.first(conn, query.where(DOORS.c.id == 9)) is None
        conn.execute(DOORS.update().values(state="ajar"))
        with pytest.raises(ValueError, match="ajar"):
            READER.all(conn, query)
