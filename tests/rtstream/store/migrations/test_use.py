"""An engine that starts on the database of an older schema can use all that is stored there."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import Slice
from rtstream.store.journal import Entry, append
from tests.rtstream.store.migrations.databases import OLDER, UNRECORDED, older, opened_by

pytestmark = pytest.mark.anyio

KEY = "sk-key-of-the-migration-tests"
Call = Callable[..., Any]
LEFT_WORDS = "SELECT rowid FROM search_words WHERE search_words MATCH 'strasse OR izmir OR shipment'"
ENGINE = {"api_key": KEY, "local_vision": False, "embedding_model": "none"}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Engine, Call]]:
    """An engine on a data folder, and its API as ``call(method, path, **options)``."""
    async with Engine(EngineConfig(data_dir=folder, **ENGINE)) as engine:  # pyright: ignore[reportArgumentType]
        transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
        headers = {"x-access-token": KEY}
        async with httpx.AsyncClient(transport=transport, base_url=engine.base_url, headers=headers) as client:

            async def call(method: str, path: str, **options: Any) -> Any:
                response = await client.request(method, path, **options)
                assert response.status_code == 200, response.text
                return response.json()["data"] if "json" in response.headers["content-type"] else response.text

            await engine.search.caught_up()
            yield engine, call


async def check_playback(call: Call, stream_id: str) -> None:
    ((start, end),) = (await call("GET", f"/rtstream/{stream_id}"))["recorded"]
    assert end - start == pytest.approx(8.767, abs=0.01)
    playback = await call("GET", f"/rtstream/{stream_id}/stream", params={"start": start, "end": end})
    assert playback["gaps"] == []
    playlist = await call("GET", playback["stream_url"])
    assert playlist.count("#EXTINF") == 9


async def check_transcript_and_search(call: Call, stream_id: str) -> None:
    transcript = await call("GET", f"/rtstream/{stream_id}/transcription", params={"engine": "local"})
    assert [record["text"].split()[0] for record in transcript["transcription_records"]] == ["Good", "Please"]
    for query, kinds in (
        ("pytest", {"visual"}),
        ("shipment", {"transcript"}),
        ("cafe", {"transcript"}),
        ("invoice 4711 was found", {"visual", "alert"}),
        ("elephant", set()),
    ):
        found = await call("POST", f"/rtstream/{stream_id}/search", json={"query": query})
        assert {hit["kind"] for hit in found["results"]} >= kinds, query
        assert kinds or found["results"] == []


async def check_alerts(call: Call, stream_id: str) -> None:
    ((index,),) = (await call("GET", f"/rtstream/{stream_id}/index/scene")).values()
    scenes = await call("GET", f"/rtstream/{stream_id}/index/scene/{index['rtstream_index_id']}")
    assert "invoice 4711" in str(scenes)
    alerts = f"/rtstream/{stream_id}/index/{index['rtstream_index_id']}/alert"
    ((alert,),) = (await call("GET", alerts)).values()
    assert (alert["label"], alert["status"], alert["fired"]) == ("invoice", "enabled", 1)
    decisions = (await call("GET", f"{alerts}/{alert['alert_id']}/decisions"))["decisions"]
    assert sorted(decision["outcome"] for decision in decisions) == ["fired", "no_match", "no_match", "suppressed"]
    (delivery,) = (await call("GET", f"{alerts}/{alert['alert_id']}/deliveries"))["deliveries"]
    assert delivery["state"] == "pending"
    assert len(delivery["attempts"]) >= 3  # planned for a time too far ahead to be right, so it is made again


async def check_journal(engine: Engine, call: Call, stream_id: str) -> None:
    entries = (await call("GET", "/rtstream/journal", params={"since": 0, "limit": 100}))["entries"]
    assert {"scene_index", "alert", "transcript"} <= {entry["channel"] for entry in entries}
    new = Entry(channel="transcript", at=time.time(), stream_id=stream_id, data={"text": "Hello"})
    assert await engine.db.write(append, new) == max(entry["seq"] for entry in entries) + 1


def hybrid(revision: str, folder: Path) -> None:
    """A database that a newer program, without migrations, has opened and partly extended."""
    opened_by("0008", older(revision, folder))


CASES = {revision: (older, revision) for revision in OLDER} | {
    f"{revision}-opened-by-0008": (hybrid, revision) for revision in UNRECORDED[:-1]
}


@pytest.mark.parametrize("case", CASES)
async def test_an_engine_uses_all_that_an_older_database_holds(tmp_path: Path, case: str) -> None:
    build, revision = CASES[case]
    build(revision, tmp_path)
    async with running(tmp_path) as (engine, call):
        (stream,) = (await call("GET", "/rtstream"))["results"]
        assert (stream["name"], stream["status"], stream["recorded_bytes"]) == ("Desk", "stopped", 264932)
        await check_playback(call, stream["id"])
        await check_transcript_and_search(call, stream["id"])
        await check_alerts(call, stream["id"])
        await check_journal(engine, call, stream["id"])
        if revision >= "0007":
            (video,) = (await call("GET", "/video"))["videos"]
            found = await call("POST", "/collection/default/search", json={"query": "parcel"})
            ((hit,),) = (video["docs"] for video in found["results"])
            assert (video["name"], hit["text"]) == ("Visit", "The parcel is behind the door.")
        await engine.delete_stream(stream["id"])
        await engine.search.caught_up()
        for query in ("pytest", "shipment", "invoice"):
            found = await call("POST", "/rtstream/collection/default/search", json={"query": query})
            assert found["results"] == []


async def test_audio_that_was_not_recorded_before_stays_off(tmp_path: Path) -> None:
    older("0016", tmp_path)
    with closing(sqlite3.connect(tmp_path / "rtstream.db")) as db, db:
        db.execute("UPDATE streams SET media_types = '[\"video\"]'")
        db.execute(
            "INSERT INTO streams (id, name, url, collection_id, created_at, media_types, sample_rate, store,"
            " enable_transcript, desired, health, retention, recorded_bytes) VALUES ('rts-heard', 'Heard', 'rtsp://x',"
            " 'default', 1, '[\"video\", \"audio\"]', 30, 1, 0, 'stopped', '{}', '{}', 0)"
        )
    async with running(tmp_path) as (engine, _):
        found, _ = await engine.streams.list(Slice(limit=100))
    assert {stream.audio for stream in found if stream.id == "rts-heard"} == {True}
    assert {stream.audio for stream in found if stream.id != "rts-heard"} == {False}


async def test_an_export_that_an_older_version_did_not_finish_protects_nothing(tmp_path: Path) -> None:
    older("0011", tmp_path)
    async with running(tmp_path) as (engine, _):
        pins = await engine.db.read(lambda conn: conn.exec_driver_sql("SELECT owner_kind FROM pins").scalars().all())
    assert pins == ["alert"]


async def test_words_of_an_older_database_are_found_in_every_case_and_width(tmp_path: Path) -> None:
    path = older("0010", tmp_path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE transcript_segments SET text = replace(text, 'café', 'Straße in ＩZMİR')")
    async with running(tmp_path) as (engine, call):
        (stream,) = (await call("GET", "/rtstream"))["results"]
        for query in ("strasse", "Straße", "İzmir", "shipment"):
            found = await call("POST", f"/rtstream/{stream['id']}/search", json={"query": query})
            assert [hit["kind"] for hit in found["results"]] == ["transcript"], query
        await engine.delete_stream(stream["id"])
        await engine.search.caught_up()
        assert await engine.db.read(lambda conn: conn.exec_driver_sql(LEFT_WORDS).all()) == []
