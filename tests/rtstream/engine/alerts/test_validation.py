"""Checks of the values of events and alerts."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.engine.alerts.validation import check_consecutive, checked_options, checked_prompt, never_fires
from rtstream.errors import InvalidRequest
from rtstream.models import UpdateAlert
from rtstream.rules.event_rules import rule_for_event


@pytest.mark.parametrize(
    ("rule", "prompt"),
    [
        ({"text": "Paid", "when": "appears"}, '"Paid" appears'),
        ({"text": ["Paid", "Sent"], "join": "any"}, '"Paid" or "Sent" is present'),
        ({"regex": "ERR-[0-9]+", "when": "absent"}, "/ERR-[0-9]+/ is missing"),
        ({"picture": "frozen", "for_s": 30}, "there is a frozen picture that has been still for 30 s"),
        ({"speech": "stopped", "for_s": 5}, "speech stops (5 s of silence)"),
        ({"stream": "lost"}, "the stream is lost"),
    ],
)
def test_the_prompt_of_a_rule_is_its_condition_in_words(rule: dict[str, Any], prompt: str) -> None:
    assert checked_prompt(None, rule) == checked_prompt(" ", rule) == prompt
    assert checked_prompt(" a parcel ", rule) == "a parcel"
    with pytest.raises(InvalidRequest, match="or pass a rule"):
        checked_prompt(None)


def test_a_change_keeps_the_other_options() -> None:
    before = {"cooldown_s": 60, "dedupe": False}
    assert checked_options(UpdateAlert(cooldown_s=5, late="skip"), before) == {
        "cooldown_s": 5,
        "dedupe": False,
        "late": "skip",
    }
    with pytest.raises(InvalidRequest, match="active_hours"):
        checked_options(UpdateAlert(active_hours=[{"start": "9"}]), before)


@pytest.mark.parametrize(
    ("prompt", "options", "never"),
    [
        ('"A1" is shown', {}, False),
        ('"A1" is shown', {"min_confidence": 0.99}, False),
        ('"A1" is shown', {"min_confidence": 0.995}, True),
        ('"A1" is not shown', {"min_confidence": 0.9}, False),
        ('"A1" is not shown', {"min_confidence": 0.91}, True),
        ("the picture is black", {"min_confidence": 1.0}, False),
        ("a car stops", {"min_confidence": 1.0}, False),
        ('"A1" is shown', {"quiet_hours": [{"start": "07:00", "end": "07:00"}]}, True),
        ('"A1" is shown', {"quiet_hours": [{"start": "07:00", "end": "06:59"}]}, False),
        (
            '"A1" is shown',
            {"quiet_hours": [{"start": "07:00", "end": "19:00"}, {"start": "19:00", "end": "07:00"}]},
            True,
        ),
        (
            '"A1" is shown',
            {
                "quiet_hours": [{"start": "08:00", "end": "18:00"}],
                "active_hours": [{"start": "09:00", "end": "17:00"}],
            },
            True,
        ),
        (
            '"A1" is shown',
            {
                "quiet_hours": [{"start": "08:00", "end": "16:59"}],
                "active_hours": [{"start": "09:00", "end": "17:00"}],
            },
            False,
        ),
        ('"A1" is shown', {"active_hours": [{"start": "09:00", "end": "17:00"}]}, False),
    ],
)
def test_options_that_leave_no_firing_are_noticed(prompt: str, options: dict[str, Any], never: bool) -> None:
    assert bool(never_fires(rule_for_event(prompt, None), options)) is never


def test_an_event_of_a_moment_cannot_match_in_a_row() -> None:
    check_consecutive(rule_for_event('"A1" is shown', None), {"consecutive": 3})
    check_consecutive(None, {"consecutive": 3})
    with pytest.raises(InvalidRequest, match="several times in a row"):
        check_consecutive(rule_for_event('"A1" appears', None), {"consecutive": 2})
