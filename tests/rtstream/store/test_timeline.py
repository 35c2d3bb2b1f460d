"""Stored results, read for timelines."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from rtstream.rules.timeline import SceneWindow, TimedText
from rtstream.store import indexes, recordings, timeline, transcripts
from rtstream.store.journal import Entry, append

LATEST = (2**60, 2**60, 2**60)


def scene(
    conn: Connection,
    index_id: str,
    start: float,
    text: str = "",
    detail: dict[str, Any] | None = None,
    status: str = "ok",
) -> int:
    values = {"status": status, "model": "local", "data": None, "created_at": 0.0, "text": text, "detail": detail or {}}
    times = {"start": start, "end": start + 5}
    return indexes.add_scene(conn, index_id=index_id, stream_id="rts-1", **times, **values)


@pytest.fixture
def index(conn: Connection) -> str:
    [first, *_] = indexes.of_stream(conn, "rts-1")
    return first.id


def test_windows_have_what_a_timeline_compares(conn: Connection, index: str) -> None:
    changes = {"text_read": True, "black": False, "blank": True}
    detail = {"lines": ["a", "b"], "frame_times": [101.0, 104.0], "changes": changes, "unchanged": True}
    first = scene(conn, index, 100.0, "Text on screen", detail)
    second = scene(conn, index, 105.0, "A desk.", {"lines": [], "changes": {}})
    third = scene(conn, index, 110.0, "", {"failure": "The key was refused."}, status="failed")
    scene(conn, index, 200.0)
    scene(conn, index, 50.0)
    found = list(timeline.scene_windows(conn, index, 102.0, 112.0, LATEST[0]))
    assert found == [
        SceneWindow(first, 100.0, 105.0, "Text on screen", '["a","b"]', True, "blank", True, False, 104.0),
        SceneWindow(second, 105.0, 110.0, "A desk."),
        SceneWindow(third, 110.0, 115.0, "The key was refused.", failed=True),
    ]
    assert [one.id for one in timeline.scene_windows(conn, index, 0.0, 300.0, second)] == [first, second]
    texts = list(timeline.summaries(conn, index, 102.0, 112.0, LATEST[0]))
    assert texts[1:] == [
        (second, TimedText(105.0, 110.0, "A desk."), True),
        (third, TimedText(110.0, 115.0, "The key was refused."), False),
    ]


def test_speech_is_read_with_engine_kind_and_speaker(conn: Connection) -> None:
    common = {"stream_id": "rts-1", "created_at": 0.0}
    one = transcripts.add(conn, engine="a", start=1, end=2, text="Hello.", kind="speech", detail={}, **common)
    two = transcripts.add(conn, engine="a", start=2, end=9, text="", kind="gap", detail={}, **common)
    three = transcripts.add(
        conn, engine="b", start=3, end=4, text="Well.", kind="speech", detail={"speaker": "S1"}, **common
    )
    assert list(timeline.speech(conn, "rts-1", 0, 10, LATEST[1])) == [
        (one, TimedText(1, 2, "Hello."), "a", True, ""),
        (two, TimedText(2, 9, ""), "a", False, ""),
        (three, TimedText(3, 4, "Well."), "b", True, "S1"),
    ]
    assert [row[0] for row in timeline.speech(conn, "rts-1", 3.5, 10, two)] == [two]


def test_firings_and_states_are_read_from_the_journal(conn: Connection) -> None:
    def entry(channel: str, at: float, **data: Any) -> int:
        return append(conn, Entry(channel, data, "rts-1", "s", alert_id="alt-1", at=at))

    fired = {"label": "door", "explanation": "It is open.", "confidence": 0.9, "scene_id": 7}
    late = entry("alert", 900.0, start=95.0, end=100.0, **fired)
    early = entry("alert", 100.0, start=50.0, end=55.0, **fired)
    entry("alert", 100.0, start=500.0, end=505.0, **fired)
    found = timeline.fired(conn, "rts-1", 40.0, 200.0, LATEST[2])
    assert [one.number for one in found] == [early, late]
    assert (found[0].label, found[0].said, found[0].confidence) == ("door", TimedText(50.0, 55.0, "It is open."), 0.9)
    assert (found[0].alert_id, found[0].scene_id) == ("alt-1", 7)
    for at, state in ((10.0, "connecting"), (20.0, "connected"), (60.0, "reconnecting"), (300.0, "stopped")):
        entry("health", at, state=state, reason=state)
    states = timeline.state_changes(conn, "rts-1", 40.0, 200.0, LATEST[2])
    assert [(one.at, one.state) for one in states] == [(20.0, "connected"), (60.0, "reconnecting")]
    assert timeline.newest(conn)[2] > late


def test_recorded_ranges_ignore_short_holes(conn: Connection) -> None:
    recordings.insert(conn, recording_id="rec-1", stream_id="rts-1", started_at=0.0, init=b"", codecs="avc1")
    for start in (0.0, 4.0, 9.0, 60.0):
        place = {"path": "a", "offset": 0, "length": 1}
        recordings.add_segment(conn, "rts-1", start=start, duration=4.0, recording_id="rec-1", **place)
    assert timeline.recorded_ranges(conn, "rts-1", 2.0, 62.0, 5.0) == [(2.0, 13.0), (60.0, 62.0)]
    assert timeline.is_recorded(conn, "rts-1", 12.0, 20.0)
    assert not timeline.is_recorded(conn, "rts-1", 20.0, 50.0)
