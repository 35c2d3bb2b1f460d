"""States are the list of their values in every schema."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from rtstream.states import StreamStatus


class Shown(BaseModel):
    """An object with a state."""

    status: StreamStatus


def test_a_schema_lists_the_values_in_place_without_a_definition() -> None:
    schema = Shown.model_json_schema()
    assert set(schema["properties"]["status"]["enum"]) == {member.value for member in StreamStatus}
    assert "$defs" not in schema


def test_a_value_becomes_its_member_and_others_are_refused() -> None:
    for member in StreamStatus:
        assert Shown.model_validate({"status": member.value}).status is member
    with pytest.raises(ValidationError):
        Shown.model_validate({"status": "asleep"})
