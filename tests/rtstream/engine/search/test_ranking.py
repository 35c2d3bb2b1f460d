"""Hits are ranked over old and new documents alike."""

from __future__ import annotations

import pytest

from rtstream.engine.search import ranking
from rtstream.store.database import Database
from tests.rtstream.engine.search.documents import (
    EmbeddingsServer,
    add_scenes,
    add_stream,
    searching,
    settled,
)

pytestmark = pytest.mark.anyio


async def test_common_words_count_in_old_documents_as_in_new_ones(
    db: Database, server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "POSTINGS", 20)
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "meeting about zebras", *(f"meeting {n}" for n in range(100)))
    async with searching(db, server.provider()) as search:
        await settled(search)
        [hit, *_] = (await search.search("zebra meeting")).hits
        assert hit.text == "meeting about zebras"
        words = await search.search("zebra meeting", score_threshold=0.0)
        assert words.hits[0].score == hit.score
    async with searching(db) as search:
        await settled(search)
        assert (await search.search("zebra meeting")).hits[0].score == 1.0


async def test_an_old_document_that_holds_all_common_words_comes_before_new_ones_that_hold_one(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "POSTINGS", 20)
    await db.write(add_stream, "rts-1", "idx-1")
    later = [f"{word} {n}" for n in range(50) for word in ("meeting", "budget")]
    await db.write(add_scenes, "rts-1", "idx-1", "meeting with budget", *later)
    async with searching(db) as search:
        await settled(search)
        result = await search.search("meeting budget")
        assert (result.hits[0].text, result.hits[0].score) == ("meeting with budget", 1.0)
        assert result.hits[1].score < 1.0
        three = await search.search("meeting budget zebra")
        assert (three.hits[0].text, three.hits[0].score < 0.9) == ("meeting with budget", True)
