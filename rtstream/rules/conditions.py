"""The API's filter language: conditions on the fields of a record (API reference, "Filter language").

A condition is ``{"field", "op", "value"}`` with op ``==``, ``!=``, ``contains``, ``in`` or ``exists``. A list means
AND, and ``{"and": [...]}``, ``{"or": [...]}`` and ``{"not": ...}`` can be nested. A dotted field reaches into objects.
If the path crosses a list, the condition matches when any element matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject, JsonValue
from rtstream.rules.text_folding import fold

MAX_DEPTH = 10
MAX_CONDITIONS = 100
_OPS = ("==", "!=", "contains", "in", "exists")
_HOW = 'Write conditions like {"field": "kind", "op": "==", "value": "visual"}; op is one of ' + ", ".join(_OPS) + "."


def check(condition: object) -> None:
    """Validate a filter.

    Raises:
        InvalidRequest: The filter is malformed, too long or nested too deeply.
    """
    if _count(condition, 0) > MAX_CONDITIONS:
        raise InvalidRequest(f"The filter has more than {MAX_CONDITIONS} conditions. Use fewer.")


def _count(condition: object, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"The filter is nested more than {MAX_DEPTH} levels deep. Flatten it.")
    if isinstance(condition, list):
        return sum(_count(part, depth + 1) for part in condition)
    if not isinstance(condition, Mapping):
        raise InvalidRequest(f"The filter is invalid. {_HOW}")
    for word in ("and", "or"):
        if word in condition:
            if not isinstance(condition[word], list):
                raise InvalidRequest(f'In the filter, "{word}" needs a list of conditions.')
            return _count(condition[word], depth + 1)
    if "not" in condition:
        return _count(condition["not"], depth + 1)
    if not isinstance(condition.get("field"), str) or condition.get("op") not in _OPS:
        raise InvalidRequest(f"The filter contains an invalid condition. {_HOW}")
    if condition["op"] == "in" and not isinstance(condition.get("value"), list):
        raise InvalidRequest('In the filter, "in" needs a list as its value.')
    return 1


# Any: ``check`` has found the shape right.
def holds(condition: Any, record: JsonObject) -> bool:
    """Return whether a record passes a filter. The filter must have passed ``check``."""
    if isinstance(condition, list):
        return all(holds(part, record) for part in condition)
    if "and" in condition:
        return all(holds(part, record) for part in condition["and"])
    if "or" in condition:
        return any(holds(part, record) for part in condition["or"])
    if "not" in condition:
        return not holds(condition["not"], record)
    found = _values(record, condition["field"].split("."))
    wanted = condition.get("value")
    match condition["op"]:
        case "exists":
            return bool(found) is (wanted is not False)
        case "!=":
            return wanted not in found
        case "contains":
            return any(isinstance(value, str) and fold(str(wanted)) in fold(value) for value in found) or (
                wanted in found
            )
        case "in":
            return any(value in wanted for value in found)
        case _:
            return wanted in found


def _values(value: JsonValue, path: list[str]) -> list[JsonValue]:
    """Return every value a dotted path leads to. A list at its end contributes its elements."""
    if isinstance(value, list):
        return [found for element in value for found in _values(element, path)]
    if not path:
        return [] if value is None else [value]
    if isinstance(value, Mapping) and path[0] in value:
        return _values(value[path[0]], path[1:])
    return []
