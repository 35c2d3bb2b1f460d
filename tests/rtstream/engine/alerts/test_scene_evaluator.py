"""Scenes are evaluated in two lanes, so that rules never wait for a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.engine.alerts import scene_evaluator as alerting
from rtstream.models import Page
from tests.modelserver import Answer, ModelServer, chat_completion
from tests.rtstream.engine.alerts.test_matcher import (
    INDEX,
    STREAM,
    add_scene,
    answering,
    decisions,
    judging,
    watch,
)

pytestmark = pytest.mark.anyio


async def test_rules_do_not_wait_for_a_model_and_never_ask_it(tmp_path: Path, model: ModelServer) -> None:
    model.answers.append(Answer("", hold=True))
    async with judging(tmp_path, model) as engine:
        slow = await watch(engine, "a dog is in the garden")
        rule = await watch(engine, "the sign is there", rule={"text": "STOP"})
        pattern = await watch(engine, "the text matches /ST.P/")
        for _ in range(3):
            await add_scene(engine, "a sign", "STOP")
        for alert in (rule, pattern):
            assert [d.outcome for d in await decisions(engine, alert, 3)] == ["fired", "suppressed", "suppressed"]
        await model.called()
        assert (await engine.alerts.list_decisions(STREAM, INDEX, slow, Page()))[0] == []
    assert len(model.calls) == 1


async def test_a_disabled_alert_costs_no_call(tmp_path: Path, model: ModelServer) -> None:
    model.reply = answering(lambda prompt: True)
    async with judging(tmp_path, model) as engine:
        alert = await watch(engine, "a dog is in the garden")
        await engine.alerts.disable_alert(STREAM, INDEX, alert)
        await add_scene(engine, "A dog.")
        [decision] = await decisions(engine, alert, 1)
    assert (decision.outcome, decision.reason) == ("suppressed", "the alert is disabled")
    assert model.calls == []


async def test_a_model_slower_than_the_scenes_leaves_some_out_and_says_so(tmp_path: Path, model: ModelServer) -> None:
    reply = answering(lambda prompt: True)
    model.reply = lambda call: Answer(chat_completion(reply(call)), delay_s=0.3)
    number = alerting.MAX_BEHIND + 6
    async with judging(tmp_path, model) as engine:
        alert = await watch(engine, "a dog is in the garden")
        for _ in range(number):
            await add_scene(engine, "A dog.")
        found = await decisions(engine, alert, number)
    left_out = [d for d in found if d.reason == alerting.TOO_SLOW]
    assert 1 <= len(left_out) <= 6
    assert {d.outcome for d in left_out} == {"failed"}
    assert len(model.calls) == number - len(left_out)
