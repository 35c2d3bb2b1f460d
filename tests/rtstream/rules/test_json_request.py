"""The JSON object that a prompt asks for, and the values that are known without a model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.json_request import KnownFacts, filled, requested_shape, schema_shape

SCREEN = KnownFacts(lines=["Slack", "# billing"], colours=["purple", "white"], title="Slack", moving=False)
PRINTED = """Analyze the screen and return a JSON object with:
{
  "app_name": "name of the active application",
  "activity": "what the user is doing",
  "ui_elements": ["list of visible UI elements"],
  "contains_text": true/false,
  "dominant_colors": ["list of main colors"]
}
Return only valid JSON."""


def answered(prompt: str, facts: KnownFacts = SCREEN) -> dict[str, Any]:
    return json.loads(json.dumps(filled(requested_shape(prompt), facts)))


def test_the_prompt_of_the_reference_has_its_keys_and_all_that_is_known() -> None:
    assert answered(PRINTED) == {
        "app_name": "Slack",
        "activity": None,
        "ui_elements": None,
        "contains_text": True,
        "dominant_colors": ["purple", "white"],
    }
    nothing = answered(PRINTED, KnownFacts())
    assert list(nothing) == list(answered(PRINTED))
    assert set(nothing.values()) == {None}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ('JSON: {"text": [string], "people": int}', {"text": ["Slack", "# billing"], "people": None}),
        ("as json {'visible_text': '...', 'isMoving': bool}", {"visible_text": "Slack\n# billing", "isMoving": False}),
        ("Return {windowTitle: string, mainColor: string} as JSON", {"windowTitle": "Slack", "mainColor": "purple"}),
        ('JSON {"screen": {"has_text": true, "colors": "a, b"}, "n": 1}',
         {"screen": {"has_text": True, "colors": "purple, white"}, "n": None}),
        ('{"a": "x, {y}", "b": [{"c": 1}, {"d": 2}], "text_present": "yes or no"} JSON',
         {"a": None, "b": None, "text_present": True}),
        ("Answer in JSON with the keys people, cars and text.",
         {"people": None, "cars": None, "text": "Slack\n# billing"}),
        ("JSON object with fields: `title`, `mood`", {"title": "Slack", "mood": None}),
        ('Return JSON with "dominant_colours" and "weather"', {"dominant_colours": "purple, white", "weather": None}),
        ("Return JSON.", {}),
        ('In {braces} of prose, JSON like {"text": ""}', {"text": "Slack\n# billing"}),
        ('Cut off: JSON {"text": "the wor', {"text": "Slack\n# billing"}),
    ],
)  # fmt: skip
def test_templates_and_lists_of_keys_are_read(prompt: str, expected: dict[str, Any]) -> None:
    assert answered(prompt) == expected


def test_a_screen_without_text_has_none_and_one_that_was_not_read_is_unknown() -> None:
    asked = 'JSON {"contains_text": true/false, "text": "", "lines": []}'
    assert answered('JSON {"has_lines": []}', KnownFacts(lines=["a"])) == {"has_lines": ["a"]}
    assert answered(asked, KnownFacts(lines=[])) == {"contains_text": False, "text": "", "lines": []}
    assert answered(asked, KnownFacts(lines=None)) == {"contains_text": None, "text": None, "lines": None}


def test_the_properties_of_a_schema_are_the_keys() -> None:
    schema = {
        "type": "object",
        "properties": {
            "has_text": {"type": "boolean"},
            "lines": {"type": "array"},
            "inner": {"type": "object", "properties": {"count": {"type": "integer"}}},
        },
    }
    found = filled(schema_shape(schema), SCREEN)
    assert found == {"has_text": True, "lines": ["Slack", "# billing"], "inner": {"count": None}}
    assert schema_shape({"type": "object"}) == {}


@given(st.text(alphabet="{}[]\"',: aA`\n", max_size=400))
def test_any_prompt_yields_an_object(prompt: str) -> None:
    assert isinstance(answered(prompt), dict)


def test_nesting_without_end_is_bounded() -> None:
    assert isinstance(answered('{"a": ' * 5000), dict)
    assert len(answered("{" + ",".join(f'"k{n}": 1' for n in range(5000)) + "}")) <= 100
