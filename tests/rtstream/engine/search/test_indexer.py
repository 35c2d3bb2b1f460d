"""Documents get vectors in the background, whatever the model does."""

from __future__ import annotations

import threading

import pytest

from rtstream.store.database import Database
from tests.rtstream.engine.search.documents import (
    EmbeddingsServer,
    add_scenes,
    add_stream,
    found,
    searching,
    settled,
)

pytestmark = pytest.mark.anyio


async def test_a_change_of_model_re_indexes_while_search_goes_on(db: Database, server: EmbeddingsServer) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *(f"dog number {n}" for n in range(100)))
    open_gate = threading.Event()
    server.refuse = lambda texts: 200 if texts != [] and (len(texts) == 1 or open_gate.wait(10)) else 500
    first, second = server.provider("one"), server.provider("two")
    open_gate.set()
    async with searching(db, first) as search:
        await settled(search)
        open_gate.clear()
        await search.use(second)
        during = await search.search("number 7")
        assert during.hits[0].text == "dog number 7"
        assert "100 results (100%)" in during.note
        assert (await search.progress()).without_vector == 100
        open_gate.set()
        await settled(search)
        assert (await search.progress()).model == "test:two"
        assert (await search.search("canine")).note == ""
        await search.use(None)
        assert (await search.search("number 7")).by == "words"
    await second.aclose()


async def test_a_text_the_model_refuses_does_not_keep_others_from_their_vectors(
    db: Database, server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstream.engine.search.service.RETRY_S", 0.01)
    server.refuse = lambda texts: 422 if any("poison" in value for value in texts) else 200
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "a dog", "poison", "a car")
    async with searching(db, server.provider()) as search:
        await settled(search)
        assert (await search.progress()).refused == 1
        assert found(await search.search("canine")) == ["a dog"]
        result = await search.search("poison")
        assert (found(result), result.by) == (["poison"], "words")
        assert "HTTP 422" in result.note
