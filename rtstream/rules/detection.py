"""Rules that decide an event without a model.

A rule has one or more conditions and a form. A condition states whether its subject is present in the facts of one
moment. The form states when that counts as a match: while the subject is present, when it appears, while it is absent
or when it disappears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rtstream.rules import expressions, speech_text
from rtstream.rules import fuzzy_text as misreads
from rtstream.rules.screen_changes import ScreenChanges
from rtstream.rules.sounds import Sounds
from rtstream.rules.text_safety import clean
from rtstream.states import Outcome

MAX_QUOTE = 160
"""Maximum length, in characters, of a matching line quoted in an explanation."""

FOUND_CONFIDENCE = 0.99
"""Confidence of a text that was found without a misread letter."""
ABSENT_CONFIDENCE = 0.9
"""Confidence of a text that was not found, because it may have been overlooked."""

Form = Literal["present", "appears", "absent", "disappears"]
PictureState = Literal["changed", "black", "frozen"]


@dataclass(frozen=True)
class Facts:
    """The facts known about one moment. A field is None where nothing was measured. Texts are untrusted.

    Attributes:
        texts: Lines in reading order, of which a phrase may span line breaks. Of speech, ways in which the same
            sentence is written: corrected and as it was heard.
        before: The lines of the previous look.
        picture: Measurements of the picture.
        speech: Whether there is speech.
        silence_s: Seconds since the last speech.
        connected: Whether the stream is connected.
        reason: Reason why the stream is not connected.
        spoken: Whether the texts are speech.
        lead: Speech just before, in which a phrase may begin.
        sounds: Compares words of speech by their sound. Without it, near misses are not accepted.
    """

    texts: Sequence[str] | None = None
    before: Sequence[str] | None = None
    picture: ScreenChanges = ScreenChanges()  # noqa: RUF009 - it is frozen
    speech: bool | None = None
    silence_s: float = 0.0
    connected: bool | None = None
    reason: str = ""
    spoken: bool = False
    lead: str = ""
    sounds: Sounds | None = None


def scene_facts(text: str, lines: Sequence[str], changes: ScreenChanges, kind: str = "visual") -> Facts:
    """Return the facts of a scene.

    Args:
        text: The description of the scene.
        lines: The lines read on screen. Without any, the description is searched instead, unless ``changes`` states
            that the text on screen was not read.
        changes: The changes since the previous scene.
        kind: ``visual`` or ``audio``.
    """
    if lines or changes.text_read:
        texts: list[str] | None = list(lines)
    elif kind == "visual" and changes.text_read is False:
        texts = None
    else:
        texts = [text]
    return Facts(texts, _before(lines, changes), changes, spoken=kind == "audio")


def _before(lines: Sequence[str], changes: ScreenChanges) -> list[str] | None:
    """Reconstruct the lines of the previous look from the lines that appeared and disappeared, if these are known."""
    appeared, disappeared = changes.appeared, changes.disappeared
    if appeared is None or disappeared is None or changes.first:
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
class ConditionResult:
    """The result of checking one condition. ``text`` quotes text from the stream, which is untrusted."""

    present: bool
    confidence: float
    text: str


@dataclass(frozen=True)
class Phrase:
    """A phrase is among the texts. On screen, single misread letters are tolerated; in speech, what sounds alike."""

    text: str

    unknown = "The text on screen was not read, so the phrase could not be searched for."

    @property
    def name(self) -> str:
        """The condition as it is named in sentences."""
        return f'"{self.text}"'

    def observe(self, facts: Facts) -> ConditionResult | None:
        """Search for the phrase. Returns None if no text was read."""
        if facts.texts is None:
            return None
        if facts.spoken and not misreads.is_unspaced(self.text):
            return self._hear(facts)
        found = misreads.find(self.text, misreads.fold("\n".join(facts.texts)))
        if found is None:
            return ConditionResult(False, ABSENT_CONFIDENCE, f"{self.name} was not found")
        letters = f" (misread characters tolerated: {found.misreads})" if found.misreads else ""
        return ConditionResult(
            True, found.confidence, f"{self.name} was found in the line: {_quote(found.line)}{letters}"
        )

    def _hear(self, facts: Facts) -> ConditionResult:
        lead = f"{facts.lead} " if facts.lead else ""
        texts = facts.texts or ()
        found = [
            (match, text)
            for text in texts
            if (match := speech_text.find(self.text, lead + text, facts.sounds, after=len(lead))) is not None
        ]
        if not found:
            return ConditionResult(False, ABSENT_CONFIDENCE, f"{self.name} was not found")
        match, text = min(found, key=lambda one: one[0].distance)
        said = _quote((lead if match.start < len(lead) else "") + text)
        alike = f' (heard as "{_quote(match.heard)}", which sounds alike)' if match.distance else ""
        return ConditionResult(True, match.confidence, f"{self.name} was found in the speech: {said}{alike}")


@dataclass(frozen=True)
class Expression:
    """A regular expression (RE2) matches somewhere in the texts."""

    pattern: str

    unknown = "The text on screen was not read, so the regular expression could not be searched for."

    @property
    def name(self) -> str:
        """The condition as it is named in sentences."""
        return f"/{self.pattern}/"

    def observe(self, facts: Facts) -> ConditionResult | None:
        """Search for the expression. Returns None if no text was read."""
        if facts.texts is None:
            return None
        line = expressions.find(self.pattern, "\n".join(facts.texts))
        if line is None:
            return ConditionResult(False, ABSENT_CONFIDENCE, f"{self.name} was not found")
        return ConditionResult(True, FOUND_CONFIDENCE, f"{self.name} was found in the line: {_quote(line)}")


@dataclass(frozen=True)
class PictureCondition:
    """A measured state of the picture. With ``for_s``, a frozen picture must have been still for ``for_s`` seconds."""

    state: PictureState
    for_s: float = 0.0

    unknown = "The scenes of this index contain no picture measurements. They come from the built-in vision model only."

    @property
    def name(self) -> str:
        """The condition as it is named in sentences."""
        return f"a {self.state} picture" + (f" that has been still for {self.for_s:g} s" if self.for_s else "")

    def observe(self, facts: Facts) -> ConditionResult | None:
        """Check the measurements. Returns None if the picture was not measured."""
        picture = facts.picture
        measured = {"changed": picture.changed, "black": picture.black, "frozen": picture.frozen}[self.state]
        if measured is None:
            return None
        still = picture.still_s or 0.0
        present = measured and still >= self.for_s
        text = {
            "changed": ("the picture changed", "the picture did not change"),
            "black": ("the picture is black", "the picture is not black"),
            "frozen": (f"the picture has been still for {still:.0f} s", f"the picture was still for {still:.0f} s"),
        }[self.state][not present]
        return ConditionResult(
            present, 1.0, "the picture is moving" if self.state == "frozen" and not measured else text
        )


@dataclass(frozen=True)
class Speech:
    """There is speech. It ends after ``for_s`` seconds of silence."""

    for_s: float = 10.0

    unknown = "Speech is not monitored here. Attach the event to an audio index."
    name = "speech"

    def observe(self, facts: Facts) -> ConditionResult | None:
        """Check for speech. Returns None without audio, or while the silence is shorter than ``for_s``."""
        if facts.speech is None or (not facts.speech and facts.silence_s < self.for_s):
            return None
        text = "there is speech" if facts.speech else f"there has been no speech for {facts.silence_s:.0f} s"
        return ConditionResult(facts.speech, 1.0, text)


@dataclass(frozen=True)
class Connection:
    """The stream is connected to its source."""

    unknown = "The state of the stream is unknown."
    name = "the stream"

    def observe(self, facts: Facts) -> ConditionResult | None:
        """Check the connection. Returns None while the stream is neither connected nor lost."""
        if facts.connected is None:
            return None
        lost = f"the stream is lost: {clean(facts.reason, 300)}" if facts.reason else "the stream is lost"
        return ConditionResult(facts.connected, 1.0, "the stream is connected" if facts.connected else lost)


Condition = Phrase | Expression | PictureCondition | Speech | Connection


@dataclass(frozen=True)
class Observation:
    """The joint result of a rule's conditions at one moment, before its form is applied."""

    present: bool
    confidence: float
    text: str


