"""A LanguageProvider that uses a model of any provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rtstream.config import EngineConfig
from rtstream.json_types import JsonObject
from rtstream.perception.llm import prompts
from rtstream.perception.llm import responses as answers
from rtstream.perception.llm.chat import Chat
from rtstream.perception.protocols import EventQuestion, ProviderError, SceneFacts, Verdict, VisionAnswer
from rtstream.rules.text_safety import clean
from rtstream.states import Outcome

MAX_EXPLANATION = 2000

# The explanation comes first, because a model that states its observation before it decides makes better decisions.
_VERDICT: JsonObject = {
    "type": "object",
    "properties": {
        "event": {"type": "integer", "description": "number of the event"},
        "explanation": {"type": "string", "description": "one sentence"},
        "match": {"type": "boolean"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1, "description": "from 0 to 1"},
    },
    "required": ["event", "explanation", "match", "confidence"],
    "additionalProperties": False,
}
VERDICTS: JsonObject = {
    "type": "object",
    "properties": {"verdicts": {"type": "array", "items": _VERDICT}},
    "required": ["verdicts"],
    "additionalProperties": False,
}


class ModelLanguage:
    """Summarises text and decides events with the model ``name`` (``provider:model``).

    Creating an instance is cheap and opens nothing.
    """

    def __init__(self, name: str, config: EngineConfig) -> None:
        self.name = name
        self._chat = Chat(name, config, "language")

    def ready(self) -> None:
        """Check packages and keys. Raises ProviderError."""
        self._chat.ready()

    async def load(self) -> None:
        """Load the client library and open the client, without sending anything. Raises ProviderError."""
        await self._chat.load()

    async def summarise(self, prompt: str, text: str, *, json_schema: JsonObject | None = None) -> VisionAnswer:
        """Carry out ``prompt`` on ``text``, which is untrusted. Raises ProviderError."""
        parts = prompts.task_prompt(prompt, text)
        return await self._chat.answer_with_data(prompt, parts.instructions, [parts.data], json_schema)

    async def match(self, questions: Sequence[EventQuestion], scene: SceneFacts) -> list[Verdict]:
        """Return one verdict per question, in order, using a single model call.

        Raises:
            ProviderError: The call failed, or its answer is incomplete.
        """
        if not questions:
            return []
        parts = prompts.matching_prompt(questions, scene)
        reply = await self._chat.ask(parts.instructions, [parts.data], VERDICTS)
        found, problem = answers.read(reply.text, wanted=True, schema=VERDICTS)
        if found is None:
            raise ProviderError(f"{self.name} did not decide the events in the requested format. {problem}")
        by_number = {verdict["event"]: verdict for verdict in found["verdicts"]}
        if len(found["verdicts"]) != len(questions) or by_number.keys() != set(range(1, len(questions) + 1)):
            raise ProviderError(f"{self.name} did not return exactly one decision for each of {len(questions)} events.")
        first, *others = [_verdict(question, by_number[number]) for number, question in enumerate(questions, 1)]
        return [replace(first, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out), *others]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._chat.aclose()


def _verdict(question: EventQuestion, decision: JsonObject) -> Verdict:
    return Verdict(
        event_id=question.event_id,
        outcome=Outcome.MATCH if decision["match"] else Outcome.NO_MATCH,
        confidence=float(decision["confidence"]),
        explanation=clean(decision["explanation"], MAX_EXPLANATION),
    )
