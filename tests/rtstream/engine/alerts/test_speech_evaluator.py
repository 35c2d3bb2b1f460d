"""Alerts on the transcript itself: each sentence once, also over two sentences, a restart and by a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtstream.engine.alerts import speech_evaluator
from tests.modelserver import KEY, ModelServer
from tests.rtstream.engine.alerts.spoken import speaking
from tests.rtstream.engine.alerts.test_matcher import answering

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def speech_is_installed() -> None:
    pytest.importorskip("moonshine_voice", reason="an alert on speech needs a speech engine")


async def test_a_sentence_fires_with_its_times_and_the_next_one_that_matches_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        alert = await spoken.watch('"seven" is said')
        await spoken.say("Nothing yet.", 1)
        await spoken.say("We need 7 of them.", 10)
        await spoken.say("And 7 more.", 20)
        await spoken.say("That is all.", 30)
        await spoken.say("Or seven?", 40)
        found = await spoken.decisions(alert, 5)
        assert [one.outcome for one in found] == ["no_match", "fired", "suppressed", "no_match", "fired"]
        assert [round((one.start or 0) - spoken.start) for one in found] == [1, 10, 20, 30, 40]
        assert found[1].text == "We need 7 of them."
        first, second = await spoken.fired()
    assert (round(first["start"] - spoken.start), round(second["start"] - spoken.start)) == (10, 40)
    assert first["rtstream_index_id"] == ""
    assert "We need 7 of them" in first["explanation"]


async def test_a_phrase_may_begin_in_one_sentence_and_end_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        alert = await spoken.watch('"action items" is said', dedupe=False)
        await spoken.say("These are our action", 1)
        await spoken.say("items for today.", 2.5)
        await spoken.say("That was it.", 4)
        await spoken.say("Another action", 20)
        await spoken.say("items after a pause.", 30)
        assert await spoken.outcomes(alert, 5) == ["no_match", "fired", "no_match", "no_match", "no_match"]


async def test_near_misses_and_what_was_heard_before_a_correction_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        near = await spoken.watch('"Kubernetes" is said', dedupe=False)
        exact = await spoken.watch('"Kubernetes" is said', dedupe=False, near_misses=False)
        await spoken.say("We run kuber netties.", 1)
        await spoken.say("We run Cuba.", 10, heard="We run Kubernetes.")
        assert await spoken.outcomes(near, 2) == ["fired", "fired"]
        assert await spoken.outcomes(exact, 2) == ["no_match", "fired"]
        [first, *_] = await spoken.decisions(near)
    assert first.confidence is not None
    assert first.confidence < 0.95
    assert 'heard as "kuber netties"' in first.explanation


async def test_another_engine_and_late_speech_are_not_evaluated_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        alert = await spoken.watch('"budget" is said')
        await spoken.say("the budget", 1, engine="another")
        await spoken.say("the budget", 2, late=True)
        await spoken.say("hello", 3)
        assert await spoken.outcomes(alert, 1) == ["no_match"]


async def test_speech_during_a_restart_is_evaluated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        alert = await spoken.watch('"budget" is said', dedupe=False)
        await spoken.say("the budget", 1)
        assert await spoken.outcomes(alert, 1) == ["fired"]
        start = spoken.start
    async with speaking(tmp_path, monkeypatch, start) as spoken:
        await spoken.say("the budget again", 2)
        assert await spoken.outcomes(alert, 2) == ["fired", "fired"]
        assert len(await spoken.fired()) == 2


async def test_a_new_alert_and_a_changed_event_begin_with_the_next_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        await spoken.say("the budget", 1)
        alert = await spoken.watch('"budget" is said')
        await spoken.say("hello", 2)
        assert await spoken.outcomes(alert, 1) == ["no_match"]


async def test_a_model_is_asked_once_about_the_sentences_of_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ModelServer
) -> None:
    monkeypatch.setattr(speech_evaluator, "BATCH_S", 1.0)
    model.reply = answering(lambda prompt: "date" in prompt)
    settings: dict[str, Any] = {
        "language_model": "openai:judge-1",
        "language_base_url": f"{model.url}/v1",
        "model_api_key": KEY,
    }
    async with speaking(tmp_path, monkeypatch, **settings) as spoken:
        alert = await spoken.watch("someone promises a date")
        await spoken.say("We can deliver it", 1)
        await spoken.say("on Friday, I promise.", 2)
        [found] = await spoken.decisions(alert, 1)
        [fired] = await spoken.fired()
    assert (found.outcome, found.confidence) == ("fired", 0.8)
    assert (round(fired["start"] - spoken.start), round(fired["end"] - spoken.start)) == (1, 3)
    assert len(model.calls) == 1
    assert "We can deliver it on Friday" in model.calls[0].text