@dataclass(frozen=True)
class Rule:
    """The rule that decides an event."""

    conditions: tuple[Condition, ...]
    join: Literal["all", "any"] = "all"
    form: Form = "present"

    @property
    def negative(self) -> bool:
        """Whether the rule matches when something is absent."""
        return self.form in ("absent", "disappears")

    @property
    def momentary(self) -> bool:
        """Whether the rule matches at a single moment only, never twice in a row."""
        return self.form in ("appears", "disappears")

    @property
    def best_confidence(self) -> float:
        """The highest confidence that a match of this rule can have."""
        if not isinstance(self.conditions[0], Phrase | Expression):
            return 1.0
        return ABSENT_CONFIDENCE if self.negative else FOUND_CONFIDENCE

    @property
    def concerns_stream(self) -> bool:
        """Whether the rule concerns the stream itself rather than the scenes of an index."""
        return isinstance(self.conditions[0], Speech | Connection)

    @property
    def condition(self) -> str:
        """The condition in words, such as ``"Invoice 4711" appears``."""
        first = self.conditions[0]
        if not isinstance(first, Phrase | Expression):
            return _sentence(first, self.form)
        names = f" {'and' if self.join == 'all' else 'or'} ".join(condition.name for condition in self.conditions)
        return f"{names} {_VERBS[self.form]}"

    def describe(self) -> str:
        """Return a sentence or two that tell the user what the rule checks."""
        first = self.conditions[0]
        if isinstance(first, Phrase | Expression):
            kind = "phrase" if isinstance(first, Phrase) else "regular expression"
            return (
                f"Decided by searching for the {kind} only. Matches when {self.condition}{_LOOKS.get(self.form, '')}."
            )
        return f"Decided by measurement only. Matches when {self.condition}."


