"""A VisionProvider that uses a model of any provider."""

from __future__ import annotations

from rtstream.config import EngineConfig
from rtstream.perception.llm import prompts
from rtstream.perception.llm.chat import Chat
from rtstream.perception.protocols import ProviderError, VisionAnswer, VisionRequest

MAX_PICTURES = 60


class ModelVision:
    """Describes pictures with the model ``name`` (``provider:model``).

    Creating an instance is cheap and opens nothing.
    """

    def __init__(self, name: str, config: EngineConfig) -> None:
        self.name = name
        self._chat = Chat(name, config, "vision")

    def ready(self) -> None:
        """Check packages and keys. Raises ProviderError."""
        self._chat.ready()

    async def load(self) -> None:
        """Load the client library and open the client, without sending anything. Raises ProviderError."""
        await self._chat.load()

    async def describe(self, request: VisionRequest) -> VisionAnswer:
        """Return the model's answer to the prompt, verbatim, with ``data`` if JSON was requested.

        Raises ProviderError.
        """
        if not 1 <= len(request.pictures) <= MAX_PICTURES:
            raise ProviderError(f"A request must contain 1 to {MAX_PICTURES} pictures.", permanent=True)
        content = [request.prompt, *(picture.jpeg for picture in request.pictures)]
        return await self._chat.answer_with_data(
            request.prompt, prompts.picture_instructions(request.pictures), content, request.json_schema
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._chat.aclose()
