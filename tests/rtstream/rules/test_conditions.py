"""The filter language of the API."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.errors import InvalidRequest
from rtstream.rules.conditions import MAX_DEPTH, check, holds

RECORD = {
    "kind": "visual",
    "people": [{"name": "Ann", "age": 40}, {"name": "Bob"}],
    "door": {"open": True},
    "gone": None,
}


def one(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ([], True),
        (one("kind", "==", "visual"), True),
        ([one("kind", "==", "visual"), one("kind", "!=", "visual")], False),
        (one("door.open", "==", True), True),
        (one("people.name", "==", "Bob"), True),
        (one("people.name", "contains", "nn"), True),
        (one("people.age", "in", [1, 40]), True),
        (one("people.height", "!=", 2), True),
        (one("gone", "exists"), False),
        (one("door.open", "exists", True), True),
        (one("nowhere", "exists", False), True),
        ({"or": [one("kind", "==", "audio"), one("door.open", "==", True)]}, True),
        ({"not": {"and": [one("kind", "==", "visual"), one("door.open", "==", True)]}}, False),
        (one("kind.deeper.still", "==", "visual"), False),
    ],
)
def test_a_filter_holds_as_documented(condition: Any, expected: bool) -> None:
    check(condition)
    assert holds(condition, RECORD) is expected


@pytest.mark.parametrize(
    "condition",
    [
        "kind == visual",
        one("kind", "~", 1),
        {"op": "==", "value": 1},
        {"and": one("kind", "==", 1)},
        one("kind", "in", "visual"),
        [one("kind", "==", 1)] * 101,
        {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {}}}}}}}}}}}},
    ],
)
def test_a_filter_that_is_not_understood_gets_a_sentence(condition: Any) -> None:
    with pytest.raises(InvalidRequest, match="filter"):
        check(condition)


@pytest.mark.parametrize("word", ["and", "not"])
def test_a_filter_may_be_nested_to_a_limit(word: str) -> None:
    condition: Any = one("kind", "==", "visual")
    for _ in range(MAX_DEPTH if word == "not" else MAX_DEPTH // 2):  # a list is a level of its own
        condition = {word: condition if word == "not" else [condition]}
    check(condition)
    with pytest.raises(InvalidRequest, match="nested"):
        check({"not": condition})
