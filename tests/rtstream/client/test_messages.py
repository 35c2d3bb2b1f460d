"""Journal messages become events that keep our facts apart from untrusted text."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.client.messages import (
    JOURNAL_CHANNEL,
    LIVE_CHANNELS,
    MAX_NEW,
    MAX_NEW_LINE,
    MAX_TEXT,
    live_event,
)
from rtstream.models import Message


def message(channel: str, **data: Any) -> Message:
    return Message.model_validate(
        {"seq": 7, "channel": channel, "rtstream_id": "rts-1", "rtstream_name": "Door", "data": data, "timestamp": ""}
    )


def test_each_live_channel_has_a_journal_channel() -> None:
    assert set(JOURNAL_CHANNEL) == set(LIVE_CHANNELS)
    for live, journal in JOURNAL_CHANNEL.items():
        event = live_event(message(journal))
        assert event is not None
        assert (event.channel, event.seq, event.stream_id, event.stream_name) == (live, 7, "rts-1", "Door")
    assert live_event(message("catalogue")) is None


def test_an_alert_has_its_clip_and_its_explanation_as_untrusted_text() -> None:
    data = {"start": 1.23456, "end": 2, "label": "door", "confidence": 0.98765, "explanation": "It opened."}
    event = live_event(message("alert", **data, player_url="http://h/watch?v=1"))
    assert event is not None
    assert (event.start, event.end, event.confidence) == (1.235, 2.0, 0.988)
    assert (event.label, event.player_url, event.untrusted_text) == ("door", "http://h/watch?v=1", "It opened.")


def test_the_reason_of_a_change_in_health_is_ours() -> None:
    event = live_event(message("health", state="error", reason="no such stream", since=5.0, text="x"))
    assert event is not None
    assert (event.health, event.reason, event.start, event.untrusted_text) == ("error", "no such stream", 5.0, None)


def test_a_job_has_its_state_and_no_text_of_a_stream() -> None:
    data = {"job_id": "job-1", "kind": "export", "state": "running", "percentage": 40.04, "name": "Do\u202eor"}
    event = live_event(message("job", **data, video_id=None, error="", text="x", start=3.0))
    assert event is not None
    assert event.model_dump(exclude_none=True) == {
        "seq": 7,
        "channel": "jobs",
        "stream_id": "rts-1",
        "stream_name": "Door",
        "job_id": "job-1",
        "kind": "export",
        "name": "Door",
        "state": "running",
        "percent": 40.04,
    }
    failed = live_event(message("job", job_id="job-1", state="failed", error="The disk is full.", video_id="m-1"))
    assert failed is not None
    assert (failed.state, failed.reason, failed.video_id) == ("failed", "The disk is full.", "m-1")


@pytest.mark.parametrize("text", ["x" * 9999, "\x1b[31mred\x00\u202e" + "y" * 3000])
def test_text_of_a_stream_is_cleaned_and_bounded(text: str) -> None:
    event = live_event(message("scene_index", text=text))
    assert event is not None
    assert event.untrusted_text is not None
    assert len(event.untrusted_text) <= MAX_TEXT
    assert "\x1b" not in event.untrusted_text


def test_a_scene_lists_the_first_lines_that_are_new_and_gone() -> None:
    gone = [f"line {number}" for number in range(MAX_NEW + 3)]
    event = live_event(message("scene_index", text="Invoice", new=["In\u200bvoice", "y" * 500], gone=gone, seen=4.2))
    assert event is not None
    assert event.at == 4.2
    assert event.untrusted_new == ["Invoice", "y" * (MAX_NEW_LINE - 1) + "…"]
    assert event.untrusted_gone == [*gone[:MAX_NEW], "… and 3 more"]
    for nothing in ([], None, "text"):
        event = live_event(message("scene_index", text="Invoice", new=nothing))
        assert event is not None
        assert event.untrusted_new is None


def test_values_of_another_type_are_left_out() -> None:
    event = live_event(message("scene_index", start="soon", confidence=None, unchanged="yes"))
    assert event is not None
    assert (event.start, event.confidence, event.unchanged) == (None, None, None)
