"""JSON found in what models really say, and schemas users give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.perception.llm.responses import asks_for_json, check_schema, read

NOT_JSON = "The answer is not valid JSON."
OBJECT: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": 1}', {"a": 1}),
        (' \n{"a": 1}\n', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('Here it is:\n```JSON\n{"a": [1, 2]}\n```\nAnything else?', {"a": [1, 2]}),
        ('Sure! {"a": {"b": 1}} Done.', {"a": {"b": 1}}),
        ('{"a": "zero\\u200bwidth\\ud800"}', {"a": "zerowidth"}),
    ],
)
def test_an_object_is_found(text: str, data: dict[str, Any]) -> None:
    assert read(text, wanted=True) == (data, "")


@pytest.mark.parametrize(
    "text",
    ['{"a": ', '{"a": {"b": 1}, "c"', "No people.", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, "", '{"a":' * 60],
)
def test_what_is_no_json_is_marked(text: str) -> None:
    assert read(text, wanted=True) == (None, NOT_JSON)


def test_deep_nesting_is_marked() -> None:
    assert read('{"a":' * 60 + "1" + "}" * 60, wanted=True) == (None, NOT_JSON)


def test_json_that_is_no_object_is_marked() -> None:
    assert read("[1, 2]", wanted=True) == (None, "The answer is JSON, but not an object.")


def test_nothing_is_marked_when_no_json_was_wanted() -> None:
    assert read("The set {x} is shown.", wanted=False) == (None, "")
    assert read('It says {"a": 1} on the screen.', wanted=False) == (None, "")
    assert read('{"a": 1}', wanted=False) == ({"a": 1}, "")


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), lambda s: st.dictionaries(st.text(), s)).map(str))
def test_no_answer_breaks_the_reader(text: str) -> None:
    data, problem = read(text, wanted=True)
    assert (data is None) == bool(problem)
    json.dumps(data, allow_nan=False).encode()


@given(st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), st.integers() | st.booleans() | st.none()))
def test_every_plain_object_comes_back_whole(value: dict[str, Any]) -> None:
    assert read(f"So:\n```json\n{json.dumps(value)}\n```", wanted=True) == (value, "")


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [("Answer in JSON", True), ("as json: {...}", True), ("What is seen?", False), ("jsonify?", False)],
)
def test_a_prompt_that_wants_json_is_recognised(prompt: str, asks: bool) -> None:
    assert asks_for_json(prompt) is asks


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "must describe an object"),
        ({"type": "object", "properties": {"n": {"type": "intger"}}}, "invalid at properties.n.type"),
        ({"type": "object", "properties": {"n": {"$ref": "https://example.com/x.json"}}}, "must begin with #"),
        ({"type": "object", "patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"type": "object", "description": "x" * 30_000}, "Shorten it"),
        ({"type": "object", "default": float("nan")}, "plain JSON"),
        ({"type": "object", "default": object()}, "plain JSON"),
    ],
)
def test_a_schema_that_cannot_be_used_is_one_clear_sentence(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        check_schema(schema)
    assert "\n" not in str(caught.value)


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(ValueError, match=r"nested|plain JSON"):
        check_schema(schema)


def test_an_answer_is_held_against_the_schema() -> None:
    check_schema(OBJECT)
    assert read('{"n": 1}', wanted=False, schema=OBJECT) == ({"n": 1}, "")
    assert read('{"n": "1"}', wanted=False, schema=OBJECT) == (None, "The answer does not match the JSON schema at n.")
    assert read("none", wanted=False, schema=OBJECT) == (None, NOT_JSON)


def test_a_slow_pattern_in_a_schema_holds_nobody_up() -> None:
    schema = {"type": "object", "properties": {"s": {"type": "string", "pattern": "^(a+)+$"}}}
    check_schema(schema)
    assert read(json.dumps({"s": "a" * 60 + "!"}), wanted=True, schema=schema)[1] == ""