_VERBS: dict[Form, str] = {
    "present": "is present",
    "appears": "appears",
    "absent": "is missing",
    "disappears": "disappears",
}
_LOOKS: dict[Form, str] = {
    "appears": " (present now and absent at the previous look)",
    "disappears": " (missing now and present at the previous look)",
}


def _sentence(condition: Condition, form: Form) -> str:
    match condition:
        case Connection():
            return "the stream is lost" if form in ("absent", "disappears") else "the stream is back after a loss"
        case Speech():
            silent = f"speech stops ({condition.for_s:g} s of silence)"
            return silent if form in ("absent", "disappears") else "speech starts"
        case PictureCondition("changed"):
            return "the picture changes from one look to the next"
        case _:
            verb = {"present": "there is", "appears": "there begins to be", "absent": "there is not"}
            return f"{verb.get(form, 'there is no longer')} {condition.name}"


@dataclass(frozen=True)
class RuleDecision:
    """The decision of a rule. ``explanation`` quotes text from the stream, which is untrusted.

    ``present`` is the value of ``previously`` for the next look.
    """

    outcome: Outcome
    confidence: float
    explanation: str
    present: bool


def observe(rule: Rule, facts: Facts) -> Observation | None:
    """Check the conditions of a rule.

    Returns:
        None if the facts do not suffice. The attribute ``unknown`` of the conditions contains the reason.
    """
    found = [condition.observe(facts) for condition in rule.conditions]
    seen = [one for one in found if one is not None]
    if len(seen) < len(found):
        return None
    any_counts = rule.negative or rule.join == "any"
    present = any(one.present for one in seen) if any_counts else all(one.present for one in seen)
    sure = [one.confidence for one in seen if one.present == present]
    confidence = max(sure) if present and rule.join == "any" else min(sure)
    return Observation(present, confidence, "; ".join(one.text for one in seen))


def conclude(rule: Rule, seen: Observation, previously: bool | None = None) -> RuleDecision:
    """Apply the form of a rule to an observation.

    Args:
        rule: The rule.
        seen: The observation of this look.
        previously: ``RuleDecision.present`` of the previous look, or None if this is the first. At a first look, a
            present subject counts as having appeared, and nothing disappears.
    """
    match = {
        "present": seen.present,
        "appears": seen.present and previously is not True,
        "absent": not seen.present,
        "disappears": not seen.present and previously is True,
    }[rule.form]
    text = f"{seen.text}; {_LAST_LOOK[previously]}" if rule.momentary else seen.text
    return RuleDecision(
        Outcome.MATCH if match else Outcome.NO_MATCH, seen.confidence, f"{text[0].upper()}{text[1:]}.", seen.present
    )


def last_look(rule: Rule, facts: Facts) -> bool | None:
    """Derive ``previously`` from the facts themselves, for a rule that has not been evaluated before."""
    if isinstance(rule.conditions[0], Connection):
        return True  # a stream that was never lost cannot come back
    if facts.before is None or not isinstance(rule.conditions[0], Phrase | Expression):
        return None
    seen = observe(rule, Facts(facts.before))
    return None if seen is None else seen.present


def _quote(line: str) -> str:
    return clean(line.replace("\n", " / "), MAX_QUOTE)


_LAST_LOOK = {
    None: "this is the first look",
    True: "it was present at the previous look",
    False: "it was missing at the previous look",
}
