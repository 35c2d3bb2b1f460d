from __future__ import annotations

from rtstream.models import Event


def test_a_created_object_is_marked_only_if_an_earlier_call_created_it() -> None:
    event = Event(event_id="event-1", event_prompt="p", label="l")
    assert not event.repeated
    assert not event.marked(None).repeated
    assert event.marked(True).repeated
    assert "repeated" not in event.model_dump()
    assert event.model_copy().repeated
