"""A vision model of any provider as a VisionProvider."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception.llm import prompts
from rtstream.perception.llm.chat import Chat
from rtstream.perception.protocols import ProviderError, VisionAnswer, VisionRequest

MAX_PICTURES = 60


class ModelVision:
    """Looks at pictures with the model ``name`` (``provider:model``). Making one is cheap and opens nothing."""

    def __init__(self, name: str, config: EngineConfig) -> None:
        self.name = name
        self._chat = Chat(name, config, "vision")

    def ready(self) -> None:
        """Raise ProviderError when a package or a key is missing."""
        self._chat.ready()

    async def load(self) -> None:
        """Load the client library and open the client; nothing is sent. Raises ProviderError."""
        await self._chat.load()

    async def describe(self, request: VisionRequest) -> VisionAnswer:
        """The model's answer to the prompt, verbatim; ``data`` when JSON was asked for. Raises ProviderError."""
        if not 1 <= len(request.pictures) <= MAX_PICTURES:
            raise ProviderError(f"A model looks at 1 to {MAX_PICTURES} pictures at a time.", permanent=True)
        content = [request.prompt, *(picture.jpeg for picture in request.pictures)]
        return await self._chat.answer(request.prompt, prompts.seeing(request.pictures), content, request.json_schema)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._chat.aclose()
