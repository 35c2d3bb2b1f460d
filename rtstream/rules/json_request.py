"""Reads the JSON object that a prompt asks for, and fills in the values that are known without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rtstream.json_types import JsonObject, JsonValue

MAX_PROMPT = 20_000
"""Number of characters of a prompt that are examined."""
MAX_KEYS = 100
MAX_DEPTH = 8

Shape = Mapping[str, "str | Shape"]
"""The keys of an object, each with the words that describe its value or with the shape of an inner object."""

_BEGIN = re.compile(r"\{\s*[\"'`“]?[A-Za-z_]")
_KEY = re.compile(r"\s*(?:[\"'`“]([^\"'`“”\n]{1,100})[\"'`”]|([A-Za-z_][\w-]{0,99}))\s*:\s*")
_LIST = re.compile(
    r"\b(?:keys?|fields?|properties|attributes)\b(?:\s+(?:named|called|are|is))?\s*:?\s*"
    r"((?:[\"'`]?[A-Za-z_]\w*[\"'`]?(?:\s*,\s*(?:and\s+)?|\s+and\s+)?)+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"'`]([A-Za-z_]\w{0,99})[\"'`]")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_OPEN, _CLOSE = "[{(", "]})"
_ASKS_FIRST, _ASKS_LAST = {"contains", "has", "is", "any"}, {"present", "visible", "detected", "found"}
"""Words with which the key of a yes-or-no value begins and ends."""
_TEXT = {"text", "texts", "line", "lines", "ocr", "transcript", "speech", "spoken", "said", "words"}
_COLOURS = {"color", "colors", "colour", "colours"}
_TITLES = {"title", "window", "app", "application"}
_MOTION = {"motion", "moving", "movement", "moves"}


@dataclass(frozen=True)
class KnownFacts:
    """The facts that the built-in providers know. A field is None if it is unknown."""

    lines: Sequence[str] | None = None
    """The lines of text on screen, or the spoken text."""
    colours: Sequence[str] | None = None
    title: str | None = None
    """Title of the active window."""
    moving: bool | None = None


def requested_shape(prompt: str) -> Shape:
    """Return the shape of the object that a prompt asks for, by a template in braces or by a list of keys.

    It is empty if the prompt names no keys.
    """
    prompt = prompt[:MAX_PROMPT]
    for begin in _BEGIN.finditer(prompt):
        shape, _ = _object(prompt, begin.start() + 1, MAX_DEPTH)
        if shape:
            return shape
    listed = _LIST.search(prompt)
    words = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", listed[1].strip()) if listed else _QUOTED.findall(prompt)
    keys = [word.strip("\"'` ") for word in words]
    return dict.fromkeys([key for key in keys if key and re.fullmatch(r"[A-Za-z_]\w*", key)][:MAX_KEYS], "")


def schema_shape(schema: JsonObject) -> Shape:
    """Return the shape of the object that a JSON schema describes."""
    words = {"boolean": "true/false", "array": "[]"}
    shape: dict[str, str | Shape] = {}
    for key, described in list((schema.get("properties") or {}).items())[:MAX_KEYS]:
        kind = described.get("type") if isinstance(described, dict) else None
        shape[key] = schema_shape(described) if kind == "object" else words.get(str(kind), "")
    return shape


def filled(shape: Shape, facts: KnownFacts) -> JsonObject:
    """Return an object of this shape with the values that are known, and null for the others."""
    return {
        key: _value(key, wanted, facts) if isinstance(wanted, str) else filled(wanted, facts)
        for key, wanted in shape.items()
    }


def _object(text: str, at: int, depth: int) -> tuple[dict[str, str | Shape], int]:
    """Return the shape of the object that begins behind its brace, and the position behind it."""
    shape: dict[str, str | Shape] = {}
    while len(shape) < MAX_KEYS and (key := _KEY.match(text, at)):
        name = (key[1] or key[2]).strip()
        at = key.end()
        if at < len(text) and text[at] == "{" and depth > 1:
            inner, at = _object(text, at + 1, depth - 1)
            shape[name] = inner
            at = _end(text, at)
        else:
            end = _end(text, at)
            shape[name] = text[at:end].strip()
            at = end
        if at >= len(text) or text[at] != ",":
            break
        at += 1
    return shape, at + 1


def _end(text: str, at: int) -> int:
    """Return the position of the comma or brace that ends the value at ``at``."""
    depth, quote = 0, ""
    for position in range(at, len(text)):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in '"`':
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            if depth == 0:
                return position
            depth -= 1
        elif character == "," and depth == 0:
            return position
    return len(text)


def _value(key: str, wanted: str, facts: KnownFacts) -> JsonValue:
    ordered = [word.lower() for word in _WORD.findall(key)]
    words = set(ordered)
    is_list = wanted.startswith("[")
    is_question = re.search(r"\b(true|false|bool\w*|yes|no)\b", wanted, re.IGNORECASE) is not None
    if ordered and not is_list:
        is_question |= ordered[0] in _ASKS_FIRST or ordered[-1] in _ASKS_LAST
    if words & _TEXT and facts.lines is not None:
        if is_question:
            return bool(facts.lines)
        return list(facts.lines) if is_list else "\n".join(facts.lines)
    if words & _COLOURS and facts.colours is not None and not is_question:
        if is_list:
            return list(facts.colours)
        return ", ".join(facts.colours if words & {"colors", "colours"} else facts.colours[:1])
    if words & _MOTION and is_question:
        return facts.moving
    if words & _TITLES and not is_list and not is_question:
        return facts.title
    return None
