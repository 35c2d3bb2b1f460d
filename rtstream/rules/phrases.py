"""Parses event prompts with quoted phrases that are present, appear, disappear or are missing.

The documented form is a prompt with at least one phrase in quotation marks, straight or typographic::

    "Invoice 4711" is on the screen         true while the phrase is present
    "Invoice 4711" appears                  true when it is present and was absent at the previous look
    "Recording" is not visible              true while it is missing
    "Recording" disappears / is gone        true when it is missing and was present at the previous look

Several phrases must all be present, unless they are joined with "or". In a negated or vanishing form, none of them may
be present. The rest of the prompt is not evaluated, and ``Rule.describe`` informs the user about it. A prompt whose
other words would change its meaning (counts, durations, conditions, two negations, user actions) yields no rule and
needs a model. Prompts may be in English or Japanese (see ``japanese``). In any other language, only a prompt without
a negation is a rule.
"""

from __future__ import annotations

import re
from typing import Literal

from rtstream.rules import japanese
from rtstream.rules.detection import Form, Phrase, Rule

MAX_PHRASES = 10

_DOUBLE = re.compile(r'["“”„‟«»＂]([^"“”„‟«»＂]{1,300})["“”‟«»＂]|「([^」]{1,300})」|『([^』]{1,300})』')
_SINGLE = re.compile(r"(?<!\w)['‘‚‹`]((?:[^'‘’‚‹›`]|(?<=\w)['’](?=\w)){1,300})['’›`](?!\w)")
_HOLE = "\x00"  # takes the place of a phrase in the rest of the prompt

_DISAPPEARS = re.compile(
    r"\b(disappear\w*|vanish\w*|gone|removed|cleared|go(es)? away|no longer|not\b[^.\x00]*\b(any ?more|any longer)"
    r"|\w+n't\b[^.\x00]*\b(any ?more|any longer)|stops? (being|showing))\b"
)
_ABSENT = re.compile(r"\b(not|no|never|without|missing|absent|neither|none|cannot|hidden|lacks?|\w+n't)\b")
_APPEARS = re.compile(r"\b(appear(s|ed|ing)?|(show|come|pop|turn)(s|ed)? up|came up|becomes? visible)\b")
_OTHER_MEANING = re.compile(
    r"\d|\b(minutes?|seconds?|hours?|times|twice|until|unless|before|after|than|but|while|except|instead|again"
    r"|chang(e|es|ed|ing)|click\w*|press(es|ed)?|taps?|hovers?|drags?|delet(e|es|ed)|select(s|ed)?|typed|typing)\b"
)
_NEGATED_ELSEWHERE = re.compile(
    r"\b(nicht|nie|kein\w*|ohne|fehl(?:t|en)|verschw\w+|pas|ne [^\x00]*plus|n'\w+ plus|sans|aucune?|manque\w*"
    r"|dispara[iîr]\w*|sin|falta\w*|desaparec\w*|senza|manca\w*|scompar\w*|niet|geen|zonder|verdw\w+|não|sem"
    r"|нет|не|без|исчез\w*)\b|没|沒|不|消失|无|未|없|않|사라"
)
"""Words of languages whose prompts are not read. A negated one must not fire when its phrase is present."""


def plan(prompt: str) -> Rule | None:
    """Return the rule that decides an event prompt, or None if the prompt needs a model."""
    phrases, rest = split(prompt)
    if not 1 <= len(phrases) <= MAX_PHRASES or re.search(r'["“”„‟«»＂]', rest):
        return None
    if not all(re.search(r"[^\W_]", phrase) for phrase in phrases) or _OTHER_MEANING.search(rest):
        return None
    if japanese.is_japanese(rest):
        join, form = japanese.join(rest.split(_HOLE)[1:-1], rest), japanese.form(rest)
    elif _NEGATED_ELSEWHERE.search(rest):
        return None
    else:
        join, form = _join(rest), _form(rest)
    if join is None or form is None or (join == "any" and form in ("absent", "disappears")):
        return None  # a negation with "or" could mean none of them or not all of them
    return Rule(tuple(Phrase(phrase) for phrase in phrases), join, form)


def split(prompt: str) -> tuple[list[str], str]:
    """Return the quoted phrases of a prompt, and the rest of it in lower case with a null character for each phrase."""
    quoted = _DOUBLE if _DOUBLE.search(prompt) else _SINGLE
    phrases = [next(group for group in match.groups() if group).strip() for match in quoted.finditer(prompt)]
    return phrases, quoted.sub(_HOLE, prompt).lower().replace("’", "'")


def _join(rest: str) -> Literal["all", "any"] | None:
    """Return how the phrases are joined, or None if the prompt uses both "and" and "or"."""
    between = rest.split(_HOLE)[1:-1]
    has_or = any(re.search(r"\bor\b|\|", part) for part in between)
    has_and = any(re.search(r"\b(and|nor)\b|&", part) for part in between)
    if re.search(r"\b(any|either|one) of\b", rest):
        has_or = True
    if has_or and has_and:
        return None
    return "any" if has_or else "all"


def _form(rest: str) -> Form | None:
    """Return the form of the prompt, or None if it contains more than one negation."""
    remaining, vanishing = _DISAPPEARS.subn(" ", rest)
    negations = len(_ABSENT.findall(remaining))
    if vanishing + negations > 1:
        return None
    if vanishing:
        return "disappears"
    if negations:
        return "absent"
    return "appears" if _APPEARS.search(rest) else "present"
