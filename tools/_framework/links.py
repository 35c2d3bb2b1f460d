"""The field beside each link of a result for the machines on which it opens."""

from __future__ import annotations

from rtstream.client.markdown import FREE_KEYS, OWN_LINKS
from rtstream.json_types import JsonObject, JsonValue
from rtstream.rules.link_access import opens_on

MAX_DEPTH = 6


def with_reach(result: JsonObject) -> JsonObject:
    """Return a result in which each object with links of our own has ``opens_on`` after the last of them.

    All links of an object have the same origin.
    """
    found = _with_reach(result, MAX_DEPTH)
    assert isinstance(found, dict)
    return found


def _with_reach(value: JsonValue, depth: int) -> JsonValue:
    if isinstance(value, list):
        return [_with_reach(part, depth - 1) for part in value] if depth else value
    if not isinstance(value, dict) or depth == 0:
        return value
    links = [key for key, inner in value.items() if key in OWN_LINKS and isinstance(inner, str)]
    found: JsonObject = {}
    for key, inner in value.items():
        found[key] = inner if key in FREE_KEYS else _with_reach(inner, depth - 1)
        if links and key == links[-1] and "opens_on" not in value:
            found["opens_on"] = opens_on(str(inner)).value
    return found
