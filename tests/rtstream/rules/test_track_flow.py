"""A track that is wanted and not stored is noticed in time, with the reason, and one that pauses by itself is not."""

from __future__ import annotations

import pytest

from rtstream.rules.track_flow import TIMES, TrackFlow
from rtstream.states import HealthCode


def code(flow: TrackFlow, now: float) -> HealthCode | str | None:
    found = flow.lack(now)
    return found and found.code


def stored(flow: TrackFlow, start: float, end: float, every_s: float = 0.5) -> None:
    """Packets that arrive, are accepted and written."""
    for step in range(round((end - start) / every_s)):
        flow.arrive(start + step * every_s, is_keyframe=True)
        flow.accept(start + step * every_s)
        flow.write(start + step * every_s)


def test_a_track_that_is_written_lacks_nothing() -> None:
    flow = TrackFlow("video", 100.0)
    assert code(flow, 105.0) is None
    stored(flow, 100.0, 130.0)
    assert code(flow, 139.0) is None
    assert flow.counts == {"received": 60, "stored": 60, "dropped": {}, "still": False}


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_track_that_sends_nothing_is_silent(kind: str) -> None:
    flow = TrackFlow(kind, 100.0)
    stored(flow, 100.0, 120.0)
    assert code(flow, 129.0) is None
    assert code(flow, 131.0) is HealthCode.TRACK_SILENT
    stored(flow, 131.0, 132.0)
    assert code(flow, 133.0) is None


def test_a_track_that_usually_pauses_is_given_twice_its_longest_pause_for_ten_minutes() -> None:
    flow = TrackFlow("video", 0.0)
    stored(flow, 0.0, 90.0, every_s=30.0)
    assert code(flow, 60.0 + 59.0) is None
    assert code(flow, 60.0 + 62.0) is HealthCode.TRACK_SILENT
    stored(flow, 90.0, 900.0)
    assert code(flow, 899.0 + 12.0) is HealthCode.TRACK_SILENT


def test_video_without_a_keyframe_says_so() -> None:
    flow = TrackFlow("video", 0.0)
    for second in range(15):
        flow.arrive(float(second), is_keyframe=False)
        flow.drop("before_keyframe")
    assert code(flow, 9.0) is None
    assert code(flow, 14.5) is HealthCode.NO_KEYFRAME
    assert flow.counts["dropped"] == {"before_keyframe": 15}


def test_long_gops_that_are_written_lack_no_keyframe() -> None:
    flow = TrackFlow("video", 0.0)
    stored(flow, 0.0, 1.0)
    for second in range(1, 60):
        flow.arrive(float(second), is_keyframe=False)
        flow.accept(float(second))
        flow.write(float(second))
    assert code(flow, 60.0) is None


def test_nothing_but_unfitting_times_is_noticed_after_two_seconds() -> None:
    flow = TrackFlow("audio", 0.0)
    stored(flow, 0.0, 5.0)
    for step in range(8):
        flow.arrive(5.0 + step / 2, is_keyframe=True)
        flow.drop(TIMES)
    assert code(flow, 6.0) is None
    assert code(flow, 8.9) is HealthCode.TIMES_UNUSABLE
    stored(flow, 9.0, 10.0)
    assert code(flow, 10.0) is None


def test_packets_that_arrive_and_reach_no_file_are_a_stall() -> None:
    flow = TrackFlow("video", 0.0)
    for step in range(30):
        flow.arrive(step / 2, is_keyframe=True)
        flow.accept(step / 2)
    assert code(flow, 9.0) is None
    assert code(flow, 14.6) is HealthCode.RECORDING_STALLED


def test_another_connection_begins_without_a_debt_and_keeps_the_counts() -> None:
    flow = TrackFlow("video", 0.0)
    stored(flow, 0.0, 5.0)
    flow.connect(100.0)
    assert code(flow, 105.0) is None
    assert flow.counts["received"] == 10
