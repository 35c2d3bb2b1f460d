"""Calls one model through pydantic-ai, without hidden retries. Connections are opened on the first call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio

from rtstream.config import EngineConfig
from rtstream.json_types import JsonObject
from rtstream.perception.llm import responses as answers
from rtstream.perception.llm.names import INSTALL, OPENAI_COMPATIBLE, Role, Target, target
from rtstream.perception.protocols import ProviderError, VisionAnswer

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.providers import Provider

_CLIENTS = {"anthropic": "anthropic", "google": "google.genai", "google-cloud": "google.genai"}


@dataclass(frozen=True)
class Reply:
    """A model's answer, verbatim. ``cut`` means that it reached the length limit."""

    text: str
    cut: bool
    tokens_in: int
    tokens_out: int


class Chat:
    """Calls the model ``name`` (``provider:model``) in one role. Creating an instance is cheap and opens nothing."""

    def __init__(self, name: str, config: EngineConfig, role: Role) -> None:
        self.target = target(config, role, name)
        self._timeout_s = config.model_timeout_s
        self._max_tokens = config.model_max_tokens
        self._opening = anyio.Lock()
        self._model: Model | None = None
        self._open = AsyncExitStack()
        self._closed = False

    def ready(self) -> None:
        """Check packages and keys.

        Raises:
            ProviderError: The model cannot be called because a package or a key is missing.
        """
        name, provider = self.target.name, self.target.provider
        client = "openai" if provider in OPENAI_COMPATIBLE else _CLIENTS.get(provider, "pydantic_ai")
        if not (_installed("pydantic_ai") and _installed(client)):
            raise ProviderError(f"{name} requires packages that are not installed. Run: {INSTALL}", permanent=True)
        if self.target.needs_key and not self.target.api_key:
            variables = " or ".join(self.target.key_variables)
            raise ProviderError(
                f"{name} requires an API key. Set the environment variable {variables} for the engine and restart it.",
                permanent=True,
            )

    async def load(self) -> None:
        """Load the client library, which takes a second or more. Raises ProviderError."""
        await self._opened()

    async def ask(self, instructions: str, content: Sequence[str | bytes], schema: JsonObject | None = None) -> Reply:
        """Send instructions and a message to the model.

        Args:
            instructions: The trusted instructions.
            content: Texts and JPEG pictures of the message.
            schema: JSON schema that the answer must match, or None for text.

        Raises:
            ProviderError: The model cannot be called or failed.
        """
        model = await self._opened()
        from pydantic_ai.direct import model_request
        from pydantic_ai.exceptions import AgentRunError, UserError
        from pydantic_ai.messages import BinaryContent, ModelRequest, UserPromptPart
        from pydantic_ai.settings import ModelSettings

        from rtstream.perception.llm.failures import explain

        parts = [item if isinstance(item, str) else BinaryContent(item, media_type="image/jpeg") for item in content]
        settings = ModelSettings(
            max_tokens=self._max_tokens, max_retries=0, timeout=self._timeout_s, request_timeout=self._timeout_s
        )
        request = ModelRequest(parts=[UserPromptPart(parts)], instructions=instructions)
        try:
            response = await model_request(
                model, [request], model_settings=settings, model_request_parameters=_parameters(model, schema)
            )
        except (AgentRunError, UserError, ValueError) as exc:
            raise explain(exc, self.target, self._timeout_s) from exc
        return self._reply(response)

    async def answer_with_data(
        self, prompt: str, instructions: str, content: Sequence[str | bytes], schema: JsonObject | None
    ) -> VisionAnswer:
        """Send a message and parse the JSON that ``prompt`` or ``schema`` asks for. Raises ProviderError."""
        if schema is not None:
            try:
                answers.check_schema(schema)
            except ValueError as exc:
                raise ProviderError(str(exc), permanent=True) from None
        reply = await self.ask(instructions, content, schema)
        data, data_error = answers.read(reply.text, wanted=answers.asks_for_json(prompt), schema=schema)
        if data_error and reply.cut:
            data_error = "The answer reached its length limit and is incomplete. " + data_error
        return VisionAnswer(
            text=reply.text,
            model=self.target.name,
            data=data,
            data_error=data_error,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
        )

    async def aclose(self) -> None:
        """Close the connections. No further call is possible."""
        self._closed = True
        async with self._opening:
            self._model = None
            await self._open.aclose()

    async def _opened(self) -> Model:
        async with self._opening:
            if self._closed:
                raise ProviderError(f"{self.target.name} is closed because the engine is stopping.", permanent=True)
            if self._model is None:
                self.ready()
                # In a thread, because loading the library takes a second of CPU time that must not delay the streams.
                model = await anyio.to_thread.run_sync(_load, self.target, self._timeout_s)
                self._model = await self._open.enter_async_context(model)
            return self._model

    def _reply(self, response: ModelResponse) -> Reply:
        from pydantic_ai.messages import TextPart, ToolCallPart

        name = self.target.name
        texts = [part.content for part in response.parts if isinstance(part, TextPart)]
        called = [part.args_as_json_str() for part in response.parts if isinstance(part, ToolCallPart)]
        text = "".join(called or texts).strip()
        if response.finish_reason == "content_filter":
            raise ProviderError(f"{name} refused to describe this (content filter).", permanent=True)
        cut = response.finish_reason == "length"
        if not text:
            why = "reached its length limit before the answer began. Raise RTSTREAM_MODEL_MAX_TOKENS" if cut else ""
            raise ProviderError(f"{name} {why or 'returned an empty answer'}.", permanent=cut)
        return Reply(text, cut, response.usage.input_tokens, response.usage.output_tokens)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _load(target: Target, timeout_s: float) -> Model:
    """Return the library's model object. Slow on the first call. Raises ProviderError."""
    from pydantic_ai.exceptions import UserError

    from rtstream.perception.llm.failures import explain

    try:
        return _model(target)
    except ImportError as exc:
        raise ProviderError(
            f"{target.name} requires a package that is not installed. Run: pip install "
            f'"pydantic-ai-slim[{target.provider}]"',
            permanent=True,
        ) from exc
    except (UserError, ValueError) as exc:
        raise explain(UserError(str(exc)), target, timeout_s) from exc


