"""Search over stored results: found soon, safe for any query, gone with its stream."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, text

from rtstream.errors import InvalidRequest, NotFound
from rtstream.perception.protocols import TextLine
from rtstream.rules.screen_changes import ScreenChanges
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.tables import scenes
from tests.rtstream.engine.search.documents import (
    EmbeddingsServer,
    add_alert,
    add_scenes,
    add_stream,
    add_transcript,
    found,
    searching,
    settled,
)
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


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
    assert "Install the extra `local`" in result.note


async def test_every_kind_is_found_with_what_leads_to_it(db: Database) -> None:
    await db.write(add_stream, "rts-1", "idx-1", "idx-audio")
    seen = partial(add_scenes, model="openai:x", data={"people": 1}, detail={"frame_times": [1000.5, 1001.5]})
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
    assert hits["visual"].metadata == {"model": "openai:x", "data": {"people": 1}, "seen": 1001.5}
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


async def test_case_width_and_ligatures_make_no_difference_to_a_search(db: Database) -> None:
    words = {
        "İzmir": "izmir",
        "Straße": "STRASSE",
        "ﬁnance": "finance",
        "ＡＢＣ": "abc",
        "ガス": "ｶﾞｽ",
        "हिन्दी": "हिन्दी",
    }
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *(f"{word} port" for word in words))
    async with searching(db) as search:
        await settled(search)
        for written, asked in words.items():
            for query in (written, asked, f'"{asked} PORT"', f"{asked[:2]}*"):
                by_word = await search.search(query, filter={"field": "text", "op": "contains", "value": asked})
                assert found(by_word) == [f"{written} port"], query
        assert found(await search.search('"हन्दी"')) == []
        await db.write(lambda conn: conn.execute(scenes.delete()))
        await settled(search)
        # Any word that a removal left behind.
        left = "SELECT rowid FROM search_words WHERE search_words MATCH 'port OR izmir OR strasse OR finance OR abc'"
        await eventually(lambda: _no_rows(db, left))


async def _no_rows(db: Database, sql: str) -> bool:
    return not await db.read(lambda conn: conn.execute(text(sql)).all())


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
            await search.caught_up()
        hits = (await search.search("report")).hits
        assert {(hit.start, hit.end) for hit in hits} == {(1000.0, 2404.0), (9000.0, 9002.0)}
        assert len((await search.search("report", start=2000.0, end=2100.0)).hits) == 1


async def test_a_page_from_which_a_word_has_vanished_is_not_found_by_it(db: Database) -> None:
    from rtstream.perception.vision.observer import describe

    pages = [["Invoice 4711", "Amount due: EUR 1,284.50"], ["Calendar", "09:30 Stand-up"]]
    lines = [[TextLine(one, 0.9, (0.1, 0.1 * n, 0.5, 0.1 * n + 0.05)) for n, one in enumerate(page)] for page in pages]
    shown = ScreenChanges(text_read=True, appeared=pages[0], disappeared=pages[1])
    texts = [describe(page, change) for page, change in zip(lines, (shown, shown), strict=True)]
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *texts)
    async with searching(db) as search:
        await settled(search)
        assert found(await search.search("invoice")) == ["Invoice 4711\nAmount due: EUR 1,284.50"]
        assert found(await search.search("stand-up calendar")) == ["Calendar\n09:30 Stand-up"]


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
        await eventually(search.progress, lambda progress: progress.documents == 4)

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
            await search.caught_up()
        assert found(await search.search("dog")) == ["a new dog"]


async def test_after_a_restart_nothing_is_lost_and_nothing_is_there_twice(
    db: Database, server: EmbeddingsServer
) -> None:
    await db.write(add_stream, "rts-1", "idx-1")
    await db.write(add_scenes, "rts-1", "idx-1", *(f"dog number {n}" for n in range(700)))
    async with searching(db, server.provider()):
        documents = lambda conn: conn.execute(text("SELECT count(*) FROM search_docs")).scalar_one()  # noqa: E731
        await eventually(lambda: db.read(documents), every_s=0.001)
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
