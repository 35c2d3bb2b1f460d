"""Entries of the journal are numbered in the order in which they are written."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from rtstream.store import journal
from rtstream.store.journal import Entry
from rtstream.store.tables import journal as table
from rtstream.store.tables import metadata
from tests.rtstream.store.conftest import in_memory


@pytest.mark.parametrize("count", [0, 1, 2, 700])
def test_entries_written_together_are_numbered_in_their_order(count: int) -> None:
    with in_memory() as conn:
        metadata.create_all(conn)
        first = journal.append(conn, Entry("alert", {"number": -1}))
        seqs = journal.append_all(conn, [Entry("alert", {"number": number}) for number in range(count)])
        assert seqs == list(range(first + 1, first + 1 + count))
        stored = conn.execute(select(table.c.data).order_by(table.c.seq)).scalars()
        assert [data["number"] for data in stored] == list(range(-1, count))
