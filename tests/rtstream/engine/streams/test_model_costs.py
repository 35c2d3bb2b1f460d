"""The parts of streams that call paid models are listed and stopped, and free ones continue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.streams import ModelCosts
from rtstream.errors import NotFound
from rtstream.models import CreateAlert, CreateEvent, CreateIndex
from tests.modelserver import forget_keys
from tests.rtstream.engine.recordings.test_exports import STREAM, add_stream

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9/v1"
PAID: dict[str, Any] = {
    "vision_model": "openai:eye-1",
    "model_base_url": NOWHERE,
    "model_api_key": "sk-1",
    "speech_engine": "openai:whisper-1",
    "speech_base_url": NOWHERE,
}


@pytest.fixture
def settings() -> dict[str, Any]:
    return PAID


@pytest.fixture
async def engine(tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """An engine with a stopped stream. Nothing listens at the URLs of its models."""
    forget_keys(monkeypatch)
    config = EngineConfig(
        data_dir=tmp_path, api_key="sk-key", local_vision=False, embedding_model="none", min_free_gb=0, **settings
    )
    async with Engine(config) as engine:
        await add_stream(engine)
        yield engine


@pytest.fixture
def costs(engine: Engine) -> ModelCosts:
    return ModelCosts(
        engine.indexes, engine.transcripts, engine.alerts, engine.backfills, engine.model_calls.language.name
    )


async def add_index(engine: Engine, **wanted: Any) -> str:
    return (await engine.indexes.create(STREAM, CreateIndex.model_validate(wanted))).rtstream_index_id


async def add_alert(engine: Engine, index_id: str, prompt: str, label: str) -> str:
    event = await engine.alerts.create_event(CreateEvent(event_prompt=prompt, label=label))
    alert = await engine.alerts.create_alert(STREAM, index_id, CreateAlert(event_id=event.event_id))
    return alert.alert_id


async def test_everything_that_calls_a_paid_model_stops_and_the_rest_runs_on(engine: Engine, costs: ModelCosts) -> None:
    seen, free = await add_index(engine, name="seen"), await add_index(engine, model_name="local")
    spoken = await add_index(engine, extraction_type="transcript", model_name="local")  # its speech engine is paid
    ended = await add_index(engine)
    await engine.indexes.stop(STREAM, ended)
    await engine.transcripts.start(STREAM, None)
    tired = await add_alert(engine, free, "Somebody looks tired", "tired")
    lost = await add_alert(engine, free, "the stream is lost", "lost")
    covered = await add_alert(engine, seen, "Somebody looks tired", "tired")  # stops with its index
    parts = [(part.kind, part.id, part.model) for part in await costs.list(STREAM)]
    assert parts == [
        ("index", seen, "openai:eye-1"),
        ("alert", tired, "openai:eye-1"),
        ("index", spoken, "openai:whisper-1"),
        ("transcript", "openai:whisper-1", "openai:whisper-1"),
    ]
    assert [(part.kind, part.id, part.model) for part in await costs.stop(STREAM)] == parts
    assert await costs.list(STREAM) == await costs.stop(STREAM) == []
    states = {index.rtstream_index_id: index.state for index in await engine.indexes.list(STREAM)}
    assert states == {seen: "stopped", free: "running", spoken: "stopped", ended: "stopped"}
    assert (await engine.transcripts.status(STREAM, None)).status == "stopped"
    alerts = [*await engine.alerts.list_alerts(STREAM, free), *await engine.alerts.list_alerts(STREAM, seen)]
    assert {alert.alert_id: alert.status for alert in alerts} == {
        tired: "disabled",
        lost: "enabled",
        covered: "enabled",
    }


@pytest.mark.parametrize("settings", [{}, {**PAID, "vision_model": "ollama:gemma", "speech_engine": ""}])
async def test_free_models_are_not_listed_and_not_stopped(engine: Engine, costs: ModelCosts) -> None:
    index_id = await add_index(engine)
    await add_alert(engine, index_id, "Somebody looks tired", "tired")
    assert await costs.stop(STREAM) == []
    assert (await engine.indexes.get(STREAM, index_id)).state == "running"


async def test_there_is_no_list_for_a_stream_that_does_not_exist(costs: ModelCosts) -> None:
    with pytest.raises(NotFound, match="rts-none"):
        await costs.list("rts-none")
