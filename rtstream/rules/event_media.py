"""Decides whether an event is seen or said, and why an index can never decide it.

A quoted phrase alone may be expected on the screen or in the speech. The other words of the prompt decide:
``"budget" is said`` and ``someone mentions "budget"`` are about speech, ``"budget" is on the screen`` and ``a sign says
"budget"`` are about the picture. A prompt without such a word may be decided on any index. The words are those of
English, of Japanese (see ``japanese``), and the most common ones of German, French and Spanish.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rtstream.json_types import JsonObject
from rtstream.rules import event_rules, japanese, phrases
from rtstream.rules.detection import Connection, Expression, Phrase, PictureCondition, Rule, Speech

Medium = Literal["video", "audio", "noise", "any"]
"""The medium of an event: pictures, speech, audio that is not speech, or either of the first two."""

_LEAD = re.compile(
    r"^\W*(?:please )?(?:(?:alert|tell|notify|warn|inform|message|email|text|ping|let) (?:me|us)(?: know)?\W+)?"
    r"(?:(?:when|if|once|whenever|as soon as|that)\s+)?"
)
_DISPLAY = (
    r"(?:sign|banner|screen|slide|label|caption|subtitle|poster|display|page|window|dialog|dialogue|pop-?up|toast|"
    r"message|notification|chat|board|whiteboard|title|header|heading|headline|button|badge|tab|icon|menu|terminal|"
    r"console|log|table|chart|dashboard|monitor|scoreboard|ticker|text|picture|image|video|frame|document|email|"
    r"letter|paper|shirt|plate|card|meter|gauge|clock|watch|ui|app|website|browser|spreadsheet|cell|form|field)s?"
)
_CARRIED = r"(?:sign|banner|poster|label|shirt|plate|card|badge)s?"
_SPEAKER = (
    r"(?:some ?one|some ?body|any ?one|any ?body|every ?one|people|men|women|he|she|they|we|i|you|audience|(?:person|"
    r"speaker|presenter|host|moderator|teacher|student|customer|client|caller|agent|participant|attendee|guest|man|"
    r"woman|boy|girl|child|kid|voice|colleague|boss|manager|doctor|nurse|patient|narrator|commentator|reporter|anchor|"
    r"lecturer|user|visitor|employee|candidate|interviewer)s?)"
)
_PLACE = rf"(?:on|in|at|from|near|behind) (?:the |an? |my |our |his |her )?(?!{_CARRIED}\b)[\w']+"
_SAY = (
    r"(?:says?|said|saying|mention(?:s|ed|ing)?|utter(?:s|ed|ing)?|announc(?:es?|ed|ing)|shout(?:s|ed|ing)?|"
    r"yell(?:s|ed|ing)?|whisper(?:s|ed|ing)?|pronounc(?:es?|ed|ing)|ask(?:s|ed|ing)?|promise[sd]?|promising|"
    r"complain(?:s|ed|ing)?|swear(?:s|ing)?|discuss(?:es|ed|ing)?|(?:talk|speak)(?:s|ed|ing)? (?:about|of)|"
    r"spoke (?:about|of)|call(?:s|ed|ing)? out|brings? up|brought up|read(?:s|ing)? (?:out|aloud))"
)
_TOLD = re.compile(rf"\b{_SPEAKER}\b(?:[^\w.\x00]+(?:{_PLACE}|(?!{_DISPLAY}\b)[\w']+)){{0,5}}?[^\w.\x00]+{_SAY}\b")
"""A speaker and a verb of speech, without a display between them that would be the subject of the verb."""
_SPOKEN = re.compile(
    r"\b(?:is|are|was|were|be|been|being|gets?|got)\b(?:\W+(?!\x00)\w+){0,2}?\W+"
    r"(?:said|spoken|uttered|heard|pronounced|shouted|whispered|yelled|called out|read (?:out|aloud))\b"
    r"|\bhear(?:s|d|ing)?\b|\b(?:aloud|out loud|verbally|orally|audibl[ey]|spoken|speech|voices?)\b"
    r"|\bin the (?:audio|conversation|call)\b"
)
_SEEN = re.compile(
    rf"\b(?:{_DISPLAY}|visible|invisible|shown|shows?|showing|displayed|displays|written|printed|seen|sees?|"
    r"looks? like|on-?\s?screen|reads|typed|(?:it|which|this) says)\b"
)
_SAID = re.compile(rf"\b{_SAY}\b")
_SPEECH_VERB = r"(?:said|spoken|heard|mentioned|says|mentions|uttered)"
_SIGHT = r"(?:shown|seen|visible|written|displayed|shows|appears|on (?:the |a )?(?:screen|slide))"
_EITHER = re.compile(rf"\b{_SPEECH_VERB}\b[^.]*\bor\b[^.]*\b{_SIGHT}\b|\b{_SIGHT}\b[^.]*\bor\b[^.]*\b{_SPEECH_VERB}\b")
_NOISE = re.compile(
    r"\b(?:siren|alarm|bark(?:s|ing)?|dog|doorbell|gun ?shots?|explosion|applause|music|laughter|scream(?:s|ing)?|"
    r"noise|bang|crash|glass|knock(?:s|ing)?|beep(?:s|ing)?|horn|footsteps|thunder)s?\b"
)
_AUDIBLE = re.compile(r"\b(?:hear(?:s|d|ing)?|audibl[ey]|sounds?|goes off|rings?|loud|noise)\b")

_SAID_ELSEWHERE = re.compile(
    r"\b(?:gesagt|sag(?:t|en|te)|erwähn\w+|gesprochen|sprich(?:t|st)|sprechen|gehört|(?:zu )?hören|hörbar|"
    r"dit(?:es?)?|prononc\w+|mentionn\w+|parl(?:e|ent|é)|enten(?:d|ds|du|dre)|annonc\w+|"
    r"dice[ns]?|dich[oa]s?|menciona\w*|pronuncia\w*|oye[ns]?|escucha\w*|habla[ns]?)\b"
)
_SEEN_ELSEWHERE = re.compile(
    r"\b(?:bildschirm\w*|zu sehen|sichtbar|(?:an)?gezeigt|zeigt|folien?|geschrieben|schild|fenster|"
    r"écran|affich\w+|diapo\w*|montr\w+|écrite?s?|fenêtre|"
    r"pantalla|se ve[n]?|muestra[n]?|diapositiva\w*|escrit[oa]s?|ventana)\b"
)

NO_SPEECH_HERE = (
    "This event is about something that is said, but a scene index contains only pictures. Omit the index, or use an "
    "audio index."
)
NO_PICTURE_HERE = (
    "This event is about something that is seen, but an audio index contains only speech. Use a scene index."
)
ONLY_SPEECH = (
    "This event is about a noise. Only speech is analysed in audio, so it never fires. Describe something that is seen "
    "or said instead."
)
NOT_MEASURED = (
    "This event needs measurements of the picture, which only the built-in vision model takes. Use a scene index with "
    "model_name='local'."
)
NOT_READ = (
    "This event needs the text on screen, but this engine cannot read it. Install the extra `local`, or set a vision "
    "model."
)


@dataclass(frozen=True)
class IndexKind:
    """The properties of an index that decide which events it can decide.

    Attributes:
        audio: Whether it is an audio index, or the transcript itself.
        measured: Whether its pictures are measured, which only the built-in vision model does.
        reads_text: Whether text on screen is read, or described by a model.
    """

    audio: bool
    measured: bool = False
    reads_text: bool = True


def medium_of(prompt: str, structured: JsonObject | None) -> Medium:
    """Return what an event needs.

    Args:
        prompt: The event prompt.
        structured: The structured rule, which must have passed ``event_rules.from_json``, or None.
    """
    return _cached(prompt, json.dumps(structured, sort_keys=True) if structured else "")


@lru_cache(maxsize=1024)
def _cached(prompt: str, structured: str) -> Medium:
    rule = event_rules.rule_for_event(prompt, json.loads(structured) if structured else None)
    match rule.conditions[0] if rule is not None else None:
        case PictureCondition():
            return "video"
        case Speech():
            return "audio"
        case Connection():
            return "any"
        case None:
            return _in_words(prompt)
        case _:  # a noise that is written in quotation marks is said or read
            medium = _in_words(prompt)
            return "audio" if medium == "noise" else medium


def _in_words(prompt: str) -> Medium:
    rest = _LEAD.sub("", " ".join(phrases.split(prompt)[1].split()), count=1)
    if japanese.is_japanese(rest):
        return japanese.medium(rest)
    if _EITHER.search(rest):
        return "any"
    if _NOISE.search(rest) and _AUDIBLE.search(rest) and not _TOLD.search(rest):
        return "noise"
    if _TOLD.search(rest) or _SPOKEN.search(rest):
        return "audio"
    if _SEEN.search(rest):
        return "video"
    if _SAID.search(rest):
        return "audio"
    said, seen = _SAID_ELSEWHERE.search(rest), _SEEN_ELSEWHERE.search(rest)
    return "any" if bool(said) == bool(seen) else "audio" if said else "video"


def obstacle(medium: Medium, rule: Rule | None, index: IndexKind) -> str:
    """Return the reason why an event can never be decided on an index, or an empty string if it can.

    Args:
        medium: The result of ``medium_of``.
        rule: The rule that decides the event, or None if a model does.
        index: The index.
    """
    if rule is not None and isinstance(rule.conditions[0], Connection):
        return ""
    if index.audio:
        return {"video": NO_PICTURE_HERE, "noise": ONLY_SPEECH}.get(medium, "")
    if medium == "audio":
        return NO_SPEECH_HERE
    condition = rule.conditions[0] if rule is not None else None
    if isinstance(condition, PictureCondition) and not index.measured:
        return NOT_MEASURED
    if isinstance(condition, Phrase | Expression) and not index.reads_text:
        return NOT_READ
    return ""
