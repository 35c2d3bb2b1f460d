"""The embedded language provider: decides what can be decided by rule, and says of the rest that it needs a model."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, utils

from rtstream.json_types import JsonObject
from rtstream.perception.protocols import EventQuestion, ProviderError, SceneFacts, Verdict, VisionAnswer
from rtstream.rules import detection, event_rules
from rtstream.rules.text_safety import clean
from rtstream.states import Outcome

MAX_EXTRACT = 1200  # characters
NEEDS_MODEL = "This event needs a language model; the score only ranks candidates."


class LocalLanguage:
    """LanguageProvider ``local``."""

    name = "local"

    def ready(self) -> None:
        """Nothing is missing: it is a set of rules."""

    async def load(self) -> None:
        """Nothing takes long."""

    async def summarise(self, prompt: str, text: str, *, json_schema: JsonObject | None = None) -> VisionAnswer:
        """Verbatim beginning and end of ``text``, labelled as an extract. It does not follow the prompt."""
        if json_schema is not None:
            raise ProviderError(
                "Structured answers need a language model; set one, or leave the schema out.", permanent=True
            )
        return VisionAnswer(f"Extract (no language model is set): {_extract(text)}", self.name)

    async def judge(self, questions: Sequence[EventQuestion], scene: SceneFacts) -> list[Verdict]:
        """Prompts in a documented form are decided; any other event is ``needs_model`` with a score that only ranks."""
        return [_judge(question, scene) for question in questions]

    async def aclose(self) -> None:
        """Nothing to free."""


def _judge(question: EventQuestion, scene: SceneFacts) -> Verdict:
    rule = event_rules.from_prompt(question.prompt)
    if rule is None or rule.concerns_stream:
        return Verdict(
            question.event_id, Outcome.NEEDS_MODEL, 0.0, NEEDS_MODEL, candidate_score(question.prompt, scene)
        )
    facts = detection.scene_facts(scene.text, scene.lines, scene.changes, scene.kind)
    seen = detection.observe(rule, facts)
    if seen is None:
        return Verdict(question.event_id, Outcome.NEEDS_MODEL, 0.0, rule.conditions[0].unknown)
    decision = detection.conclude(rule, seen, detection.last_look(rule, facts))
    return Verdict(question.event_id, decision.outcome, decision.confidence, decision.explanation)


def candidate_score(prompt: str, scene: SceneFacts) -> float:
    """0 to 1: how many of the prompt's words are in the scene. Measured: useless as a yes or no, fair for ranking."""
    text = " ".join([scene.text, *scene.lines])[:20_000]
    score = fuzz.token_set_ratio(prompt, text, processor=utils.default_process)
    return round(score / 100, 3)


def _extract(text: str) -> str:
    text = " ".join(clean(text, 100_000).split())
    if not text:
        return "nothing was said."
    if len(text) <= MAX_EXTRACT:
        return f"“{text}”"
    half = MAX_EXTRACT // 2
    begin = text[:half].rsplit(" ", 1)[0]
    end = text[-half:].split(" ", 1)[-1]
    return f"“{begin}” … “{end}”"
