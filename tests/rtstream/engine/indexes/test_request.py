"""The columns of an index that a request determines, with their defaults."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.engine.indexes.request import MAX_PROMPT, checked_index
from rtstream.errors import InvalidRequest
from rtstream.models import CreateIndex


def checked(**wanted: Any) -> dict[str, Any]:
    return checked_index(CreateIndex.model_validate(wanted))


def test_missing_values_have_defaults() -> None:
    assert checked() == {
        "name": None,
        "extraction_type": "time",
        "extraction_config": {"time": 2, "frame_count": 5},
        "prompt": None,
        "model_name": None,
        "model_config": {},
    }
    assert checked(extraction_type="time_based")["extraction_type"] == "time"
    speech = checked(extraction_type="transcript", name="  Talk ")
    assert (speech["name"], speech["extraction_config"]) == ("Talk", {"segmenter": "word", "segmentation_value": 10})


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"prompt": "x" * (MAX_PROMPT + 1)}, "longer than"),
        ({"sandbox_id": "box"}, "Sandboxes"),
        ({"extraction_type": "smell"}, "extraction_type"),
        ({"model_config": {"temperature": 1}}, "temperature"),
        ({"model_config": {"skip_unchanged": True}, "extraction_type": "transcript"}, "visual indexes"),
    ],
)
def test_a_request_that_cannot_work_is_refused_with_a_sentence(wanted: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        checked(**wanted)
