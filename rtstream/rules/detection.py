"""What decides an event without a model: conditions on what was seen or heard, and the form in which they are asked.

A condition says of the facts of one moment whether it is there. The form says when that is a match: while it is there,
when it appears, while it is missing, when it disappears. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rtstream.rules import expressions
from rtstream.rules import fuzzy_text as misreads
from rtstream.rules.text_safety import clean

MAX_QUOTE = 160
"""Characters of a found line that an explanation quotes."""

Form = Literal["present", "appears", "absent", "disappears"]
PictureState = Literal["changed", "black", "frozen"]


@dataclass(frozen=True)
class Facts:
    """What is known of one moment; None where nobody looked or listened. Texts are untrusted."""

    texts: Sequence[str] | None = None
    """Lines in reading order; a phrase may run over line breaks."""
    before: Sequence[str] | None = None
    """The lines of the look before this one."""
    picture: Mapping[str, Any] = field(default_factory=dict)
    """``changed``, ``black``, ``frozen`` (bool) and ``still_s`` (seconds)."""
    speech: bool | None = None
    silence_s: float = 0.0
    """Seconds since somebody spoke last."""
    connected: bool | None = None
    reason: str = ""
    """Why the stream is not connected."""


def scene_facts(text: str, lines: Sequence[str], changes: Mapping[str, Any], kind: str = "visual") -> Facts:
    """The facts of a scene: ``lines`` read on screen, or its text where no lines are known (a model's words)."""
    if lines or changes.get("text_read"):
        texts: list[str] | None = list(lines)
    elif kind == "visual" and changes.get("text_read") is False:
        texts = None
    else:
        texts = [text]
    return Facts(texts, _before(lines, changes), changes)


def _before(lines: Sequence[str], changes: Mapping[str, Any]) -> list[str] | None:
    """The lines of the last look, as the lines that came and went tell; None when they do not."""
    appeared, disappeared = changes.get("appeared"), changes.get("disappeared")
    if appeared is None or disappeared is None or changes.get("first"):
        return None
    came = list(appeared)
    before = []
    for line in lines:
        if line in came:
            came.remove(line)
        else:
            before.append(line)
    return [*before, *disappeared]


@dataclass(frozen=True)
class Seen:
    """Whether a condition is there, how sure that is, and what to say of it (quotes stream text: untrusted)."""

    there: bool
    confidence: float
    said: str


@dataclass(frozen=True)
class Phrase:
    """The phrase is among the texts, single misread letters allowed for."""

    text: str

    unknown = "Text on screen was not read, so the phrase could not be looked for."

    @property
    def name(self) -> str:
        """As it is called in sentences."""
        return f'"{self.text}"'

    def observe(self, facts: Facts) -> Seen | None:
        """Look for it; None when nobody looked."""
        if facts.texts is None:
            return None
        found = misreads.find(self.text, misreads.fold("\n".join(facts.texts)))
        if found is None:
            return Seen(False, 0.9, f"{self.name} was not found")
        letters = f" (misread characters allowed for: {found.misreads})" if found.misreads else ""
        return Seen(True, found.confidence, f"{self.name} was found in the line: {_quote(found.line)}{letters}")


@dataclass(frozen=True)
class Expression:
    """The regular expression (RE2) matches somewhere in the texts."""

    pattern: str

    unknown = "Text on screen was not read, so the regular expression could not be looked for."

    @property
    def name(self) -> str:
        """As it is called in sentences."""
        return f"/{self.pattern}/"

    def observe(self, facts: Facts) -> Seen | None:
        """Look for it; None when there is nothing to look at."""
        if facts.texts is None:
            return None
        line = expressions.find(self.pattern, "\n".join(facts.texts))
        if line is None:
            return Seen(False, 0.9, f"{self.name} was not found")
        return Seen(True, 0.99, f"{self.name} was found in the line: {_quote(line)}")


@dataclass(frozen=True)
class PictureCondition:
    """What was measured of the picture; ``for_s``: a frozen picture has stood still for so many seconds."""

    state: PictureState
    for_s: float = 0.0

    unknown = "The scenes of this index carry no measurements of the picture; the embedded vision model makes them."

    @property
    def name(self) -> str:
        """As it is called in sentences."""
        return f"a {self.state} picture" + (f" that stood still for {self.for_s:g} s" if self.for_s else "")

    def observe(self, facts: Facts) -> Seen | None:
        """None when the picture was not measured."""
        measured = facts.picture.get(self.state)
        if not isinstance(measured, bool):
            return None
        still = float(facts.picture.get("still_s") or 0.0)
        there = measured and still >= self.for_s
        said = {
            "changed": ("the picture changed", "the picture did not change"),
            "black": ("the picture is black", "the picture is not black"),
            "frozen": (f"the picture has stood still for {still:.0f} s", f"the picture stood still for {still:.0f} s"),
        }[self.state][not there]
        return Seen(there, 1.0, "the picture moves" if self.state == "frozen" and not measured else said)


@dataclass(frozen=True)
class Speech:
    """Somebody speaks; over once nobody has for ``for_s`` seconds."""

    for_s: float = 10.0

    unknown = "Nobody listens: speech is watched on audio indexes."
    name = "speech"

    def observe(self, facts: Facts) -> Seen | None:
        """None when nobody listens, or the silence is too short to be one."""
        if facts.speech is None or (not facts.speech and facts.silence_s < self.for_s):
            return None
        said = "somebody speaks" if facts.speech else f"nobody has spoken for {facts.silence_s:.0f} s"
        return Seen(facts.speech, 1.0, said)


@dataclass(frozen=True)
class Connection:
    """The stream is connected to its source."""

    unknown = "The state of the stream is not known."
    name = "the stream"

    def observe(self, facts: Facts) -> Seen | None:
        """None while the stream is neither connected nor lost."""
        if facts.connected is None:
            return None
        lost = f"the stream is lost: {clean(facts.reason, 300)}" if facts.reason else "the stream is lost"
        return Seen(facts.connected, 1.0, "the stream is connected" if facts.connected else lost)


Condition = Phrase | Expression | PictureCondition | Speech | Connection


@dataclass(frozen=True)
class Observation:
    """What a rule's conditions say of one moment, before its form is asked for."""

    there: bool
    confidence: float
    said: str


@dataclass(frozen=True)
class Rule:
    """What decides an event."""

    conditions: tuple[Condition, ...]
    join: Literal["all", "any"] = "all"
    form: Form = "present"

    @property
    def negative(self) -> bool:
        """It is about what is missing."""
        return self.form in ("absent", "disappears")

    @property
    def momentary(self) -> bool:
        """It matches at one moment only, never twice in a row."""
        return self.form in ("appears", "disappears")

    @property
    def of_journal(self) -> bool:
        """It is about the stream itself, not about what an index saw."""
        return isinstance(self.conditions[0], Speech | Connection)

    def describe(self) -> str:
        """One sentence for the user: what is looked at, and nothing else."""
        first = self.conditions[0]
        if isinstance(first, Phrase | Expression):
            kind = "phrase" if isinstance(first, Phrase) else "regular expression"
            names = f" {'and' if self.join == 'all' else 'or'} ".join(condition.name for condition in self.conditions)
            return f"Decided by looking for the {kind} only: true when {names} {_VERBS[self.form]}."
        return f"Decided by measuring only: true when {_sentence(first, self.form)}."


_VERBS: dict[Form, str] = {
    "present": "is there",
    "appears": "appears (is there, and was not at the last look)",
    "absent": "is missing",
    "disappears": "disappears (is missing, and was there at the last look)",
}


def _sentence(condition: Condition, form: Form) -> str:
    match condition:
        case Connection():
            return "the stream is lost" if form in ("absent", "disappears") else "the stream is back after it was lost"
        case Speech():
            silent = f"nobody speaks any more ({condition.for_s:g} s of silence)"
            return silent if form in ("absent", "disappears") else "somebody begins to speak"
        case PictureCondition("changed"):
            return "the picture changes from one look to the next"
        case _:
            verb = {"present": "there is", "appears": "there begins to be", "absent": "there is not"}
            return f"{verb.get(form, 'there is no longer')} {condition.name}"


@dataclass(frozen=True)
class RuleDecision:
    """``explanation`` quotes stream text: untrusted. ``present`` is the ``previously`` of the next look."""

    outcome: Literal["match", "no_match"]
    confidence: float
    explanation: str
    present: bool


def observe(rule: Rule, facts: Facts) -> Observation | None:
    """What is there; None when the facts cannot tell (``unknown`` of its conditions says why)."""
    found = [condition.observe(facts) for condition in rule.conditions]
    seen = [one for one in found if one is not None]
    if len(seen) < len(found):
        return None
    any_counts = rule.negative or rule.join == "any"
    there = any(one.there for one in seen) if any_counts else all(one.there for one in seen)
    sure = [one.confidence for one in seen if one.there == there]
    confidence = max(sure) if there and rule.join == "any" else min(sure)
    return Observation(there, confidence, "; ".join(one.said for one in seen))


def conclude(rule: Rule, seen: Observation, previously: bool | None = None) -> RuleDecision:
    """Whether the rule matches; ``previously`` is ``present`` of the last look, None when there was none.

    At a first look what is there appears, and nothing disappears.
    """
    match = {
        "present": seen.there,
        "appears": seen.there and previously is not True,
        "absent": not seen.there,
        "disappears": not seen.there and previously is True,
    }[rule.form]
    said = f"{seen.said}; {_LAST_LOOK[previously]}" if rule.momentary else seen.said
    return RuleDecision("match" if match else "no_match", seen.confidence, f"{said[0].upper()}{said[1:]}.", seen.there)


def last_look(rule: Rule, facts: Facts) -> bool | None:
    """``previously`` as the facts themselves tell it: for a rule that has looked at nothing yet."""
    if isinstance(rule.conditions[0], Connection):
        return True  # a stream that was never seen lost cannot come back
    if facts.before is None or not isinstance(rule.conditions[0], Phrase | Expression):
        return None
    seen = observe(rule, Facts(facts.before))
    return None if seen is None else seen.there


def decide(rule: Rule, texts: Sequence[str], previously: bool | None = None) -> RuleDecision:
    """``conclude`` on texts alone. The rule must be about texts."""
    seen = observe(rule, Facts(texts))
    assert seen is not None
    return conclude(rule, seen, previously)


def _quote(line: str) -> str:
    return clean(line.replace("\n", " / "), MAX_QUOTE)


_LAST_LOOK = {
    None: "this is the first look",
    True: "it was there at the last look",
    False: "it was missing at the last look",
}
