"""The service of events and alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.models import EventTest
from tests.modelserver import ModelServer
from tests.rtstream.engine.alerts.test_matcher import STREAM, add_scene, answering, judging

pytestmark = pytest.mark.anyio


async def test_a_dry_run_asks_the_model_too(tmp_path: Path, model: ModelServer) -> None:
    model.reply = answering(lambda prompt: True)
    async with judging(tmp_path, model) as engine:
        await add_scene(engine, "A dog.")
        [decision] = await engine.alerts.test_event(STREAM, EventTest(event_prompt="a dog is there"))
    assert (decision.outcome, decision.explanation) == ("match", "as seen")
