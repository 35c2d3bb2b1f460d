"""Derives the rule that decides an event, from its structured ``rule`` or from a prompt in a documented form.

Besides quoted phrases (see ``phrases``), a prompt as a whole may take one of these forms, optionally after "when"::

    the text matches /ERR-[0-9]+/           or: appears, disappears, is missing
    the picture changes                     the picture is black | turns black | is no longer black | is not black
    the picture is frozen for 30 s          the picture freezes | is no longer frozen
    speech starts | speech stops
    the stream is lost | the stream is back

A structured rule is one of these JSON objects::

    {"text": "Invoice 4711" or ["a", "b"], "join": "all" | "any", "when": "present"|"appears"|"absent"|"disappears"}
    {"regex": "ERR-[0-9]+", "when": ...}
    {"picture": "changed" | "black" | "frozen", "when": ..., "for_s": 30}
    {"speech": "started" | "stopped", "for_s": 10}
    {"stream": "lost" | "back"}
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import get_args

from rtstream.json_types import JsonObject
from rtstream.rules import expressions, japanese, phrases
from rtstream.rules.detection import (
    Condition,
    Connection,
    Expression,
    Form,
    Phrase,
    PictureCondition,
    PictureState,
    Rule,
    Speech,
)

KINDS = ("text", "regex", "picture", "speech", "stream")
MAX_PHRASE = 300  # characters
MAX_FOR_S = 86_400.0
SILENCE_S = 10.0
"""Seconds of silence after which speech counts as stopped."""
RULE_HELP = (
    'A rule looks like {"text": "Invoice 4711", "when": "appears"} and has exactly one of the keys '
    f"{', '.join(KINDS)}."
)


def rule_for_event(prompt: str, structured: JsonObject | None) -> Rule | None:
    """Return the rule that decides an event, or None if it needs a model.

    Args:
        prompt: The event prompt.
        structured: The structured rule, which must have passed ``from_json``. It takes precedence over the prompt.
    """
    return _cached(prompt, json.dumps(structured, sort_keys=True) if structured else "")


@lru_cache(maxsize=1024)
def _cached(prompt: str, structured: str) -> Rule | None:
    return from_json(json.loads(structured)) if structured else from_prompt(prompt)


def is_exhaustive(rule: Rule, structured: JsonObject | None) -> bool:
    """Return whether the rule captures the full meaning of the event, so that no model is called even if there is one.

    A prompt with quoted phrases may mean more than its phrases, and a model can describe a picture that was not
    measured.
    """
    return bool(structured) or not isinstance(rule.conditions[0], Phrase | PictureCondition)


# prompts

_LEAD = re.compile(r"(?:please )?(?:(?:alert|tell|notify|warn) me )?(?:when|if|once|whenever)\s+", re.I)
_REGEX = re.compile(
    r"(?:the |any |some )?(?:(?:on-?screen |spoken )?(?:text|line|speech) )?(?:match(?:es|ing)|regex) "
    r"/(?P<pattern>.+)/(?P<flags>i?)(?: (?P<rest>.+))?",
    re.I | re.S,
)
_REGEX_FORMS: dict[str, Form] = {
    "is there": "present",
    "is on the screen": "present",
    "is visible": "present",
    "appears": "appears",
    "is missing": "absent",
    "is not there": "absent",
    "is not visible": "absent",
    "disappears": "disappears",
    "is gone": "disappears",
}
_PICTURE = r"(?:the )?(?:picture|image|screen|video) "
_FOR = r"(?: for (?:at least )?(?P<seconds>\d{1,5}) ?(?:s|sec|seconds?))?"
_SENTENCES: tuple[tuple[str, str, Form], ...] = (
    (_PICTURE + r"(?:changes|changed|has changed)", "changed", "present"),
    (_PICTURE + r"is (?:completely |all )?black", "black", "present"),
    (_PICTURE + r"(?:turns|goes|becomes) black", "black", "appears"),
    (_PICTURE + r"is not black", "black", "absent"),
    (_PICTURE + r"is no longer black", "black", "disappears"),
    (_PICTURE + r"is frozen" + _FOR, "frozen", "present"),
    (_PICTURE + r"freezes" + _FOR, "frozen", "appears"),
    (_PICTURE + r"is not frozen", "frozen", "absent"),
    (_PICTURE + r"is no longer frozen", "frozen", "disappears"),
    (r"speech (?:starts|started|begins)|some(?:one|body) (?:starts|begins) speaking", "speech", "appears"),
    (r"speech (?:stops|stopped|ends)" + _FOR, "speech", "disappears"),
    (r"(?:the )?stream (?:is|gets) lost", "stream", "absent"),
    (r"(?:the )?stream (?:is|comes) back", "stream", "appears"),
)


def from_prompt(prompt: str) -> Rule | None:
    """Return the rule of a prompt in a documented form, or None for any other prompt."""
    plain = _LEAD.sub("", " ".join(prompt.split()), count=1).rstrip(" .!")
    expression = _REGEX.fullmatch(plain)
    if expression is not None:
        return _expression(expression)
    for pattern, kind, form in _SENTENCES:
        found = re.fullmatch(pattern, plain.lower())
        if found is not None:
            seconds = float(found.groupdict().get("seconds") or 0)
            return Rule((_measured(kind, seconds),), form=form)
    measurement = japanese.measurement(prompt)
    if measurement is not None:
        return Rule((_measured(measurement.kind, measurement.seconds),), form=measurement.form)
    return phrases.plan(prompt)


def _expression(found: re.Match[str]) -> Rule | None:
    form = _REGEX_FORMS.get((found["rest"] or "is there").lower())
    pattern = f"(?i){found['pattern']}" if found["flags"] else found["pattern"]
    if form is None:
        return None
    try:
        expressions.check(pattern)
    except ValueError:
        return None
    return Rule((Expression(pattern),), form=form)


def _measured(kind: str, seconds: float) -> Condition:
    if kind == "speech":
        return Speech(seconds or SILENCE_S)
    if kind == "stream":
        return Connection()
    return PictureCondition(kind, seconds)  # pyright: ignore[reportArgumentType]


# structured rules


def from_json(structured: JsonObject) -> Rule:
    """Parse a structured rule.

    Raises:
        ValueError: The rule is invalid. The message tells the user how to write it.
    """
    kinds = [kind for kind in KINDS if kind in structured]
    if len(kinds) != 1:
        raise ValueError(RULE_HELP)
    kind = kinds[0]
    allowed = {"text": ("join", "when"), "regex": ("when",), "picture": ("when", "for_s"), "speech": ("for_s",)}
    unknown = sorted(set(structured) - {kind, *allowed.get(kind, ())})
    if unknown:
        more = f"accepts only {', '.join(allowed[kind])} as further keys" if kind in allowed else "accepts no other key"
        raise ValueError(f"A rule with {kind} {more}.")
    match kind:
        case "text":
            return _text(structured)
        case "regex":
            expressions.check(_word(structured, "regex"))
            return Rule((Expression(structured["regex"]),), form=_form(structured))
        case "picture":
            return _picture(structured)
        case "speech":
            state = _one_of(structured, "speech", ("started", "stopped"))
            return Rule(
                (Speech(_seconds(structured, SILENCE_S)),), form="appears" if state == "started" else "disappears"
            )
        case _:
            state = _one_of(structured, "stream", ("lost", "back"))
            return Rule((Connection(),), form="absent" if state == "lost" else "appears")


def _text(structured: JsonObject) -> Rule:
    wanted = structured["text"] if isinstance(structured["text"], list) else [structured["text"]]
    fits = all(
        isinstance(one, str) and len(one) <= MAX_PHRASE and any(char.isalnum() for char in one) for one in wanted
    )
    if not fits or not 1 <= len(wanted) <= phrases.MAX_PHRASES:
        raise ValueError(
            f"text must be a phrase or a list of at most {phrases.MAX_PHRASES} phrases, each with at least one "
            f"letter or digit and at most {MAX_PHRASE} characters."
        )
    join, form = _one_of({"join": "all", **structured}, "join", ("all", "any")), _form(structured)
    if join == "any" and len(wanted) > 1 and form in ("absent", "disappears"):
        raise ValueError(f"join 'any' with when '{form}' is ambiguous. Create a separate event for each phrase.")
    return Rule(tuple(Phrase(one.strip()) for one in wanted), "any" if join == "any" else "all", form)


def _picture(structured: JsonObject) -> Rule:
    state = _one_of(structured, "picture", get_args(PictureState))
    form = _form(structured)
    if state == "changed" and form != "present":
        raise ValueError("A picture rule with 'changed' has no other form. Omit when.")
    if state != "frozen" and structured.get("for_s") is not None:
        raise ValueError("for_s applies to a frozen picture only. For a black one, use consecutive on the alert.")
    return Rule((PictureCondition(state, _seconds(structured, 0.0)),), form=form)  # pyright: ignore[reportArgumentType]


def _form(structured: JsonObject) -> Form:
    return _one_of({"when": "present", **structured}, "when", get_args(Form))  # pyright: ignore[reportReturnType]


def _word(structured: JsonObject, name: str) -> str:
    if not isinstance(structured[name], str):
        raise ValueError(f"{name} must be a string.")
    return structured[name]


def _one_of(structured: JsonObject, name: str, words: tuple[str, ...]) -> str:
    if structured[name] not in words:
        raise ValueError(f"{name} must be one of {', '.join(words)}.")
    return structured[name]


def _seconds(structured: JsonObject, default: float) -> float:
    seconds = structured.get("for_s", default)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_FOR_S:
        raise ValueError(f"for_s must be a number of seconds from 0 to {MAX_FOR_S:g}.")
    return float(seconds)
