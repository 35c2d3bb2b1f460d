"""Alerts on speech: begun with the first words, over after a silence, also across a restart."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.alerts import stream_evaluator as signals
from rtstream.engine.engine import Engine
from rtstream.models import CreateAlert, CreateEvent, Decision, Page, UpdateEvent
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store.journal import Entry
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

STREAM, INDEX = "rts-1", "idx"


@pytest.fixture(autouse=True)
def short_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "UTTERANCE_S", 0.1)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Engine]:
    async with Engine(EngineConfig(data_dir=folder, local_vision=False, embedding_model="none")) as engine:
        yield engine


async def prepare(engine: Engine) -> None:
    now = time.time()
    health = {"state": "stopped", "since": now}
    stream = {"id": STREAM, "name": "s", "url": "u", "collection_id": "default", "created_at": now, "health": health}
    media = {"media_types": ["audio"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    index = {"id": INDEX, "stream_id": STREAM, "name": "x", "extraction_type": "transcript", "extraction_config": {}}
    rest = {"prompt": "p", "model_name": None, "model_config": {}, "counters": {}, "created_at": now}
    await engine.db.write(lambda conn: stream_rows.insert(conn, **stream, **media, desired="stopped"))
    await engine.db.write(lambda conn: index_rows.insert(conn, **index, **rest, status="stopped"))


async def watch(engine: Engine, **rule: Any) -> str:
    event = await engine.alerts.create_event(CreateEvent(event_prompt="x", label="x", rule=rule))
    return (await engine.alerts.create_alert(STREAM, INDEX, CreateAlert(event_id=event.event_id))).alert_id


async def say(engine: Engine, late_s: float = 0.0) -> None:
    """Store speech of just now, or of ``late_s`` seconds ago on a stream that is that late."""
    now = time.time() - late_s
    data = {"text": "hello", "is_final": True, "start": now - 0.1, "end": now, "engine": "local", "kind": "speech"}
    await engine.journal.append(Entry("transcript", data, STREAM, "s"))


async def outcomes(engine: Engine, alert_id: str, number: int) -> list[str]:

    async def read() -> list[Decision]:
        return (await engine.alerts.list_decisions(STREAM, INDEX, alert_id, Page()))[0]

    found = await eventually(read, lambda found: len(found) >= number)
    return [decision.outcome for decision in found[::-1]]


async def test_speech_that_starts_and_stops_fires_once_each_time(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        await prepare(engine)
        started = await watch(engine, speech="started", for_s=2)
        stopped = await watch(engine, speech="stopped", for_s=2)
        await say(engine)
        await say(engine)
        assert await outcomes(engine, stopped, 3) == ["no_match", "no_match", "fired"]
        await say(engine)
        assert await outcomes(engine, started, 4) == ["fired", "no_match", "no_match", "fired"]


async def test_speech_that_comes_late_is_no_silence(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        await prepare(engine)
        stopped = await watch(engine, speech="stopped", for_s=5)
        await say(engine, late_s=60)
        assert await outcomes(engine, stopped, 1) == ["no_match"]
        await say(engine, late_s=60)
        assert (await outcomes(engine, stopped, 2))[:2] == ["no_match", "no_match"]


async def test_a_silence_that_falls_into_a_restart_is_noticed_after_it(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        await prepare(engine)
        stopped = await watch(engine, speech="stopped", for_s=3)
        await say(engine)
        assert (await outcomes(engine, stopped, 1))[:1] == ["no_match"]
    async with running(tmp_path) as engine:
        assert await outcomes(engine, stopped, 2) == ["no_match", "fired"]


async def test_what_is_skipped_not_to_fall_behind_is_no_speech(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        await prepare(engine)
        started = await watch(engine, speech="started")
        gap = {"text": "", "is_final": True, "start": time.time() - 9, "end": time.time(), "kind": "gap"}
        await engine.journal.append(Entry("transcript", gap, STREAM, "s"))
        await say(engine)
        assert await outcomes(engine, started, 1) == ["fired"]
        assert len((await engine.alerts.list_decisions(STREAM, INDEX, started, Page()))[0]) == 1


async def test_an_event_may_turn_from_scenes_to_the_stream_and_back(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        await prepare(engine)
        event = await engine.alerts.create_event(CreateEvent(event_prompt='"OPEN" is said', label="x"))
        alert = (await engine.alerts.create_alert(STREAM, INDEX, CreateAlert(event_id=event.event_id))).alert_id
        await engine.alerts.update_event(event.event_id, UpdateEvent(rule={"speech": "started"}))
        await say(engine)
        assert await outcomes(engine, alert, 1) == ["fired"]
        await engine.alerts.update_event(event.event_id, UpdateEvent(rule={}))
        now = time.time()
        scene = {"index_id": INDEX, "stream_id": STREAM, "start": now - 1, "end": now, "text": "x", "status": "ok"}
        detail = {"transcript": "we are open now", "lines": [], "changes": {}}
        await engine.db.write(
            lambda conn: index_rows.add_scene(conn, **scene, model="local", data=None, detail=detail, created_at=now)
        )
        engine.evaluator.scene_stored(INDEX)
        assert await outcomes(engine, alert, 2) == ["fired", "fired"]
