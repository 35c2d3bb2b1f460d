"""Utterances are corrected by the vocabulary of their stream and by the words that were just on its screen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from rtstream.engine.transcripts.vocabulary import VocabularyCorrector
from rtstream.rules.sounds import Sounds
from rtstream.store import indexes, streams
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio

STREAM = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
INDEX = {"extraction_type": "time", "extraction_config": {"time": 5}, "model_config": {}, "status": "running"}
NOW = time.time()


@pytest.fixture
async def db(tmp_path: Path) -> Any:
    db = Database.below(tmp_path)

    def write(conn: Any) -> None:
        streams.ensure_default_collection(conn, NOW)
        common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
        streams.insert(conn, id="rts-1", created_at=NOW, vocabulary=["Kubernetes"], **common, **STREAM)
        indexes.insert(conn, id="idx", stream_id="rts-1", name=None, counters={}, created_at=NOW, **INDEX)
        scene = {"index_id": "idx", "stream_id": "rts-1", "text": "t", "status": "ok", "model": "local"}
        for at, line in ((NOW - 500, "Zimmermann"), (NOW - 20, "PROMETHEUS dashboard"), (NOW + 30, "Kowalski")):
            detail = {"lines": [line], "changes": {}}
            indexes.add_scene(conn, **scene, data=None, start=at, end=at + 5, detail=detail, created_at=NOW)

    await db.write(write)
    yield db
    await db.aclose()


async def test_a_term_and_a_word_on_the_screen_replace_what_was_heard(db: Database) -> None:
    correct = VocabularyCorrector(db, Sounds()).correct
    text = "Kuber netties and promeetheus by zimmerman or kovalski"
    words = [{"word": word, "start": NOW, "end": NOW} for word in text.split()]
    corrected, spelled, heard = await correct("rts-1", NOW, NOW + 3, text, words)
    assert corrected == "Kubernetes and prometheus by zimmerman or kovalski"
    assert [word["word"] for word in spelled][:3] == ["Kubernetes", "and", "prometheus"]
    assert heard == text


async def test_without_a_correction_nothing_was_heard_otherwise(db: Database) -> None:
    correct = VocabularyCorrector(db, Sounds()).correct
    words = [{"word": "hello", "start": NOW, "end": NOW}]
    assert await correct("rts-1", NOW, NOW + 3, "hello", words) == ("hello", words, "")
    assert await correct("rts-gone", NOW, NOW + 3, "kuber netties", []) == ("kuber netties", [], "")


async def test_a_transcript_does_not_wait_for_the_database(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> Any:
        from rtstream.errors import DatabaseUnavailable

        raise DatabaseUnavailable("it is locked")

    monkeypatch.setattr(db, "read", unavailable)
    correct = VocabularyCorrector(db, Sounds()).correct
    assert await correct("rts-1", NOW, NOW + 3, "kuber netties", []) == ("kuber netties", [], "")
