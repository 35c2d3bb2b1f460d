"""Which rule decides an event: the structured ``rule`` beside its prompt, or a prompt in one of the documented forms.

Prompts, besides quoted phrases (see ``phrases``); each is the whole prompt, with or without "when" before it::

    the text matches /ERR-[0-9]+/           also: appears, disappears, is missing
    the picture changes                     the picture is black | turns black | is no longer black | is not black
    the picture is frozen for 30 s          the picture freezes | is no longer frozen
    speech starts | speech stops
    the stream is lost | the stream is back

Structured, as JSON, exactly one of::

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
from typing import Any, get_args

from rtstream.rules import expressions, phrases
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
"""Seconds without words after which speech has stopped."""
HOW = 'A rule is like {"text": "Invoice 4711", "when": "appears"}; it has exactly one of ' + ", ".join(KINDS) + "."


def of_event(prompt: str, given: dict[str, Any] | None) -> Rule | None:
    """The rule that decides an event; None when it takes a model. ``given`` was checked by ``from_json``."""
    return _cached(prompt, json.dumps(given, sort_keys=True) if given else "")


@lru_cache(maxsize=1024)
def _cached(prompt: str, given: str) -> Rule | None:
    return from_json(json.loads(given)) if given else from_prompt(prompt)


def exact(rule: Rule, given: dict[str, Any] | None) -> bool:
    """The rule says all that the event means, so that no model is asked even where there is one.

    A prompt with quoted phrases may mean more than its phrases, and a model can judge a picture nobody measured.
    """
    return bool(given) or not isinstance(rule.conditions[0], Phrase | PictureCondition)


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
    """The rule a prompt in a documented form means; None for any other prompt."""
    plain = _LEAD.sub("", " ".join(prompt.split()), count=1).rstrip(" .!")
    expression = _REGEX.fullmatch(plain)
    if expression is not None:
        return _expression(expression)
    for pattern, kind, form in _SENTENCES:
        found = re.fullmatch(pattern, plain.lower())
        if found is not None:
            seconds = float(found.groupdict().get("seconds") or 0)
            return Rule((_measured(kind, seconds),), form=form)
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


# structured


def from_json(given: dict[str, Any]) -> Rule:
    """The rule in a structured ``rule``. Raises ValueError with one sentence."""
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        raise ValueError(HOW)
    kind = kinds[0]
    allowed = {"text": ("join", "when"), "regex": ("when",), "picture": ("when", "for_s"), "speech": ("for_s",)}
    unknown = sorted(set(given) - {kind, *allowed.get(kind, ())})
    if unknown:
        more = f"takes only {', '.join(allowed[kind])} beside it" if kind in allowed else "takes nothing beside it"
        raise ValueError(f"A rule with {kind} {more}.")
    match kind:
        case "text":
            return _text(given)
        case "regex":
            expressions.check(_word(given, "regex"))
            return Rule((Expression(given["regex"]),), form=_form(given))
        case "picture":
            return _picture(given)
        case "speech":
            state = _one_of(given, "speech", ("started", "stopped"))
            return Rule((Speech(_seconds(given, SILENCE_S)),), form="appears" if state == "started" else "disappears")
        case _:
            state = _one_of(given, "stream", ("lost", "back"))
            return Rule((Connection(),), form="absent" if state == "lost" else "appears")


def _text(given: dict[str, Any]) -> Rule:
    wanted = given["text"] if isinstance(given["text"], list) else [given["text"]]
    fits = all(
        isinstance(one, str) and len(one) <= MAX_PHRASE and any(char.isalnum() for char in one) for one in wanted
    )
    if not fits or not 1 <= len(wanted) <= phrases.MAX_PHRASES:
        raise ValueError(
            f"text is a phrase, or a list of at most {phrases.MAX_PHRASES}, each with a letter or digit and at most "
            f"{MAX_PHRASE} characters."
        )
    join, form = _one_of({"join": "all", **given}, "join", ("all", "any")), _form(given)
    if join == "any" and len(wanted) > 1 and form in ("absent", "disappears"):
        raise ValueError(f"join 'any' with when '{form}' has two meanings. Create one event for each phrase.")
    return Rule(tuple(Phrase(one.strip()) for one in wanted), "any" if join == "any" else "all", form)


def _picture(given: dict[str, Any]) -> Rule:
    state = _one_of(given, "picture", get_args(PictureState))
    form = _form(given)
    if state == "changed" and form != "present":
        raise ValueError("A picture that changed has no other form: leave when out.")
    if state != "frozen" and given.get("for_s") is not None:
        raise ValueError("for_s goes with a frozen picture only; for a black one use consecutive on the alert.")
    return Rule((PictureCondition(state, _seconds(given, 0.0)),), form=form)  # pyright: ignore[reportArgumentType]


def _form(given: dict[str, Any]) -> Form:
    return _one_of({"when": "present", **given}, "when", get_args(Form))  # pyright: ignore[reportReturnType]


def _word(given: dict[str, Any], name: str) -> str:
    if not isinstance(given[name], str):
        raise ValueError(f"{name} must be a text.")
    return given[name]


def _one_of(given: dict[str, Any], name: str, words: tuple[str, ...]) -> str:
    if given[name] not in words:
        raise ValueError(f"{name} must be one of {', '.join(words)}.")
    return given[name]


def _seconds(given: dict[str, Any], default: float) -> float:
    seconds = given.get("for_s", default)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_FOR_S:
        raise ValueError(f"for_s must be a number of seconds from 0 to {MAX_FOR_S:g}.")
    return float(seconds)
