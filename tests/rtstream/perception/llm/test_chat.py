"""Providers with protocols of their own, and servers people run themselves: the shape of a call and its answer."""

from __future__ import annotations

import base64
import json

import pytest

from rtstream.config import EngineConfig
from rtstream.perception.language.model import ModelLanguage
from rtstream.perception.protocols import EventQuestion, ProviderError, SceneFacts, VisionRequest
from rtstream.perception.vision.model import ModelVision
from tests.modelserver import KEY, Answer, ModelServer, decoded, picture

pytestmark = pytest.mark.anyio
VERDICT = '{"verdicts": [{"event": 1, "explanation": "seen", "match": true, "confidence": 0.7}]}'


def anthropic_message(text: str) -> Answer:
    """A body as in Anthropic's reference of POST /v1/messages."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 21, "output_tokens": 4},
    }
    return Answer(json.dumps(body))


def gemini_content(text: str) -> Answer:
    """A body as in Google's reference of models.generateContent."""
    body = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 31, "candidatesTokenCount": 6, "totalTokenCount": 37},
        "modelVersion": "gemini-3.8-flash",
        "responseId": "r1",
    }
    return Answer(json.dumps(body))


async def test_anthropic_is_asked_in_its_own_format(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    server.answers.append(anthropic_message("A wall."))
    eye = ModelVision("anthropic:claude-haiku-5-5", EngineConfig(model_timeout_s=5))
    answer = await eye.describe(VisionRequest("What?", [picture(0.0)], session="s"))
    assert (answer.text, answer.tokens_in, answer.tokens_out) == ("A wall.", 21, 4)
    (call,) = server.calls
    assert call.path.partition("?")[0] == "/v1/messages"
    assert KEY in (call.headers.get("x-api-key"), call.headers.get("authorization", "").removeprefix("Bearer "))
    assert "1970-01-01 00:00:00.0 UTC" in json.dumps(call.body["system"])
    prompt, image = call.body["messages"][0]["content"]
    assert prompt["text"] == "What?"
    assert image["source"]["media_type"] == "image/jpeg"
    assert decoded(f"data:image/jpeg;base64,{image['source']['data']}").size == (64, 48)
    server.answers[0] = Answer(
        json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        529,
        {"retry-after": "3"},
    )
    with pytest.raises(ProviderError, match="failed with a server error") as caught:
        await eye.describe(VisionRequest("What?", [picture(0.0)], session="s"))
    assert (caught.value.permanent, caught.value.retry_after_s, len(server.calls)) == (False, 3.0, 2)
    await eye.aclose()


async def test_anthropic_decides_events(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    server.answers.append(anthropic_message(VERDICT))
    judge = ModelLanguage("anthropic:claude-haiku-5-5", EngineConfig(model_timeout_s=5))
    (verdict,) = await judge.match([EventQuestion("e", "x")], SceneFacts("x"))
    assert verdict.outcome == "match"
    assert "verdicts" in json.dumps(server.calls[0].body["output_config"])
    await judge.aclose()


async def test_a_model_without_structured_output_answers_through_a_tool(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    called = json.loads(anthropic_message("").body)
    called["content"] = [{"type": "tool_use", "id": "t1", "name": "answer", "input": json.loads(VERDICT)}]
    server.answers.append(Answer(json.dumps(called | {"stop_reason": "tool_use"})))
    judge = ModelLanguage("anthropic:claude-3-haiku-20240307", EngineConfig(model_timeout_s=5))
    (verdict,) = await judge.match([EventQuestion("e", "x")], SceneFacts("x"))
    assert (verdict.outcome, verdict.explanation) == ("match", "seen")
    (tool,) = server.calls[0].body["tools"]
    assert "verdicts" in tool["input_schema"]["properties"]
    await judge.aclose()


async def test_gemini_is_asked_in_its_own_format(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    server.answers.append(gemini_content("A wall."))
    eye = ModelVision("google-gla:gemini-3.8-flash", EngineConfig(model_timeout_s=5))
    answer = await eye.describe(VisionRequest("What?", [picture(0.0)], session="s"))
    assert (answer.text, answer.model) == ("A wall.", "google-gla:gemini-3.8-flash")
    assert (answer.tokens_in, answer.tokens_out) == (31, 6)
    (call,) = server.calls
    assert call.path.endswith("/models/gemini-3.8-flash:generateContent")
    assert call.headers["x-goog-api-key"] == KEY
    prompt, image = call.body["contents"][0]["parts"]
    assert prompt["text"] == "What?"
    data = base64.b64encode(base64.urlsafe_b64decode(image["inlineData"]["data"])).decode()
    assert decoded(f"data:image/jpeg;base64,{data}").size == (64, 48)
    server.answers[0] = Answer(json.dumps({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}), 503)
    with pytest.raises(ProviderError, match="failed with a server error") as caught:
        await eye.describe(VisionRequest("What?", [picture(0.0)], session="s"))
    assert not caught.value.permanent
    assert len(server.calls) == 2
    await eye.aclose()


async def test_gemini_decides_events(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    server.answers.append(gemini_content(VERDICT))
    judge = ModelLanguage("google-gla:gemini-3.8-flash", EngineConfig(model_timeout_s=5))
    (verdict,) = await judge.match([EventQuestion("e", "x")], SceneFacts("x"))
    assert verdict.outcome == "match"
    assert "verdicts" in json.dumps(server.calls[0].body["generationConfig"])
    await judge.aclose()


@pytest.mark.parametrize("provider", ["ollama", "vllm", "lmstudio", "llamacpp", "openai"])
async def test_a_server_of_ones_own_needs_no_key_and_gets_none_of_others(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    if provider != "openai":
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.says("A wall.")
    eye = ModelVision(f"{provider}:qwen3-vl", EngineConfig(model_base_url=server.url, model_timeout_s=5))
    assert (await eye.describe(VisionRequest("What?", [picture(0.0)], session="s"))).text == "A wall."
    assert KEY not in json.dumps(server.calls[0].headers)
    await eye.aclose()


async def test_the_address_of_a_provider_may_come_from_its_usual_variable(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.says("A wall.")
    eye = ModelVision("openai:gpt-6-luna", EngineConfig(model_timeout_s=5))
    await eye.describe(VisionRequest("What?", [picture(0.0)], session="s"))
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"
    await eye.aclose()
