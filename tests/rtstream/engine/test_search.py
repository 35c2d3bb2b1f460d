"""Search over stored results: found soon, by words and meaning, safe for any query, gone with its stream."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from sqlalchemy import Connection, text

from rtstream.config import EngineConfig
from rtstream.engine import ranking
from rtstream.engine.engine import Engine
from rtstream.engine.journal import Journal
from rtstream.engine.search import Search, SearchResult
from rtstream.engine.search_batches import AT_ONCE, EMBED_TIMEOUT_S
from rtstream.errors import InvalidRequest, NotFound
from rtstream.perception.embeddings import ServerEmbeddings
from rtstream.store import alerts as alert_rows
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.tables import decisions, scenes, transcript_segments

pytestmark = pytest.mark.anyio

SYNONYMS = {
    "canine": "dog",
    "hound": "dog",
    "automobile": "car",
    "vehicle": "car",
    "money": "budget",
    "costs": "budget",
}


class EmbeddingsServer:
    """Speaks the OpenAI embeddings call: a text is the sum of its words, synonyms are one word."""

    def __init__(self) -> None:
        self.refuse: Callable[[list[str]], int] = lambda texts: 200
        self.texts: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = server.refuse(body["input"])
                server.texts += body["input"] if status == 200 else []
                data = [
                    {"index": n, "embedding": server.vector(value, body["model"])}
                    for n, value in enumerate(body["input"])
                ]
                answer = json.dumps({"data": data[::-1]}).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    @staticmethod
    def vector(value: str, model: str) -> list[float]:
        total = np.full(256, 1e-3)
        for word in re.findall(r"\w+", value.lower()):
            seed = zlib.crc32(f"{model} {SYNONYMS.get(word, word)}".encode())
            total += np.random.default_rng(seed).standard_normal(256)
        return total.tolist()

    def provider(self, model: str = "one") -> ServerEmbeddings:
        return ServerEmbeddings(f"test:{model}", model, self.url)

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    server = EmbeddingsServer()
    yield server
    server.close()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)
    await db.write(stream_rows.ensure_default_collection, 0.0)
    yield db
    await db.aclose()


def add_stream(conn: Connection, stream_id: str, *indexes: str) -> None:
    stream_rows.insert(
        conn,
        id=stream_id,
        name=f"name of {stream_id}",
        url="rtsp://x",
        collection_id="default",
        created_at=0.0,
        media_types=["video"],
        sample_rate=30,
        store=False,
        enable_transcript=False,
        desired="stopped",
        health={},
    )
    for index_id in indexes:
        index_rows.insert(
            conn,
            id=index_id,
            stream_id=stream_id,
            name=f"name of {index_id}",
            extraction_type="transcript" if "audio" in index_id else "time",
            extraction_config={},
            model_config={},
            status="stopped",
            counters={},
            created_at=0.0,
        )


def add_scenes(
    conn: Connection, stream_id: str, index_id: str, *texts: str, start: float = 1000.0, **more: Any
) -> None:
    values = {"status": "ok", "model": "local", "data": None, "detail": {}, "created_at": 0.0, **more}
    for number, value in enumerate(texts):
        at = start + number * 2
        index_rows.add_scene(conn, stream_id=stream_id, index_id=index_id, start=at, end=at + 2, text=value, **values)


def add_transcript(conn: Connection, stream_id: str, value: str, start: float, kind: str = "speech") -> None:
    conn.execute(
        transcript_segments.insert().values(
            stream_id=stream_id,
            engine="local",
            start=start,
            end=start + 3,
            text=value,
            kind=kind,
            detail={},
            created_at=0.0,
        )
    )


def add_alert(conn: Connection, index_id: str) -> int:
    scene = index_rows.last_scene_id(conn, index_id)
    alert_rows.insert_event(conn, id="event-1", prompt="p", label="parcel-seen", created_at=0.0)
    alert_rows.insert_alert(
        conn,
        id="alert-1",
        index_id=index_id,
        event_id="event-1",
        status="enabled",
        options={},
        state={},
        created_at=0.0,
    )
    seq = journal_rows.append(conn, Entry("alert", {}))
    decision = {"alert_id": "alert-1", "scene_id": scene, "at": 7000.0}
    for more in (
        {"outcome": "no_match", "explanation": "no courier here"},
        {"outcome": "fired", "explanation": "a courier rang the bell", "seq": seq},
        {"outcome": "fired", "explanation": "a silence, without a scene", "seq": seq + 1, "scene_id": 0},
    ):
        conn.execute(decisions.insert().values(**decision | more))
    return seq


@asynccontextmanager
async def searching(db: Database, provider: ServerEmbeddings | None = None) -> AsyncIterator[Search]:
    search = Search(db, Journal(db), provider)
    try:
        async with anyio.create_task_group() as tasks:
            search.start(tasks)
            yield search
            tasks.cancel_scope.cancel()
    finally:
        if provider is not None:
            await provider.aclose()


async def settled(search: Search) -> None:
    """Everything stored is searchable, with its vector if there is a model."""
    with anyio.fail_after(10):
        while True:
            progress = await search.progress()
            if progress.documents and not progress.unread and not progress.without_vector:
                return
            await anyio.sleep(0.02)


def found(result: SearchResult) -> list[str]:
    return [hit.text for hit in result.hits]


async def test_what_is_written_is_found_within_a_second(db: Database) -> None:
    async with searching(db) as search:
        assert (await search.search("parcel")).hits == []
        await db.write(add_stream, "rts-1", "idx-1")
        await db.write(add_scenes, "rts-1", "idx-1", "A courier puts a parcel on the step.")
        with anyio.fail_after(1):
            await search.caught_up()
        result = await search.search("parcels")
    [hit] = result.hits
    assert (hit.stream_id, hit.stream_name, hit.index_id, hit.index_name) == (
        "rts-1",
        "name of rts-1",
        "idx-1",
        "name of idx-1",
    )
    assert (hit.kind, hit.start, hit.end, hit.score) == ("visual", 1000.0, 1002.0, 1.0)
    assert result.by == "words"
    assert "install-embeddings" in result.note


async def test_every_kind_is_found_with_what_leads_to_it(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1", "idx-audio")
    seen = partial(add_scenes, model="openai:x", data={"people": 1})
    await db.write(seen, "rts-1", "idx-1", "courier on the screen")
    await db.write(partial(add_scenes, start=2000.0), "rts-1", "idx-audio", "someone talks of the courier")
    await db.write(add_transcript, "rts-1", "the courier is late", 3000.0)
    await db.write(add_transcript, "rts-1", "courier that nobody said", 3100.0, "gap")
    await db.write(partial(add_scenes, status="failed"), "rts-1", "idx-1", "courier of a failed scene")
    seq = await db.write(add_alert, "idx-1")
    async with searching(db) as search:
        await settled(search)
        hits = {hit.kind: hit for hit in (await search.search("courier")).hits}
        only = await search.search("courier", kinds=["transcript", "alert"])
        without_scene = await search.search("silence")
    assert set(hits) == {"visual", "audio", "transcript", "alert"}
    assert hits["visual"].metadata == {"model": "openai:x", "data": {"people": 1}}
    assert hits["transcript"].metadata == {"engine": "local"}
    assert hits["transcript"].index_id == ""
    assert hits["alert"].metadata == {"alert_id": "alert-1", "label": "parcel-seen"}
    assert hits["alert"].text == "parcel-seen: a courier rang the bell"
    assert (hits["alert"].ref, hits["alert"].start) == (seq, 1000.0)
    assert [(hit.ref, hit.start) for hit in without_scene.hits] == [(seq + 1, 7000.0)]
    assert {hit.kind for hit in only.hits} == {"transcript", "alert"}


async def test_words_are_stemmed_and_phrases_prefixes_and_identifiers_hold(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(
        add_scenes,
        "rts-1",
        "idx-1",
        "They were discussing budgets",
        "Invoice INV-4711 of Müller",
        "Invoice 4711 INV of Smith",
        "the red car stops",
        "the car is red",
    )
    async with searching(db) as search:
        await settled(search)
        assert found(await search.search("budget discussion")) == ["They were discussing budgets"]
        assert found(await search.search("muller")) == ["Invoice INV-4711 of Müller"]
        assert found(await search.search("INV-4711")) == ["Invoice INV-4711 of Müller"]
        assert found(await search.search('"red car"')) == ["the red car stops"]
        assert set(found(await search.search("red car"))) == {"the red car stops", "the car is red"}
        assert found(await search.search("budg*")) == ["They were discussing budgets"]
        assert found(await search.search("budg")) == []


async def test_any_query_gets_hits_or_a_sentence(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "nothing OR NEAR everything AND 日本語")
    async with searching(db) as search:
        await settled(search)
        for query in (
            '") OR 1=1 --',
            "a AND NOT b",
            "NEAR(a b, 2)",
            "text: x",
            "*",
            "^x",
            "x" * 10_000,
            "w \x00 \ud800 " * 900,
        ):
            try:
                await search.search(query)
            except InvalidRequest as exc:
                assert "no word or number" in str(exc)  # noqa: PT017 - both are fine
        assert len((await search.search("日本語")).hits) == 1
        for query in ("", " \n", "🎥🎥", '""'):
            with pytest.raises(InvalidRequest, match="no word or number"):
                await search.search(query)


async def test_filters_restrict_before_ranking(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1", "idx-2")
    await db.write(add_stream, "rts-2", "idx-3")
    for number, (stream, index) in enumerate([("rts-1", "idx-1"), ("rts-1", "idx-2"), ("rts-2", "idx-3")]):
        await db.write(
            lambda conn, n=number, s=stream, i=index: add_scenes(
                conn, s, i, f"a dog {n}", start=1000.0 * (n + 1), data={"n": n}
            )
        )
    async with searching(db) as search:
        await settled(search)

        async def starts(**filters: Any) -> set[float]:
            return {hit.start for hit in (await search.search("dog", **filters)).hits}

        assert await starts() == {1000, 2000, 3000}
        assert await starts(streams=["rts-1"]) == {1000, 2000}
        assert await starts(streams=[]) == set()
        assert await starts(indexes=["idx-3", "idx-2"]) == {2000, 3000}
        assert await starts(streams=["rts-1"], indexes=["idx-3"]) == set()
        assert await starts(start=1002, end=2000) == {1000, 2000}
        assert await starts(start=1500, end=2500) == {2000}
        assert await starts(filter=[{"field": "n", "op": "in", "value": [0, 2]}]) == {1000, 3000}
        assert await starts(filter=[{"field": "stream_id", "op": "!=", "value": "rts-2"}]) == {1000, 2000}
        assert len((await search.search("dog", limit=2)).hits) == 2
        with pytest.raises(NotFound, match="no stream"):
            await search.search("dog", streams=["rts-9"])
        with pytest.raises(NotFound, match="no scene index"):
            await search.search("dog", indexes=["idx-9"])
        for wrong in (
            {"limit": 0},
            {"start": 2.0, "end": 1.0},
            {"start": float("nan")},
            {"kinds": ["smell"]},
            {"dynamic_score_percentage": 101},
            {"filter": ["x"]},
        ):
            with pytest.raises(InvalidRequest):
                await search.search("dog", **wrong)  # pyright: ignore[reportArgumentType]


async def test_score_limits_leave_out_the_lower_hits(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "red car", "red house", "blue house", "grey car")
    async with searching(db) as search:
        await settled(search)
        everything = await search.search("red car")
        assert [hit.score for hit in everything.hits] == [1.0, 0.5, 0.5]
        assert found(await search.search("red car", score_threshold=0.6)) == ["red car"]
        assert found(await search.search("red car", dynamic_score_percentage=20)) == ["red car"]
        assert len((await search.search("red car", dynamic_score_percentage=100)).hits) == 3


async def test_an_unchanged_screen_is_one_document_and_one_hit(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *["Quarterly report open"] * 700)
    async with searching(db) as search:
        await settled(search)
        assert (await search.progress()).documents == 1
        # Later the same again: another document, and after a long pause another hit.
        await db.write(lambda conn: add_scenes(conn, "rts-1", "idx-1", "Quarterly report open", start=2402.0))
        await db.write(lambda conn: add_scenes(conn, "rts-1", "idx-1", "Quarterly report open", start=9000.0))
        with anyio.fail_after(5):
            while (await search.progress()).unread:
                await anyio.sleep(0.02)
        hits = (await search.search("report")).hits
        assert {(hit.start, hit.end) for hit in hits} == {(1000.0, 2404.0), (9000.0, 9002.0)}
        assert len((await search.search("report", start=2000.0, end=2100.0)).hits) == 1


async def test_a_deleted_stream_is_gone_from_search_at_once_and_leaves_nothing_behind(
    db: Database, server: EmbeddingsServer
) -> None:
    for stream, index in (("rts-1", "idx-1"), ("rts-2", "idx-2")):
        await db.write(add_stream, stream, index)
        await db.write(add_scenes, stream, index, "a dog runs", "a dog sleeps", "a cat sits")
        await db.write(add_transcript, stream, "the dog barks", 5000.0)
    await db.write(add_alert, "idx-1")
    async with searching(db, server.provider()) as search:
        await settled(search)
        await db.write(stream_rows.delete, "rts-1")
        result = await search.search("dog courier")
        assert {hit.stream_id for hit in result.hits} == {"rts-2"}
        with anyio.fail_after(5):
            while (await search.progress()).documents != 4:
                await anyio.sleep(0.02)

    def left(conn: Connection) -> list[Any]:
        counts = [
            conn.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in ("search_docs", "search_vectors", "search_places", "search_removed")
        ]
        words = conn.execute(text("SELECT rowid FROM search_words WHERE search_words MATCH 'dog OR courier'")).all()
        return [*counts, len(words)]

    assert await db.read(left) == [4, 4, 2, 0, 3]


async def test_scenes_that_get_the_numbers_of_deleted_ones_are_found(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", "an old dog", "an old cat")
    async with searching(db) as search:
        await settled(search)
        await db.write(stream_rows.delete, "rts-1")
        await db.write(add_stream, "rts-2", "idx-2")
        await db.write(add_scenes, "rts-2", "idx-2", "a new dog")
        assert await db.read(lambda conn: conn.execute(scenes.select()).one().id) == 1
        with anyio.fail_after(5):
            while found(await search.search("dog")) != ["a new dog"]:
                await anyio.sleep(0.02)


async def test_after_a_restart_nothing_is_lost_and_nothing_is_there_twice(
    db: Database, server: EmbeddingsServer
) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *(f"dog number {n}" for n in range(700)))
    async with searching(db, server.provider()):
        with anyio.fail_after(10):
            while not await db.read(lambda conn: conn.execute(text("SELECT count(*) FROM search_docs")).scalar_one()):
                await anyio.sleep(0.001)
    server.texts.clear()
    await db.write(lambda conn: add_scenes(conn, "rts-1", "idx-1", "dog of the pause", start=9000.0))
    async with searching(db, server.provider()) as search:
        await settled(search)
        assert (await search.progress()).documents == 701
    embedded = len(server.texts)
    async with searching(db, server.provider()) as search:
        await settled(search)
        assert (await search.progress()).documents == 701
        assert found(await search.search("pause")) == ["dog of the pause"]
        assert server.texts[embedded:] == ["pause"]  # vectors were kept; only the query is new


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
        assert "Only weak matches" in everything.note


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
    monkeypatch.setattr("rtstream.engine.search.RETRY_S", 0.01)
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
            for number in range(AT_ONCE + 2):
                tasks.start_soon(ask, f"canine {number}")
            with anyio.fail_after(EMBED_TIMEOUT_S / 2):
                await asked.wait()
                assert found(await search.search("car", by_words=True)) == ["a car"]
            assert results == []
            open_gate.set()
    assert results == ["words and meaning"] * (AT_ONCE + 2)


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
