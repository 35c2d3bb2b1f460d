"""Events decided by a language model, with one call per scene, within bounds, and without delaying rules."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import CreateAlert, CreateEvent, Decision, Page
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from tests.modelserver import KEY, Answer, Call, ModelServer
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

STREAM, INDEX = "rts-1", "idx"


@asynccontextmanager
async def judging(folder: Path, model: ModelServer, **settings: Any) -> AsyncIterator[Engine]:
    """An engine with a stored stream and index, whose language model is the server."""
    config = EngineConfig(
        data_dir=folder,
        local_vision=False,
        language_model="openai:judge-1",
        language_base_url=f"{model.url}/v1",
        model_api_key=KEY,
        **settings,
    )
    now = time.time()
    health = {"state": "stopped", "since": now}
    stream = {"id": STREAM, "name": "s", "url": "u", "collection_id": "default", "created_at": now, "health": health}
    media = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    index = {"id": INDEX, "stream_id": STREAM, "name": "x", "extraction_type": "time", "extraction_config": {}}
    rest = {"prompt": "p", "model_name": None, "model_config": {}, "counters": {}, "created_at": now}
    async with Engine(config) as engine:
        await engine.db.write(lambda conn: stream_rows.insert(conn, **stream, **media, desired="stopped"))
        await engine.db.write(lambda conn: index_rows.insert(conn, **index, **rest, status="stopped"))
        yield engine


async def add_scene(engine: Engine, text: str, *lines: str) -> None:
    now = time.time()
    scene = {"index_id": INDEX, "stream_id": STREAM, "start": now - 1, "end": now, "text": text, "status": "ok"}
    detail = {"lines": list(lines), "changes": {}}
    await engine.db.write(
        lambda conn: index_rows.add_scene(conn, **scene, model="m", data=None, detail=detail, created_at=now)
    )
    engine.evaluator.scene_stored(INDEX)


async def watch(engine: Engine, prompt: str, **more: Any) -> str:
    """Create an alert on a new event. Returns its id."""
    event = await engine.alerts.create_event(CreateEvent(event_prompt=prompt, label="x", rule=more.pop("rule", None)))
    return (await engine.alerts.create_alert(STREAM, INDEX, CreateAlert(event_id=event.event_id, **more))).alert_id


async def decisions(engine: Engine, alert_id: str, number: int) -> list[Decision]:
    """The decisions of an alert, oldest first, once there are so many."""

    async def read() -> list[Decision]:
        return (await engine.alerts.list_decisions(STREAM, INDEX, alert_id, Page()))[0]

    found = await eventually(read, lambda found: len(found) >= number)
    return found[::-1]


def answering(decide: Callable[[str], bool]) -> Callable[[Call], str]:
    """A model that matches the events whose prompt ``decide`` likes."""

    def reply(call: Call) -> str:
        events = re.findall(r"^(\d+)\. (\".*\")$", call.instructions, re.M)
        verdicts = [
            {"event": int(number), "explanation": "as seen", "match": decide(json.loads(prompt)), "confidence": 0.8}
            for number, prompt in events
        ]
        return json.dumps({"verdicts": verdicts})

    return reply


async def test_all_events_of_an_index_are_decided_in_one_call_a_scene(tmp_path: Path, model: ModelServer) -> None:
    model.reply = answering(lambda prompt: "dog" in prompt)
    async with judging(tmp_path, model) as engine:
        dog = await watch(engine, "a dog is in the garden")
        cat = await watch(engine, "a cat is in the garden")
        quoted = await watch(engine, 'an angry man holds a sign that says "STOP"')
        await add_scene(engine, "A brown dog runs over the lawn.", "STOP")
        found = [(await decisions(engine, alert, 1))[0] for alert in (dog, cat, quoted)]
        [listed, *_] = await engine.alerts.list_alerts(STREAM, INDEX)
    assert [(d.outcome, d.confidence, d.explanation) for d in found] == [
        ("fired", 0.8, "as seen"),
        ("no_match", 0.8, "as seen"),
        ("no_match", 0.8, "as seen"),
    ]
    assert len(model.calls) == 1
    assert listed.matching == "model"
    assert "A brown dog" in model.calls[0].text
    assert "A brown dog" not in model.calls[0].instructions


async def test_scenes_unlike_an_event_are_not_shown_to_the_model_where_that_is_set(
    tmp_path: Path, model: ModelServer
) -> None:
    model.reply = answering(lambda prompt: True)
    async with judging(tmp_path, model, model_similarity=0.5) as engine:
        alert = await watch(engine, "a dog is in the garden")
        await add_scene(engine, "Empty car park at night")
        await add_scene(engine, "a dog is in the garden")
        far, near = await decisions(engine, alert, 2)
    assert (far.outcome, near.outcome) == ("no_match", "fired")
    assert "too unlike the event" in far.reason
    assert len(model.calls) == 1


async def test_a_model_that_fails_is_logged_with_the_reason_and_the_next_scene_is_asked(
    tmp_path: Path, model: ModelServer
) -> None:
    refused = '{"error": {"message": "bad key", "type": "x", "param": null, "code": null}}'
    good = answering(lambda prompt: True)
    model.reply = lambda call: Answer(refused, status=401) if len(model.calls) == 1 else good(call)
    async with judging(tmp_path, model) as engine:
        alert = await watch(engine, "a dog is in the garden")
        await add_scene(engine, "A dog.")
        [failed] = await decisions(engine, alert, 1)
        await add_scene(engine, "A dog.")
        last = (await decisions(engine, alert, 2))[-1]
    assert failed.outcome == "failed"
    assert failed.reason.endswith(".")
    assert KEY not in failed.reason
    assert last.outcome == "fired"
