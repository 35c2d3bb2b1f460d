from __future__ import annotations

import pytest

from rtstream.rules.event_media import IndexKind, medium_of, obstacle
from rtstream.rules.event_rules import rule_for_event
from rtstream.rules.index_choice import KnownIndex, Models, choose, kind_of_new, new_index

BUILT_IN, MODEL = IndexKind(False, measured=True), IndexKind(False)
LOCAL_ONLY = Models(vision=False, language=False, reads_text=True)
PAID = Models(vision=True, language=True, reads_text=True)


def index(name: str, kind: IndexKind, *, general: bool = False, running: bool = True) -> KnownIndex:
    return KnownIndex(name, kind, general, running)


INDEXES = [
    index("stopped", BUILT_IN, general=True, running=False),
    index("people", MODEL),
    index("general", MODEL, general=True),
    index("read", BUILT_IN, general=True),
]


@pytest.mark.parametrize(
    ("prompt", "chosen"),
    [('"budget" is on the screen', "read"), ("the picture is black", "read"), ("a red car stops", "general")],
)
def test_an_event_is_watched_on_an_index_that_can_decide_it(prompt: str, chosen: str) -> None:
    found = choose(rule_for_event(prompt, None), INDEXES, PAID)
    assert found is not None
    assert found.id == chosen


def test_a_running_index_is_preferred_and_one_with_another_subject_is_not_used() -> None:
    rule = rule_for_event('"budget" is on the screen', None)
    found = choose(rule, [INDEXES[0], INDEXES[1]], PAID)
    assert found is not None
    assert found.id == "stopped"
    assert choose(rule, [index("people", MODEL)], PAID) is None
    assert choose(None, [index("people", MODEL), index("read", BUILT_IN, general=True)], PAID) is None
    assert choose(None, [index("read", BUILT_IN, general=True)], LOCAL_ONLY) is not None


@pytest.mark.parametrize("models", [LOCAL_ONLY, PAID])
@pytest.mark.parametrize("prompt", ['"budget" is on the screen', "the picture is black", "a car stops"])
def test_a_new_index_can_decide_the_event_that_it_is_created_for(prompt: str, models: Models) -> None:
    rule = rule_for_event(prompt, None)
    assert obstacle(medium_of(prompt, None), rule, kind_of_new(rule, models)) == ""


def test_text_is_read_by_the_built_in_model_where_it_can() -> None:
    rule = rule_for_event('"budget" appears', None)
    assert new_index(rule, PAID)["model_name"] == "local"
    assert "model_name" not in new_index(None, PAID)
    unread = Models(vision=True, language=False, reads_text=False)
    assert "model_name" not in new_index(rule, unread)