def _model(target: Target) -> Model:
    provider, model, url, key = target.provider, target.model, target.base_url or None, target.api_key or None
    if provider in OPENAI_COMPATIBLE:
        from pydantic_ai.models.openai import OpenAIChatModel

        # Chat completions instead of OpenAI's newer Responses API, because all these servers implement it.
        return OpenAIChatModel(model, provider=_openai_compatible(provider, url, key))
    if provider == "google":
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleModel(model, provider=GoogleProvider(api_key=key))
    from pydantic_ai.models import infer_model

    return infer_model(f"{provider}:{model}")


def _openai_compatible(provider: str, url: str | None, key: str | None) -> Provider[AsyncOpenAI]:
    if provider == "ollama":
        from pydantic_ai.providers.ollama import OllamaProvider

        return OllamaProvider(base_url=url, api_key=key)
    if provider == "vllm":
        from pydantic_ai.providers.vllm import VLLMProvider

        return VLLMProvider(base_url=url, api_key=key)
    if url:
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        return OpenAICompatibleProvider(provider, base_url=url, api_key=key)
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIProvider(api_key=key)


def _parameters(model: Model, schema: JsonObject | None) -> ModelRequestParameters:
    """Choose how the model is held to a schema: natively, as the arguments of a tool, or by its instructions."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    if schema is None:
        return ModelRequestParameters()
    if not model.profile.get("supports_json_schema_output", False) and model.profile.get("supports_tools", True):
        tool = ToolDefinition(name="answer", parameters_json_schema=schema, kind="output")
        return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)
    native = model.profile.get("supports_json_schema_output", False)
    definition = OutputObjectDefinition(json_schema=schema, name="answer")
    return ModelRequestParameters(output_mode="native" if native else "prompted", output_object=definition)
