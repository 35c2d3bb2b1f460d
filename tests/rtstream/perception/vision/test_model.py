"""A vision model over the chat-completions protocol, with its requests, responses and failures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import anyio
import pytest

from rtstream.config import EngineConfig
from rtstream.perception.protocols import ProviderError, VisionRequest
from rtstream.perception.vision.model import ModelVision
from tests.modelserver import KEY, Answer, ModelServer, decoded, picture

pytestmark = pytest.mark.anyio
AT = 1_790_000_000.0
SCHEMA = {
    "type": "object",
    "properties": {"people": {"type": "integer"}},
    "required": ["people"],
    "additionalProperties": False,
}


@pytest.fixture
async def eye(server: ModelServer) -> AsyncIterator[ModelVision]:
    provider = ModelVision(
        "openai:eye-1", EngineConfig(model_base_url=server.url, model_api_key=KEY, model_timeout_s=5)
    )
    yield provider
    await provider.aclose()


def request(prompt: str = "What is seen?", **more: object) -> VisionRequest:
    return VisionRequest(prompt, [picture(AT), picture(AT + 1.5, (200, 30, 20))], session="s", **more)  # pyright: ignore


async def test_the_pictures_the_prompt_and_the_frame_times_arrive(server: ModelServer, eye: ModelVision) -> None:
    server.says("A blue wall, then a red one.", tokens=(321, 45))
    answer = await eye.describe(request("Which colours?"))
    assert (answer.text, answer.model) == ("A blue wall, then a red one.", "openai:eye-1")
    assert (answer.tokens_in, answer.tokens_out) == (321, 45)
    (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.body["model"] == "eye-1"
    system, user = call.body["messages"]
    assert system["role"] == "system"
    assert "2026-09-21 14:13:20.0 UTC, +0.0 s" in system["content"]
    assert "2026-09-21 14:13:21.5 UTC, +1.5 s" in system["content"]
    assert "Which colours?" not in system["content"]
    text, first, second = user["content"]
    assert text == {"type": "text", "text": "Which colours?"}
    blue, red = (decoded(part["image_url"]["url"]) for part in (first, second))
    assert blue.size == red.size == (64, 48)
    assert blue.getpixel((30, 20))[2] > 150  # pyright: ignore
    assert red.getpixel((30, 20))[0] > 150  # pyright: ignore


async def test_json_in_an_answer_is_parsed_and_the_text_stays_verbatim(server: ModelServer, eye: ModelVision) -> None:
    server.says('```json\n{"people": 2}\n```')
    answer = await eye.describe(request("Count the people. Answer in JSON."))
    assert answer.text == '```json\n{"people": 2}\n```'
    assert (answer.data, answer.data_error) == ({"people": 2}, "")


async def test_malformed_json_is_kept_as_text_and_marked(server: ModelServer, eye: ModelVision) -> None:
    server.says('{"people": 2, "cars"', finish="length")
    answer = await eye.describe(request("Count them as JSON"))
    assert answer.text == '{"people": 2, "cars"'
    assert answer.data is None
    assert answer.data_error == "The answer reached its length limit and is incomplete. The answer is not valid JSON."


async def test_a_schema_is_enforced_through_structured_output(server: ModelServer, eye: ModelVision) -> None:
    server.says('{"people": 3}')
    answer = await eye.describe(request(json_schema=SCHEMA))
    assert answer.data == {"people": 3}
    form = server.calls[0].body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["properties"] == SCHEMA["properties"]


async def test_an_answer_that_does_not_fit_the_schema_is_marked(server: ModelServer, eye: ModelVision) -> None:
    server.says('{"people": "three"}')
    answer = await eye.describe(request(json_schema=SCHEMA))
    assert answer.data is None
    assert answer.data_error == "The answer does not match the JSON schema at people."
    assert answer.text == '{"people": "three"}'


async def test_a_bad_schema_is_refused_before_anything_is_sent(server: ModelServer, eye: ModelVision) -> None:
    with pytest.raises(ProviderError, match="must describe an object") as caught:
        await eye.describe(request(json_schema={"type": "array"}))
    assert caught.value.permanent
    assert server.calls == []


async def test_an_empty_or_filtered_answer_is_a_failure(server: ModelServer, eye: ModelVision) -> None:
    server.says("")
    server.says("", finish="length")
    server.says("I cannot", finish="content_filter")
    for words in ("empty answer", "RTSTREAM_MODEL_MAX_TOKENS", "content filter"):
        with pytest.raises(ProviderError, match=words):
            await eye.describe(request())


async def test_a_model_that_does_not_answer_in_time_is_given_up(server: ModelServer) -> None:
    server.answers.append(Answer("", hold=True))
    eye = ModelVision("openai:eye-1", EngineConfig(model_base_url=server.url, model_timeout_s=0.3))
    with anyio.fail_after(10), pytest.raises(ProviderError, match=r"did not respond within 0.3 s") as caught:
        await eye.describe(request())
    assert not caught.value.permanent
    with anyio.fail_after(5):
        await server.left.wait()
    await eye.aclose()


async def test_a_cancelled_call_ends_at_once(server: ModelServer, eye: ModelVision) -> None:
    server.answers.append(Answer("", hold=True))
    with anyio.fail_after(4):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(eye.describe, request())
            await server.called()
            tasks.cancel_scope.cancel()
        await server.left.wait()


async def test_closing_closes_the_connections(server: ModelServer) -> None:
    server.says("Hello")
    eye = ModelVision("openai:eye-1", EngineConfig(model_base_url=server.url))
    await eye.describe(request())
    assert server.open == 1
    await eye.aclose()
    with anyio.fail_after(5):
        await server.idle.wait()
    with pytest.raises(ProviderError, match="closed"):
        await eye.describe(request())


async def test_a_server_that_is_not_there_may_come_back() -> None:
    eye = ModelVision("ollama:eye", EngineConfig(vision_base_url="http://someone:hunter2@127.0.0.1:9/v1"))
    with pytest.raises(ProviderError, match=r"cannot be reached at 127\.0\.0\.1:9") as caught:
        await eye.describe(request())
    assert not caught.value.permanent
    assert "hunter2" not in str(caught.value)
    await eye.aclose()


async def test_a_missing_key_is_named() -> None:
    for name, variable in (("openai:x", "OPENAI_API_KEY"), ("google-gla:x", "GEMINI_API_KEY")):
        eye = ModelVision(name, EngineConfig())
        with pytest.raises(ProviderError, match=variable) as caught:
            await eye.describe(request())
        assert caught.value.permanent


async def test_an_unknown_provider_is_a_plain_sentence() -> None:
    eye = ModelVision("opnai:x", EngineConfig())
    with pytest.raises(ProviderError, match="opnai:x cannot be used") as caught:
        await eye.describe(request())
    assert caught.value.permanent


def test_without_the_extra_the_install_command_is_named() -> None:
    code = """
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pydantic_ai", "openai"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from rtstream.config import EngineConfig
from rtstream.perception.vision.model import ModelVision
from rtstream.perception.protocols import ProviderError
try:
    ModelVision("openai:x", EngineConfig()).ready()
except ProviderError as exc:
    print(exc.permanent, exc)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("True ")
    assert 'pip install "rtstream-mcp[models]"' in said


def test_making_a_provider_loads_no_client_library() -> None:
    heavy = ("pydantic_ai", "openai", "anthropic", "google.genai", "httpx", "httpx2", "PIL", "jsonschema")
    code = f"""
from rtstream.config import EngineConfig
from rtstream.perception.llm import check
from rtstream.perception.language import model as language
from rtstream.perception.vision import model as vision
import sys
vision.ModelVision("openai:x", EngineConfig())
language.ModelLanguage("anthropic:x", EngineConfig())
print([name for name in {heavy!r} if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
