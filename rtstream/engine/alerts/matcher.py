"""Whether events happen in a scene: by rule where one decides, else by the language model, all of them in one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from rtstream.json_types import JsonObject
from rtstream.perception.language.local import NEEDS_MODEL, candidate_score
from rtstream.perception.protocols import EventQuestion, LanguageProvider, ProviderError, SceneFacts, Verdict
from rtstream.rules import detection, event_rules
from rtstream.rules.detection import Facts, Observation, Rule
from rtstream.rules.text_safety import clean
from rtstream.states import Matching, Outcome
from rtstream.store.indexes import SceneRow

MAX_EXPLANATION = 2000
MODEL_TIMEOUT_S = 60.0
NOT_DECIDED = (
    "This event cannot be decided without a language model, so it will not fire: scenes are only ranked as candidates. "
    'Set a model, or name what must be seen or heard in quotation marks, for example: "Invoice 4711" is on the screen.'
)
PHRASES_TOLERATE = "Capital letters, spacing and single misread letters do not matter."

Call = Callable[[LanguageProvider, Callable[[], Awaitable[list[Verdict]]]], Awaitable[list[Verdict]]]
"""Runs one call of a model within its budget, time and retries; raises ProviderError."""


@dataclass(frozen=True)
class MatchRequest:
    """One event to be decided for one alert. ``previously``: what its rule saw at the last look."""

    event_id: str
    prompt: str
    rule: JsonObject | None = None
    previously: bool | None = None


@dataclass(frozen=True)
class MatchResult:
    """The answer to a question. ``explanation`` is untrusted; ``reason``: why nothing could be decided."""

    outcome: Outcome
    confidence: float = 0.0
    explanation: str = ""
    reason: str = ""
    present: bool | None = None
    """What a rule saw: ``previously`` of the next look."""


class EventMatcher:
    """Decides events. Scenes less like an event than ``similar`` (0 to 1) are not shown to a model; 0: all are."""

    def __init__(self, language: LanguageProvider, call: Call | None = None, similar: float = 0.0) -> None:
        self._language = language
        self._call = call or _within_time
        self._similar = similar

    @property
    def _has_model(self) -> bool:
        return self._language.name != "local"

    def rule(self, prompt: str, given: JsonObject | None) -> Rule | None:
        """The rule that decides an event here; None where it takes a model."""
        rule = event_rules.rule_for_event(prompt, given)
        return rule if rule is not None and (not self._has_model or event_rules.is_exhaustive(rule, given)) else None

    def asks_model(self, prompt: str, given: JsonObject | None) -> bool:
        """Deciding this event calls a model, which takes time and may cost money."""
        return self._has_model and self.rule(prompt, given) is None

    def matching(self, prompt: str, given: JsonObject | None) -> tuple[Matching, str]:
        """How an event is decided, and what the user should know about it."""
        rule = self.rule(prompt, given)
        if rule is not None:
            phrases = isinstance(rule.conditions[0], detection.Phrase)
            return Matching.RULE, f"{rule.describe()} {PHRASES_TOLERATE}" if phrases else rule.describe()
        return (Matching.MODEL, "") if self._has_model else (Matching.NEEDS_MODEL, NOT_DECIDED)

    def by_rule(self, rule: Rule, facts: Facts, previously: bool | None) -> MatchResult:
        """Decide one event by its rule."""
        return _concluded(rule, detection.observe(rule, facts), facts, previously)

    async def judge(self, questions: Sequence[MatchRequest], scene: SceneRow) -> list[MatchResult]:
        """One answer a question, in order. Raises ProviderError when a model was needed and did not answer."""
        rules = [self.rule(question.prompt, question.rule) for question in questions]
        open_questions = {
            question.event_id: EventQuestion(question.event_id, question.prompt)
            for question, rule in zip(questions, rules, strict=True)
            if rule is None
        }
        # Several alerts on one event ask the same of the same scene: it is answered once.
        verdicts = await self._ask(list(open_questions.values()), _shown(scene)) if open_questions else {}
        facts = scene_facts(scene)
        seen: dict[Rule, Observation | None] = {}
        answers: list[MatchResult] = []
        for question, rule in zip(questions, rules, strict=True):
            if rule is None:
                answers.append(verdicts[question.event_id])
                continue
            if rule not in seen:
                seen[rule] = detection.observe(rule, facts)
            answers.append(_concluded(rule, seen[rule], facts, question.previously))
        return answers

    async def _ask(self, questions: list[EventQuestion], scene: SceneFacts) -> dict[str, MatchResult]:
        scores = {question.event_id: candidate_score(question.prompt, scene) for question in questions}
        if not self._has_model:
            return {event: MatchResult(Outcome.NEEDS_MODEL, score, NEEDS_MODEL) for event, score in scores.items()}
        near = [question for question in questions if scores[question.event_id] >= self._similar]
        found = {event: MatchResult(Outcome.NO_MATCH, score, reason=TOO_UNLIKE) for event, score in scores.items()}
        if near:
            for verdict in await self._call(self._language, lambda: self._language.match(near, scene)):
                explanation = clean(verdict.explanation, MAX_EXPLANATION)
                found[verdict.event_id] = MatchResult(verdict.outcome, verdict.confidence, explanation)
        return found


TOO_UNLIKE = "the scene is too unlike the event to ask the model (model_similarity)"


def _concluded(rule: Rule, seen: Observation | None, facts: Facts, previously: bool | None) -> MatchResult:
    if seen is None:
        return MatchResult(Outcome.FAILED, reason=rule.conditions[0].unknown, present=previously)
    before = detection.last_look(rule, facts) if previously is None else previously
    decision = detection.conclude(rule, seen, before)
    return MatchResult(
        decision.outcome, decision.confidence, clean(decision.explanation, MAX_EXPLANATION), present=decision.present
    )


def scene_facts(scene: SceneRow) -> Facts:
    """What a rule may look at of a stored scene: what was read or heard, not what a model made of it."""
    detail = scene.detail
    if detail.transcript is not None:
        return Facts([detail.transcript])
    changes = detail.changes
    if detail.unchanged and changes.changed is None:
        changes = replace(changes, changed=False)
    return detection.scene_facts(scene.text, detail.lines, changes)


def _shown(scene: SceneRow) -> SceneFacts:
    """What a model may look at of a stored scene."""
    detail = scene.detail
    if detail.transcript is not None:
        return SceneFacts(f"{scene.text}\n\nVerbatim:\n{detail.transcript}", kind="audio")
    return SceneFacts(text=scene.text, lines=detail.lines, changes=detail.changes)


async def _within_time(_provider: LanguageProvider, ask: Callable[[], Awaitable[list[Verdict]]]) -> list[Verdict]:
    try:
        with anyio.fail_after(MODEL_TIMEOUT_S):
            return await ask()
    except TimeoutError:
        raise ProviderError(f"The language model did not answer within {MODEL_TIMEOUT_S:.0f} s.") from None
