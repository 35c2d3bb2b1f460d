"""The API's filter language: a list of conditions on the fields of a record (API reference, "Filter language").

A condition is ``{"field", "op", "value"}`` with op ``==``, ``!=``, ``contains``, ``in`` or ``exists``; a list is an
AND; ``{"and": [...]}``, ``{"or": [...]}`` and ``{"not": ...}`` nest; a dotted field goes into objects, and through a
list it matches when any element does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtstream.errors import InvalidRequest

MAX_DEPTH = 10
MAX_CONDITIONS = 100
_OPS = ("==", "!=", "contains", "in", "exists")
_HOW = 'Write conditions like {"field": "kind", "op": "==", "value": "visual"}; op is one of ' + ", ".join(_OPS) + "."


def check(condition: Any) -> None:
    """Raise InvalidRequest with one sentence when the filter cannot be used."""
    if _count(condition, 0) > MAX_CONDITIONS:
        raise InvalidRequest(f"The filter has more than {MAX_CONDITIONS} conditions. Use fewer.")


def _count(condition: Any, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"The filter is nested more than {MAX_DEPTH} levels deep. Flatten it.")
    if isinstance(condition, list):
        return sum(_count(part, depth + 1) for part in condition)
    if not isinstance(condition, Mapping):
        raise InvalidRequest(f"The filter is not understood. {_HOW}")
    for word in ("and", "or"):
        if word in condition:
            if not isinstance(condition[word], list):
                raise InvalidRequest(f'In the filter, "{word}" needs a list of conditions.')
            return _count(condition[word], depth + 1)
    if "not" in condition:
        return _count(condition["not"], depth + 1)
    if not isinstance(condition.get("field"), str) or condition.get("op") not in _OPS:
        raise InvalidRequest(f"A condition of the filter is not understood. {_HOW}")
    if condition["op"] == "in" and not isinstance(condition.get("value"), list):
        raise InvalidRequest('In the filter, "in" needs a list as its value.')
    return 1


def holds(condition: Any, record: Mapping[str, Any]) -> bool:
    """Whether a record passes a filter that was checked."""
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
            return any(isinstance(value, str) and str(wanted).lower() in value.lower() for value in found) or (
                wanted in found
            )
        case "in":
            return any(value in wanted for value in found)
        case _:
            return wanted in found


def _values(value: Any, path: list[str]) -> list[Any]:
    """Every value a dotted path leads to; a list at its end gives its elements."""
    if isinstance(value, list):
        return [found for element in value for found in _values(element, path)]
    if not path:
        return [] if value is None else [value]
    if isinstance(value, Mapping) and path[0] in value:
        return _values(value[path[0]], path[1:])
    return []
