"""Requests for alerts in checked form."""

from __future__ import annotations

import pytest

from rtstream.engine.alerts.request import AlertRequest, EventValues, limits
from rtstream.errors import InvalidRequest
from rtstream.models import AlertGroup, UnwatchedStream
from rtstream.rules.index_choice import Models

NONE, SOME = Models(False, False, reads_text=True), Models(True, True, reads_text=True)


def said(prompt: str, *, unwatched: int = 0, models: Models = NONE, index_id: str | None = None) -> str:
    wanted = AlertRequest(EventValues.new(prompt, None, None), {}, None, index_id)
    made = AlertGroup(alert_id="a", event_id="e", prompt=prompt, label="l")
    made.unwatched = [UnwatchedStream(rtstream_id=f"rts-{n}", reason="no audio") for n in range(unwatched)]
    return " ".join(limits(wanted, [], made, models))


def test_the_label_of_a_new_event_defaults_to_the_beginning_of_its_prompt() -> None:
    assert EventValues.new("  the door opens ", None, None).label == "the door opens"
    long = EventValues.new("word " * 50, None, None).label
    assert len(long) <= 60
    assert long.endswith("…")
    with pytest.raises(InvalidRequest, match="no label"):
        EventValues.new("the door opens", " ", None)


def test_an_alert_tells_what_it_may_miss() -> None:
    assert "recognises" in said('"budget" is said')
    assert "shown briefly" in said('"budget" is shown')
    assert "people or objects" in said("a red car stops")
    assert "people or objects" not in said("a red car stops", models=SOME)
    assert "write that it is said" in said('"budget" appears')
    assert "write that it is said" not in said('"budget" appears', index_id="idx")
    assert said("the stream is lost") == ""
    assert "2 streams" in said('"budget" is shown', unwatched=2)
