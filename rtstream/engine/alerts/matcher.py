"""Decides which events occur in a scene or in speech.

An event is decided by a rule if one applies. All other events are decided by a single call of the language model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from rtstream.json_types import JsonObject
from rtstream.perception.language.local import NEEDS_MODEL, candidate_score
from rtstream.perception.protocols import EventQuestion, LanguageProvider, ProviderError, SceneFacts, Verdict
from rtstream.rules import detection, event_rules
from rtstream.rules.detection import Facts, Observation, Rule
from rtstream.rules.event_media import IndexKind, medium_of, obstacle
from rtstream.rules.sounds import Sounds
from rtstream.rules.text_safety import clean
from rtstream.states import Matching, Outcome
from rtstream.store.indexes import SceneRow

MAX_EXPLANATION = 2000
MODEL_TIMEOUT_S = 60.0
NOT_DECIDED = (
    "This event cannot be decided without a language model. Scenes are only ranked as candidates, so it will not fire. "
    'Set a model, or put the words to be seen or heard in quotation marks, for example "Invoice 4711" is on the screen.'
)
PHRASE_TOLERANCE = "Capital letters, spacing and single misread letters are ignored."
SPEECH_TOLERANCE = (
    "Capital letters are ignored, number words are numbers, and words of at least six letters may be heard as words "
    "that sound alike (near_misses)."
)

Call = Callable[[LanguageProvider, Callable[[], Awaitable[list[Verdict]]]], Awaitable[list[Verdict]]]
"""Makes one model call within its budget, time limit and retries. Raises ProviderError."""


@dataclass(frozen=True)
class MatchRequest:
    """One event to be decided for one alert. ``previously`` is ``present`` of the previous result."""

    event_id: str
    prompt: str
    rule: JsonObject | None = None
    previously: bool | None = None
    near_misses: bool = True
    """Whether words of speech may be heard as words that sound alike."""


@dataclass(frozen=True)
class Evidence:
    """The evidence for events: the facts for rules, and the text for a model."""

    facts: Facts
    shown: SceneFacts

    @classmethod
    def of_scene(cls, scene: SceneRow) -> Evidence:
        """Return the evidence in a stored scene: text read or heard, and for a model also its description."""
        detail = scene.detail
        if detail.transcript is not None:
            shown = SceneFacts(f"{scene.text}\n\nVerbatim:\n{detail.transcript}", kind="audio")
            return cls(Facts([detail.transcript], spoken=True), shown)
        changes = detail.changes
        if detail.unchanged and changes.changed is None:
            changes = replace(changes, changed=False)
        return cls(
            detection.scene_facts(scene.text, detail.lines, changes),
            SceneFacts(text=scene.text, lines=detail.lines, changes=detail.changes),
        )

    @classmethod
    def of_speech(cls, texts: Sequence[str], lead: str = "") -> Evidence:
        """Return the evidence in a sentence.

        Args:
            texts: The ways in which it is written. A model is shown the first one.
            lead: The sentence before, if there was hardly a pause.
        """
        shown = f"{lead} {texts[0]}" if lead else texts[0]
        return cls(Facts(texts, spoken=True, lead=lead), SceneFacts(shown, kind="audio"))


@dataclass(frozen=True)
class MatchResult:
    """The decision on one event.

    ``explanation`` is untrusted text. ``reason`` is set if the event could not be decided.
    """

    outcome: Outcome
    confidence: float = 0.0
    explanation: str = ""
    reason: str = ""
    present: bool | None = None
    """Whether the rule found its condition met. It becomes ``previously`` of the next request."""


class EventMatcher:
    """Decides events by rule or language model.

    Args:
        language: The language model, or the built-in provider if none is set.
        call: Wrapper of model calls. By default, calls only get a time limit.
        similar: Minimum similarity (0 to 1) of a scene to an event for the model to be asked. 0 shows it all scenes.
        sounds: Compares words of speech by their sound.
    """

    def __init__(
        self,
        language: LanguageProvider,
        call: Call | None = None,
        similar: float = 0.0,
        sounds: Sounds | None = None,
    ) -> None:
        self._language = language
        self._call = call or _within_time
        self._similar = similar
        self._sounds = sounds or Sounds()

    @property
    def _has_model(self) -> bool:
        return self._language.name != "local"

    def rule(self, prompt: str, given: JsonObject | None) -> Rule | None:
        """Return the rule that decides an event, or None if the event needs a model."""
        rule = event_rules.rule_for_event(prompt, given)
        return rule if rule is not None and (not self._has_model or event_rules.is_exhaustive(rule, given)) else None

    def asks_model(self, prompt: str, given: JsonObject | None) -> bool:
        """Return whether deciding this event calls a model, which takes time and may cost money."""
        return self._has_model and self.rule(prompt, given) is None

    def matching(self, prompt: str, given: JsonObject | None, index: IndexKind | None = None) -> tuple[Matching, str]:
        """Return how an event is decided, and a note for the user.

        Args:
            prompt: The event prompt.
            given: The structured rule, or None.
            index: The index of an alert, or None for an event as such.
        """
        rule = self.rule(prompt, given)
        if index is not None and (reason := obstacle(medium_of(prompt, given), rule, index)):
            return Matching.CANNOT_DECIDE, reason
        if rule is not None:
            phrases = isinstance(rule.conditions[0], detection.Phrase)
            heard = index.audio if index is not None else medium_of(prompt, given) == "audio"
            tolerance = SPEECH_TOLERANCE if heard else PHRASE_TOLERANCE
            return Matching.RULE, f"{rule.describe()} {tolerance}" if phrases else rule.describe()
        return (Matching.MODEL, "") if self._has_model else (Matching.NEEDS_MODEL, NOT_DECIDED)

    def match_rule(self, rule: Rule, facts: Facts, previously: bool | None) -> MatchResult:
        """Decide one event by its rule."""
        return _conclude(rule, detection.observe(rule, facts), facts, previously)

    async def match(self, requests: Sequence[MatchRequest], evidence: Evidence) -> list[MatchResult]:
        """Decide events on a moment with at most one model call.

        Returns:
            One result per request, in the same order.

        Raises:
            ProviderError: The model was needed and did not respond.
        """
        rules = [self.rule(request.prompt, request.rule) for request in requests]
        # Spoken phrases are not searched in pictures, nor visible ones in speech, though the same words may be there.
        kind = IndexKind(audio=evidence.facts.spoken, measured=True)
        lacking = [
            obstacle(medium_of(request.prompt, request.rule), rule, kind)
            for request, rule in zip(requests, rules, strict=True)
        ]
        open_questions = {
            request.event_id: EventQuestion(request.event_id, request.prompt)
            for request, rule, reason in zip(requests, rules, lacking, strict=True)
            if rule is None and not reason
        }
        # Several alerts on one event ask the same question about the scene, so the model is asked it only once.
        verdicts = await self._ask(list(open_questions.values()), evidence.shown) if open_questions else {}
        near = replace(evidence.facts, sounds=self._sounds) if evidence.facts.spoken else evidence.facts
        seen: dict[tuple[Rule, bool], Observation | None] = {}
        results: list[MatchResult] = []
        for request, rule, reason in zip(requests, rules, lacking, strict=True):
            if reason:
                results.append(MatchResult(Outcome.FAILED, reason=reason, present=request.previously))
                continue
            if rule is None:
                results.append(verdicts[request.event_id])
                continue
            key, facts = (rule, request.near_misses), near if request.near_misses else evidence.facts
            if key not in seen:
                seen[key] = detection.observe(rule, facts)
            results.append(_conclude(rule, seen[key], facts, request.previously))
        return results

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


def _conclude(rule: Rule, seen: Observation | None, facts: Facts, previously: bool | None) -> MatchResult:
    if seen is None:
        return MatchResult(Outcome.FAILED, reason=rule.conditions[0].unknown, present=previously)
    before = detection.last_look(rule, facts) if previously is None else previously
    decision = detection.conclude(rule, seen, before)
    return MatchResult(
        decision.outcome, decision.confidence, clean(decision.explanation, MAX_EXPLANATION), present=decision.present
    )


async def _within_time(_provider: LanguageProvider, ask: Callable[[], Awaitable[list[Verdict]]]) -> list[Verdict]:
    try:
        with anyio.fail_after(MODEL_TIMEOUT_S):
            return await ask()
    except TimeoutError:
        raise ProviderError(f"The language model did not respond within {MODEL_TIMEOUT_S:.0f} s.") from None
