"""Maps the arguments of a call to the parameters of its tool: other spellings, nulls, and names that do not exist."""

from __future__ import annotations

from rapidfuzz import process

from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject, JsonValue
from rtstream.rules.text_safety import clean

ALIASES = {
    "rtstream_id": "stream_id",
    "scene_index_id": "index_id",
    "rtstream_index_id": "index_id",
    "store": "record",
    "enable_transcript": "transcribe",
    "index_id": "id",
    "alert_id": "id",
    "event_id": "id",
    "video_id": "id",
}
"""Spellings of the published API and of other tools, and the parameters that they mean in tools without the former."""
WITHOUT_EFFECT = ("ws_connection_id", "media_types")
"""Arguments of the published API that tools do not need: results arrive in any case, and media types limit nothing."""
LIKE = 60.0
"""Likeness in percent from which on a parameter is suggested for an unknown name."""


def named(tool: str, arguments: JsonObject, schema: JsonObject) -> JsonObject:
    """Return the arguments under the names of the tool's parameters, without null where a parameter may be left out.

    Args:
        tool: Name of the tool.
        arguments: The arguments of the call.
        schema: JSON schema of the tool's parameters.

    Raises:
        InvalidRequest: There is no such parameter, or a parameter is given under two names.
    """
    known = schema.get("properties", {})
    found: JsonObject = {}
    for key, value in arguments.items():
        name = _parameter(key, known)
        if name not in known and key in WITHOUT_EFFECT:
            continue
        if name in found:
            raise InvalidRequest(f"{tool} was not called, because {key} and {name} mean the same. Pass only {name}.")
        found[name] = value
    return _checked(tool, found, schema.get("properties", {}), "")


def _parameter(key: str, known: JsonObject) -> str:
    """The parameter that a name means, or the name itself if it means none."""
    name = key
    while name not in known and name in ALIASES:
        name = ALIASES[name]
    return name if name in known else key


def _checked(tool: str, given: JsonObject, known: JsonObject, path: str) -> JsonObject:
    for key in given:
        if key not in known:
            raise InvalidRequest(_unknown(tool, path + key, path, list(known)))
    return {key: _part(tool, value, known[key], f"{path}{key}.") for key, value in given.items() if value is not None}


def _part(tool: str, value: JsonValue, schema: JsonObject, path: str) -> JsonValue:
    if isinstance(value, list):
        return [_part(tool, part, schema.get("items") or {}, path) for part in value]
    known = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(known, dict):
        return value
    return _checked(tool, value, known, path)


def _unknown(tool: str, key: str, path: str, known: list[str]) -> str:
    shown = clean(key, 100)
    nearest = process.extractOne(key.removeprefix(path), known, score_cutoff=LIKE)
    hint = f"Did you mean {path}{nearest[0]}?" if nearest else f"It has {', '.join(path + name for name in known)}."
    return f"{tool} was not called, because it has no parameter {shown}. {hint}"
