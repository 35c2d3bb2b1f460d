"""Calls of models: caps, and models that the settings do not allow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.errors import Unavailable
from rtstream.models import AskLook, ConnectStream
from rtstream.rules import budget
from rtstream.store.tables import kept
from tests.modelserver import ModelServer

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

from tests.rtstream.engine.vision_engine import index_when, scenes_when, seeing, until, watch

pytestmark = pytest.mark.anyio


async def test_a_reached_cap_pauses_says_so_and_goes_on_by_itself_when_there_is_room(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "HOUR_S", 4)  # so that the test need not wait for an hour
    monkeypatch.setattr(budget, "SLOT_S", 1)
    async with seeing(tmp_path, vision_server, model_calls_per_hour=3) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        index = await watch(engine, stream.id)
        paused = await index_when(engine, index, lambda index: index.state == "paused")
        assert paused.status_reason.startswith("The cap of 3 model calls per hour is reached")
        assert len(vision_server.calls) == 3
        [progress] = (await engine.streams.get(stream.id)).indexes
        assert (progress.state, progress.status_reason) == ("paused", paused.status_reason)
        with pytest.raises(Unavailable, match="cap of 3 model calls"):
            await engine.questions.answer(stream.id, AskLook(question="Who is there?"))

        going = await index_when(engine, index, lambda index: index.windows_done > 3)
        assert going.windows_capped >= 3
        assert going.windows_skipped == paused.windows_skipped  # loading the model may have taken a while
        assert vision_server.calls[3].at - vision_server.calls[0].at >= 4
        await index_when(engine, index, lambda index: index.state == "running" and not index.status_reason)


async def test_what_was_spent_counts_after_a_restart_and_is_stored_before_the_call(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource
) -> None:
    async with seeing(tmp_path, vision_server, model_calls_per_day=2) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        index = await watch(engine, stream.id)
        await index_when(engine, index, lambda index: index.state == "paused")
        stored = await engine.db.read(
            lambda conn: conn.execute(select(kept.c.value).where(kept.c.key == "model_budget")).scalar()
        )
        assert stored is not None
        assert sum(calls for _, calls in stored) == 2
    async with seeing(tmp_path, vision_server, model_calls_per_day=2) as engine:
        again = await index_when(engine, index, lambda index: index.windows_capped >= 5)
        assert (again.state, again.windows_done) == ("paused", 2)
        assert len(vision_server.calls) == 2
    async with seeing(tmp_path, vision_server) as engine:
        going = await index_when(engine, index, lambda index: index.windows_done > 2)
        assert (going.state, going.status_reason) == ("running", "")


@pytest.mark.parametrize("name", ["openai:expensive", "anthropic:claude-haiku-5-5", "google:gemini-4-argon", "huge"])
async def test_a_model_that_the_settings_do_not_allow_is_never_called(
    seeing_engine: Engine,
    vision_server: ModelServer,
    live_source: LiveSource,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "sk-present")
    vision_server.reply = lambda call: f"seen by {call.model}"
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
    index = await watch(seeing_engine, stream.id, model_name=name)
    assert index.model == "openai:eye-1"
    assert "RTSTREAM_ALLOW_MODELS" in index.note
    [scene] = (await scenes_when(seeing_engine, index, 1))[:1]
    assert scene.text == "seen by eye-1"
    assert {call.model for call in vision_server.calls} == {"eye-1"}


async def test_each_index_has_a_cap_of_its_own_that_survives_a_restart(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource
) -> None:
    assert EngineConfig().model_calls_per_hour_per_index == 2500
    vision_server.reply = lambda call: "seen"
    async with seeing(tmp_path, vision_server, model_calls_per_hour_per_index=2) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        indexes = [await watch(engine, stream.id) for _ in range(2)]

        async def paused() -> bool:
            return {one.state for one in await engine.indexes.list(stream.id)} == {"paused"}

        await until(paused)
        assert len(vision_server.calls) == 4
        assert "2 model calls per hour" in (await engine.indexes.list(stream.id))[0].status_reason
        for index in indexes:
            await engine.indexes.stop(stream.id, index.rtstream_index_id)
    async with seeing(tmp_path, vision_server, model_calls_per_hour_per_index=2) as engine:
        await engine.indexes.start(stream.id, indexes[0].rtstream_index_id)
        await until(lambda: _is_paused(engine, stream.id, indexes[0].rtstream_index_id))
        assert len(vision_server.calls) == 4


async def _is_paused(engine: Engine, stream_id: str, index_id: str) -> bool:
    return (await engine.indexes.get(stream_id, index_id)).state == "paused"
