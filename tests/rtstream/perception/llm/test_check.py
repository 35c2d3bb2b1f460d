"""The check of configured models calls each once, and reports the result."""

from __future__ import annotations

import pytest

from rtstream.config import EngineConfig
from rtstream.perception.llm.check import check
from tests.modelserver import KEY, Answer, ModelServer, failure

pytestmark = pytest.mark.anyio


async def test_check_tries_each_model_once_and_says_how_it_went(server: ModelServer) -> None:
    answers = {
        "eye": "Red.",
        "blind": "A nice picture!",
        "mind": '{"verdicts": [{"event": 1, "explanation": "", "match": true, "confidence": 1},'
        '{"event": 2, "explanation": "", "match": false, "confidence": 1}]}',
    }
    server.reply = lambda call: answers[call.body["model"]]
    config = EngineConfig(
        vision_model="ollama:eye", language_model="ollama:mind", model_mini="ollama:blind", model_base_url=server.url
    )
    vision, mini, language = await check(config)
    assert (vision.role, vision.model, vision.ok) == ("vision", "ollama:eye", True)
    assert (mini.role, mini.ok) == ("tier mini", False)
    assert "calls a red picture" in mini.text
    assert (language.role, language.ok, language.text) == ("language", True, "The model responds and decides events.")
    assert vision.latency_s is not None
    assert len(server.calls) == 3


async def test_check_shows_what_the_server_says_without_the_key(server: ModelServer) -> None:
    server.answers.append(Answer(failure(f"mmproj is missing for {KEY}"), 400))
    config = EngineConfig(
        vision_model="openai:eye", language_model="local", model_base_url=server.url, model_api_key=KEY
    )
    vision, language = await check(config)
    assert not vision.ok
    assert "The server reported: mmproj is missing for ***" in vision.text
    assert (language.model, language.ok) == ("local", True)


async def test_check_with_nothing_set_says_so() -> None:
    vision, language = await check(EngineConfig())
    assert vision.ok
    assert language.ok
    assert "No model is set" in vision.text
    assert "No model is set" in language.text
