"""The built-in language provider. It decides events by rule and reports that all others need a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rapidfuzz import fuzz, utils

from rtstream.json_types import JsonObject
from rtstream.perception.llm.responses import asks_for_json
from rtstream.perception.protocols import EventQuestion, ProviderError, SceneFacts, Verdict, VisionAnswer
from rtstream.rules import detection, event_rules
from rtstream.rules.json_request import KnownFacts, filled, requested_shape
from rtstream.rules.text_safety import clean
from rtstream.states import Outcome

MAX_EXTRACT = 1200  # characters
NEEDS_MODEL = "This event needs a language model. The score only ranks candidates."


class LocalLanguage:
    """LanguageProvider ``local``."""

    name = "local"

    def ready(self) -> None:
        """Do nothing, because rules require neither packages nor keys."""

    async def load(self) -> None:
        """Do nothing, because nothing takes long to load."""

    async def summarise(self, prompt: str, text: str, *, json_schema: JsonObject | None = None) -> VisionAnswer:
        """Return the beginning and end of ``text`` verbatim.

        The prompt is followed only in the keys of a JSON object, whose values are null unless they are the text.
        """
        if json_schema is not None:
            raise ProviderError("Structured answers need a language model. Set one or omit the schema.", permanent=True)
        extract = _extract(text)
        if not asks_for_json(prompt):
            return VisionAnswer(extract, self.name)
        data = filled(requested_shape(prompt) or {"text": ""}, KnownFacts(lines=[extract] if extract else []))
        return VisionAnswer(json.dumps(data, ensure_ascii=False), self.name, data=data)

    async def match(self, questions: Sequence[EventQuestion], scene: SceneFacts) -> list[Verdict]:
        """Decide events whose prompt has a documented form.

        Any other event is ``needs_model``, with a score for ranking.
        """
        return [_match(question, scene) for question in questions]

    async def aclose(self) -> None:
        """Do nothing, because there is nothing to release."""


def _match(question: EventQuestion, scene: SceneFacts) -> Verdict:
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
    """Return the share (0 to 1) of the prompt's words that occur in the scene.

    By measurement, it is useless for a decision but reasonable for ranking.
    """
    text = " ".join([scene.text, *scene.lines])[:20_000]
    score = fuzz.token_set_ratio(prompt, text, processor=utils.default_process)
    return round(score / 100, 3)


def _extract(text: str) -> str:
    text = " ".join(clean(text, 100_000).split())
    if len(text) <= MAX_EXTRACT:
        return text
    half = MAX_EXTRACT // 2
    begin = text[:half].rsplit(" ", 1)[0]
    end = text[-half:].split(" ", 1)[-1]
    return f"{begin} … {end}"
