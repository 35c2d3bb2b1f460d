"""The filter of journal entries, and the ring that replaces a journal."""

from __future__ import annotations

from typing import Any

import pytest

from rtstream.client.journal import JournalFilter, Ring
from rtstream.models import Message


def message(channel: str = "alert", stream_id: str = "rts-1", **data: Any) -> Message:
    return Message.model_validate(
        {"seq": 0, "channel": channel, "rtstream_id": stream_id, "data": data, "timestamp": ""}
    )


@pytest.mark.parametrize(
    ("which", "passes"),
    [
        (JournalFilter(), True),
        (JournalFilter(streams=("rts-1", "rts-2")), True),
        (JournalFilter(streams=("rts-2",)), False),
        (JournalFilter(channels=("alert",)), True),
        (JournalFilter(channels=("health",)), False),
        (JournalFilter(labels=("door",)), True),
        (JournalFilter(labels=("gate",)), False),
        (JournalFilter(text="OPEN", channels=("alert",)), True),
        (JournalFilter(text="shut", channels=("alert",)), False),
        (JournalFilter(text="shut"), False),
        (JournalFilter(text="shut", all_alerts=True), True),
        (JournalFilter(min_confidence=0.7), True),
        (JournalFilter(min_confidence=0.71), False),
        (JournalFilter(changed=True), True),
    ],
)
def test_each_field_restricts(which: JournalFilter, passes: bool) -> None:
    assert which.passes(message(label="door", text="It is open.", confidence=0.7)) is passes


def test_a_confidence_restricts_alerts_only() -> None:
    assert JournalFilter(min_confidence=0.9).passes(message("transcript", text="x"))
    assert not JournalFilter(min_confidence=0.1).passes(message("alert"))


def test_scenes_that_repeat_the_one_before_can_be_left_out() -> None:
    assert not JournalFilter(changed=True).passes(message("scene_index", text="x", unchanged=True))
    assert JournalFilter().passes(message("scene_index", text="x", unchanged=True))
    assert JournalFilter(changed=True).query() == {"changed": "true"}


def test_a_text_restricts_other_channels_where_all_alerts_pass() -> None:
    assert JournalFilter(text="OPEN", all_alerts=True).passes(message("transcript", text="It is open."))
    assert not JournalFilter(text="shut", all_alerts=True).passes(message("transcript", text="It is open."))


def test_an_empty_field_is_not_sent() -> None:
    which = JournalFilter(streams=("a", "b"), text="x", min_confidence=0.0)
    assert which.query() == {"streams": "a,b", "text": "x", "min_confidence": 0.0}
    assert JournalFilter().query() == {}


def test_a_reader_that_follows_the_ring_misses_nothing() -> None:
    ring = Ring(100)
    for number in range(5):
        ring.append(message(label=str(number % 2)))
    odd = JournalFilter(labels=("1",))
    page = ring.page(0, odd, 1)
    assert ([entry.seq for entry in page.entries], page.cursor, page.has_more) == ([2], 2, True)
    page = ring.page(page.cursor, odd, 9)
    assert ([entry.seq for entry in page.entries], page.cursor, page.has_more) == ([4], 5, False)
    assert [entry.seq for entry in ring.page(None, JournalFilter(), 2).entries] == [4, 5]


def test_dropped_messages_are_reported() -> None:
    ring = Ring(3)
    assert not ring.page(0, JournalFilter(), 9).truncated
    for _ in range(5):
        ring.append(message())
    assert ring.page(1, JournalFilter(), 9).truncated
    assert not ring.page(2, JournalFilter(), 9).truncated
    assert ring.page(99, JournalFilter(), 9).truncated  # a cursor from before a restart
