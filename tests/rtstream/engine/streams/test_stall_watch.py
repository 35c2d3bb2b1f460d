"""Health shows that a wanted index or transcript stands still, and no longer once it works again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import ConnectStream, HealthReason
from rtstream.rules import stalls
from tests.modelserver import Answer, ModelServer, chat_completion, failure
from tests.rtstream.engine.vision_engine import seeing, until, watch
from tests.waiting import eventually

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio


async def test_an_index_whose_model_fails_is_a_problem_until_the_model_works(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LEAST_S", 2.0)
    vision_server.answers.clear()
    vision_server.answers.append(Answer(failure("no such model"), status=400))
    async with seeing(tmp_path, vision_server) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        await watch(engine, stream.id)

        async def problems() -> list[HealthReason]:
            return [each for each in (await engine.streams.get(stream.id)).health.reasons if each.level == "problem"]

        async def failing() -> bool:
            return [each.code for each in await problems()] == ["model_unavailable"]

        await until(failing)
        (reason,) = await problems()
        assert "describes nothing" in reason.text
        assert reason.next_step
        vision_server.answers[0] = Answer(chat_completion("a door"))

        async def solved() -> bool:
            return not await problems()

        await until(solved)


@pytest.mark.long
async def test_a_built_in_reader_that_cannot_be_loaded_is_a_problem_until_it_can(
    tmp_path: Path, live_source: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LEAST_S", 1.0)
    broken = tmp_path / "packages" / "rapidocr.py"  # found by the child process before the installed one
    broken.parent.mkdir()
    broken.write_text("raise OSError('no such library')")
    monkeypatch.syspath_prepend(str(broken.parent))
    config = EngineConfig(data_dir=tmp_path / "data", allow_networks="loopback", vision_model="local")
    async with Engine(config) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        await watch(engine, stream.id)

        async def codes() -> list[str]:
            health = (await engine.streams.get(stream.id)).health
            return [each.code for each in health.reasons if each.level == "problem" and each.next_step]

        await eventually(codes, lambda found: "reader_unavailable" in found, what="the problem")
        broken.unlink()
        await eventually(codes, lambda found: not found, what="the end of the problem")


async def test_an_index_that_is_slower_than_its_stream_is_noted(
    tmp_path: Path, vision_server: ModelServer, live_source: LiveSource
) -> None:
    vision_server.answers[0] = Answer(chat_completion("a door"), delay_s=1.5)
    async with seeing(tmp_path, vision_server) as engine:
        stream = await engine.connect_stream(ConnectStream(url=live_source.rtsp_url))
        await watch(engine, stream.id)

        async def noted() -> bool:
            reasons = (await engine.streams.get(stream.id)).health.reasons
            return [(each.code, each.level) for each in reasons] == [("overloaded", "note")]

        await until(noted)
