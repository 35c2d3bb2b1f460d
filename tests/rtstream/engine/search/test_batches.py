"""Search by meaning: models that change, refuse and hang, and many concurrent searches."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import anyio
import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.search.batches import EMBED_TIMEOUT_S, THREADS
from rtstream.errors import InvalidRequest, NotFound
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


async def test_meaning_finds_what_words_do_not(db: Database, server: EmbeddingsServer) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "the dog barks", "rain on the window", "two people talk")
    async with searching(db, server.provider()) as search:
        await settled(search)
        result = await search.search("canine")
        assert (found(result), result.by, result.note) == (["the dog barks"], "words and meaning", "")
        assert found(await search.search("canine", kinds=["transcript"])) == []
        nothing = await search.search("submarine volcano")
        assert nothing.hits == []
        everything = await search.search("submarine volcano", score_threshold=0.0)
        assert "All matches are weak" in everything.note


async def test_many_searches_at_once_all_get_their_answer(db: Database, server: EmbeddingsServer) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *(f"dog number {n}" for n in range(50)))
    answers: dict[int, str] = {}
    async with searching(db, server.provider()) as search:
        await settled(search)

        async def ask(number: int) -> None:
            answers[number] = (await search.search(f'"number {number}"')).hits[0].text

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(ask, number)
    assert answers == {number: f"dog number {number}" for number in range(40)}


async def test_a_search_that_fails_takes_nothing_from_those_asked_with_it(
    db: Database, server: EmbeddingsServer
) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "a dog", "a car")
    server.refuse = lambda texts: 422 if any("poison" in value for value in texts) else 200
    by: dict[str, str] = {}
    async with searching(db, server.provider()) as search:
        await settled(search)

        async def ask(query: str) -> None:
            by[query] = (await search.search(query)).by

        async def ask_wrongly() -> None:
            with pytest.raises(NotFound):
                await search.search("car", streams=["rts-none"])

        async with anyio.create_task_group() as tasks:
            for query in ("canine", "poison", "dog", "no poison", "vehicle"):
                tasks.start_soon(ask, query)
                tasks.start_soon(ask_wrongly)
    assert {query for query, how in by.items() if how == "words"} == {"poison", "no poison"}
    assert {query for query, how in by.items() if how == "words and meaning"} == {"canine", "dog", "vehicle"}


async def test_a_model_that_does_not_answer_holds_up_no_search_by_words(db: Database, server: EmbeddingsServer) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "a dog", "a car")
    asked, open_gate = anyio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def wait(texts: list[str]) -> int:
        loop.call_soon_threadsafe(asked.set)
        return 200 if open_gate.wait(10) else 500

    open_gate.set()
    results: list[str] = []
    async with searching(db, server.provider()) as search:
        await settled(search)
        server.refuse = wait
        open_gate.clear()

        async def ask(query: str) -> None:
            results.append((await search.search(query)).by)

        async with anyio.create_task_group() as tasks:
            for number in range(THREADS + 2):
                tasks.start_soon(ask, f"canine {number}")
            with anyio.fail_after(EMBED_TIMEOUT_S / 2):
                await asked.wait()
                assert found(await search.search("car", by_words=True)) == ["a car"]
            assert results == []
            open_gate.set()
    assert results == ["words and meaning"] * (THREADS + 2)


async def test_the_engine_searches_with_the_model_of_its_settings(tmp_path: Path, server: EmbeddingsServer) -> None:
    config = EngineConfig(data_dir=tmp_path, embedding_model="ollama:one", embedding_base_url=server.url)
    async with Engine(config) as engine:
        await engine.db.write(add_stream, "rts-1", "idx-1")
        await engine.db.write(add_scenes, "rts-1", "idx-1", "a dog on the lawn", "a car in the yard")
        with anyio.fail_after(10):
            await engine.search.caught_up(by_meaning=True)
        state = (await engine.info()).search
        assert (state.model, state.documents, state.without_vector) == ("ollama:one", 2, 0)
        result = await engine.search.search("canine")
        assert (found(result)[0], result.by) == ("a dog on the lawn", "words and meaning")
    async with Engine(EngineConfig(data_dir=tmp_path, embedding_model="none")) as engine:
        result = await engine.search.search("dog")
        assert (result.by, result.note) == ("words", "By words only.")
        assert (await engine.info()).search.model == ""


async def test_an_embeddings_model_nobody_can_serve_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_EMBEDDING_MODEL"):
        async with Engine(EngineConfig(data_dir=tmp_path, embedding_model="anthropic:some-model")):
            pytest.fail("it started")
