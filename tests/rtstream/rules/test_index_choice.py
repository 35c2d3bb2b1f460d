from __future__ import annotations

import pytest

from rtstream.rules.event_media import IndexKind, medium_of, obstacle
from rtstream.rules.event_rules import rule_for_event
from rtstream.rules.index_choice import KnownIndex, Models, choose, kind_of_new, new_index

BUILT_IN, MODEL, SPEECH = IndexKind(False, measured=True), IndexKind(False), IndexKind(True)
LOCAL_ONLY = Models(vision=False, language=False, reads_text=True)
PAID = Models(vision=True, language=True, reads_text=True)


def index(name: str, kind: IndexKind, *, general: bool = False, running: bool = True) -> KnownIndex:
    return KnownIndex(name, kind, general, running)


INDEXES = [
    index("stopped", BUILT_IN, general=True, running=False),
    index("people", MODEL),
    index("general", MODEL, general=True),
    index("read", BUILT_IN, general=True),
    index("speech", SPEECH),
]


@pytest.mark.parametrize(
    ("prompt", "chosen"),
    [
        ('"budget" is said', "speech"),
        ("someone promises a date", "speech"),
        ('"budget" is on the screen', "read"),
        ("the picture is black", "read"),
        ("a red car stops", "general"),
        ("the stream is lost", "read"),
        ("speech stops", "speech"),
    ],
)
def test_an_event_is_watched_on_an_index_that_can_decide_it(prompt: str, chosen: str) -> None:
    found = choose(medium_of(prompt, None), rule_for_event(prompt, None), INDEXES, PAID)
    assert found is not None
    assert found.id == chosen


def test_a_running_index_is_preferred_and_one_with_another_subject_is_not_used() -> None:
    rule = rule_for_event('"budget" is on the screen', None)
    found = choose("video", rule, [INDEXES[0], INDEXES[1]], PAID)
    assert found is not None
    assert found.id == "stopped"
    assert choose("video", rule, [index("people", MODEL)], PAID) is None
    assert choose("any", None, [index("people", MODEL), index("read", BUILT_IN, general=True)], PAID) is None
    assert choose("any", None, [index("read", BUILT_IN, general=True)], LOCAL_ONLY) is not None
    assert choose("audio", None, INDEXES[:4], PAID) is None


@pytest.mark.parametrize("models", [LOCAL_ONLY, PAID])
@pytest.mark.parametrize(
    "prompt", ['"budget" is said', '"budget" is on the screen', "the picture is black", "a car stops", "speech stops"]
)
def test_a_new_index_can_decide_the_event_that_it_is_created_for(prompt: str, models: Models) -> None:
    medium, rule = medium_of(prompt, None), rule_for_event(prompt, None)
    assert obstacle(medium, rule, kind_of_new(medium, rule, models)) == ""


def test_text_is_read_by_the_built_in_model_and_speech_batches_are_larger_where_they_cost() -> None:
    rule = rule_for_event('"budget" appears', None)
    assert new_index("any", rule, PAID)["model_name"] == "local"
    assert "model_name" not in new_index("any", None, PAID)
    assert new_index("audio", rule, LOCAL_ONLY)["extraction_config"] == {
        "segmenter": "sentence",
        "segmentation_value": 1,
    }
    assert new_index("audio", rule, PAID)["extraction_config"] == {"segmenter": "time", "segmentation_value": 10}
    unread = Models(vision=True, language=False, reads_text=False)
    assert "model_name" not in new_index("video", rule, unread)
