"""A language model of any provider as a LanguageProvider."""

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

# The explanation comes first: a model that says what it sees before it decides, decides better.
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
    """Summarises and decides with the model ``name`` (``provider:model``). Making one is cheap and opens nothing."""

    def __init__(self, name: str, config: EngineConfig) -> None:
        self.name = name
        self._chat = Chat(name, config, "language")

    def ready(self) -> None:
        """Raise ProviderError when a package or a key is missing."""
        self._chat.ready()

    async def load(self) -> None:
        """Load the client library and open the client; nothing is sent. Raises ProviderError."""
        await self._chat.load()

    async def summarise(self, prompt: str, text: str, *, json_schema: JsonObject | None = None) -> VisionAnswer:
        """Answer ``prompt`` about ``text`` (untrusted). Raises ProviderError."""
        parts = prompts.answering(prompt, text)
        return await self._chat.answer(prompt, parts.instructions, [parts.data], json_schema)

    async def judge(self, questions: Sequence[EventQuestion], scene: SceneFacts) -> list[Verdict]:
        """One verdict a question, in order, in one call. Raises ProviderError, also when the answer is incomplete."""
        if not questions:
            return []
        parts = prompts.judging(questions, scene)
        reply = await self._chat.ask(parts.instructions, [parts.data], VERDICTS)
        found, problem = answers.read(reply.text, wanted=True, schema=VERDICTS)
        if found is None:
            raise ProviderError(f"{self.name} did not decide the events as asked. {problem}")
        given = {verdict["event"]: verdict for verdict in found["verdicts"]}
        if len(found["verdicts"]) != len(questions) or given.keys() != set(range(1, len(questions) + 1)):
            raise ProviderError(f"{self.name} did not answer exactly once for each of {len(questions)} events.")
        first, *others = [_verdict(question, given[number]) for number, question in enumerate(questions, 1)]
        return [replace(first, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out), *others]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._chat.aclose()


def _verdict(question: EventQuestion, given: JsonObject) -> Verdict:
    return Verdict(
        event_id=question.event_id,
        outcome=Outcome.MATCH if given["match"] else Outcome.NO_MATCH,
        confidence=float(given["confidence"]),
        explanation=clean(given["explanation"], MAX_EXPLANATION),
    )
