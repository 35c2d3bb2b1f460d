"""Collections of streams and videos."""

from __future__ import annotations

import pytest

from rtstream.engine.collections import Collections
from rtstream.errors import InvalidRequest, NotFound
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio


async def test_a_collection_is_created_with_bounded_texts_and_changed(db: Database) -> None:
    collections = Collections(db)
    made = await collections.create("  Home " + "x" * 300, "d" * 3000, False)
    assert (made.name[:6], len(made.name), len(made.description or "")) == ("Home x", 200, 2000)
    changed = await collections.update(made.id, name="House", is_public=True)
    assert (changed.name, changed.is_public, changed.description) == ("House", True, made.description)
    assert [one.id for one in await collections.list()] == ["default", made.id]


async def test_an_empty_name_and_an_unknown_id_are_refused(db: Database) -> None:
    collections = Collections(db)
    with pytest.raises(InvalidRequest, match="empty"):
        await collections.create("  ", "", False)
    for call in (collections.get("c-9"), collections.update("c-9", name="x")):
        with pytest.raises(NotFound):
            await call
