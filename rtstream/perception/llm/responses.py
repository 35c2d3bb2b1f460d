"""Extracts JSON from a model's answer, validates it and makes it safe to store. Also validates users' JSON schemas."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn

from rtstream.json_types import JsonObject, JsonValue
from rtstream.perception.llm.names import INSTALL
from rtstream.rules.text_safety import clean

MAX_SCHEMA = 20_000
"""Maximum length of a JSON schema, in characters."""
MAX_ANSWER = 200_000
"""Number of characters of an answer that are examined."""
_MAX_STRING = 20_000
_MAX_DEPTH = 50
_FENCE = re.compile(r"```[ \t]*(?:json\w*)?[ \t]*\r?\n(.*?)```", re.S | re.I)


def asks_for_json(prompt: str) -> bool:
    """Return whether the prompt asks for JSON."""
    return re.search(r"\bjson\b", prompt, re.I) is not None


def check_schema(schema: JsonObject) -> None:
    """Validate a user's JSON schema.

    Raises:
        ValueError: The schema cannot be used. The message is one sentence for the user.
    """
    try:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import Draft202012Validator
    except ModuleNotFoundError:
        raise ValueError(f"JSON schemas require packages that are not installed. Run: {INSTALL}") from None

    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("The JSON schema must consist of plain JSON values.") from None
    if size > MAX_SCHEMA:
        raise ValueError(f"The JSON schema is longer than {MAX_SCHEMA} characters. Shorten it.")
    if schema.get("type") != "object":
        raise ValueError('The JSON schema must describe an object. Give it "type": "object" and "properties".')
    for key, value in _keywords(schema):
        if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
            raise ValueError('The JSON schema may only refer to its own parts, so every "$ref" must begin with #.')
        if key == "patternProperties":
            raise ValueError("The JSON schema must not use patternProperties. Name the properties instead.")
    try:
        Draft202012Validator.check_schema(schema)
    except RecursionError:
        raise ValueError("The JSON schema is nested too deeply. Flatten it.") from None
    except SchemaError as exc:
        where = ".".join(str(part) for part in exc.absolute_path) or "its top level"
        raise ValueError(f"The JSON schema is invalid at {where[:100]}: {clean(exc.message, 200)}.") from None


def read(text: str, *, wanted: bool, schema: JsonObject | None = None) -> tuple[JsonObject | None, str]:
    """Extract the JSON object from an answer.

    Args:
        text: The answer.
        wanted: Whether JSON was requested. A ``schema`` implies this.
        schema: The JSON schema of the object, if any.

    Returns:
        The object or None, and the reason why it is missing if JSON was requested.
    """
    wanted = wanted or schema is not None
    try:
        data = _safe(_find(text[:MAX_ANSWER], anywhere=wanted))
    except (ValueError, RecursionError):
        return None, "The answer is not valid JSON." if wanted else ""
    if not isinstance(data, dict):
        return None, "The answer is JSON, but not an object." if wanted else ""
    problem = _mismatch(data, schema) if schema is not None else ""
    return (None, problem) if problem else (data, "")


def _find(text: str, *, anywhere: bool) -> JsonValue:
    """Parse the answer as a whole, else its first fenced block, else (``anywhere``) from its first brace."""
    text = text.strip()
    try:
        return _loads(text)
    except (ValueError, RecursionError):
        fence = _FENCE.search(text)
        if fence:
            return _loads(fence[1])
        brace = text.find("{")
        if not anywhere or brace < 0:
            raise
        # Only the first brace counts, because an inner object of a truncated answer must not pass for the answer.
        return _DECODER.raw_decode(text, brace)[0]


def _loads(text: str) -> JsonValue:
    return _DECODER.decode(text.strip())


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def _safe(value: JsonValue, depth: int = 0) -> JsonValue:
    """Return the value with its texts cleaned like any text from a stream."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return clean(value, _MAX_STRING)
    if isinstance(value, list):
        return [_safe(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean(key, 200): _safe(item, depth + 1) for key, item in value.items()}
    return value


def _mismatch(data: JsonObject, schema: JsonObject) -> str:
    from jsonschema.validators import Draft202012Validator, extend
    from referencing import Registry

    # Patterns are left to the model's own enforcement, because one bad expression could block the engine for minutes.
    # The empty registry prevents the library from fetching references.
    kind = extend(Draft202012Validator, {"pattern": None})
    for error in kind(schema, registry=Registry()).iter_errors(data):
        where = ".".join(str(part) for part in error.absolute_path)
        return f"The answer does not match the JSON schema{f' at {clean(where, 100)}' if where else ''}."
    return ""


def _keywords(schema: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    """Yield every key with its value, at any depth."""
    rest: list[JsonValue] = [schema]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield from value.items()
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
