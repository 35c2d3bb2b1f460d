"""A track that is wanted and not stored is noticed in time, with the reason, and one that pauses by itself is not."""

from __future__ import annotations

import pytest

from rtstream.rules.track_flow import TIMES, TrackFlow
from rtstream.states import HealthCode

TICK_S = 2.5


class Watched:
    """A track at which the recorder looks every few seconds."""

    def __init__(self, kind: str) -> None:
        self.flow = TrackFlow(kind, 0.0)
        self.now = 0.0
        self.code: HealthCode | str | None = None
        self.codes: set[HealthCode | str | None] = set()

    def stored(self, until: float, every_s: float = 0.5) -> Watched:
        """Packets arrive, are added to a recording and written."""
        return self._packets(until, every_s, stored=1, fragments=1)

    def _packets(self, until: float, every_s: float, stored: int = 0, fragments: int = 0, dropped: str = "") -> Watched:
        at = self.now
        while (at := at + every_s) <= until:
            self.look(at - 0.01)
            self.flow.received += 1
            self.flow.keyframes += stored and self.flow.kind == "video"
            self.flow.stored += stored
            if fragments:
                self.flow.note_fragment(at)
            if dropped:
                self.flow.drop(dropped)
        return self.look(until)

    def dropped(self, reason: str, until: float) -> Watched:
        return self._packets(until, 0.5, dropped=reason)

    def unwritten(self, until: float) -> Watched:
        return self._packets(until, 0.5, stored=1)

    def look(self, until: float) -> Watched:
        """Look at each tick up to a time."""
        while self.now + TICK_S <= until:
            self.now += TICK_S
            found = self.flow.look(self.now)
            self.code = found and found.code
            self.codes.add(self.code)
        return self


def test_a_track_that_is_written_lacks_nothing() -> None:
    track = Watched("video")
    assert track.look(7.5).code is None
    assert track.stored(30.0).code is None
    assert track.look(37.5).code is None
    assert track.flow.counts == {"received": 45, "stored": 45, "dropped": {}, "still": False}


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_track_that_sends_nothing_is_silent_until_it_sends_again(kind: str) -> None:
    track = Watched(kind).stored(20.0)
    assert track.look(27.5).code is None
    assert track.look(30.0).code is HealthCode.TRACK_SILENT  # ten seconds after its last fragment
    assert track.stored(35.0).code is None


@pytest.mark.parametrize("offset_s", [0.1, 0.9, 1.7, 2.4])
def test_a_silent_track_is_reported_within_ten_seconds_whenever_it_ends(offset_s: float) -> None:
    track = Watched("audio").stored(20.0 + offset_s, every_s=0.1)
    assert track.look(20.0 + offset_s + 10.0).code is HealthCode.TRACK_SILENT


@pytest.mark.parametrize("pause_s", [1.0, 3.0, 4.5, 5.0, 7.0])
def test_regular_pauses_are_not_reported(pause_s: float) -> None:
    assert Watched("audio").stored(200.0, every_s=pause_s).codes == {None}


def test_a_track_that_usually_pauses_is_given_twice_its_longest_pause_for_ten_minutes() -> None:
    track = Watched("video").stored(120.0, every_s=30.0)
    assert track.look(170.0).code is None
    assert track.look(195.0).code is HealthCode.TRACK_SILENT
    assert track.stored(960.0).code is None
    assert track.look(975.0).code is HealthCode.TRACK_SILENT


def test_video_without_a_keyframe_says_so() -> None:
    track = Watched("video").dropped("before_keyframe", 10.0)
    assert track.code is None
    assert track.dropped("before_keyframe", 12.5).code is HealthCode.NO_KEYFRAME
    assert track.flow.counts["dropped"] == {"before_keyframe": 25}


def test_nothing_but_unfitting_times_is_noticed_within_three_seconds() -> None:
    track = Watched("audio").stored(5.0)
    assert track.dropped(TIMES, 7.5).code is HealthCode.TIMES_UNUSABLE
    assert track.stored(10.0).code is None


def test_a_stray_time_among_packets_that_wait_for_a_keyframe_is_not_the_reason() -> None:
    track = Watched("video")
    track.flow.drop(TIMES)
    assert track.dropped("before_keyframe", 5.0).code is None


def test_packets_that_arrive_and_reach_no_file_are_a_stall() -> None:
    track = Watched("video").unwritten(10.0)
    assert track.code is None
    assert track.unwritten(12.5).code is HealthCode.RECORDING_STALLED


def test_another_connection_begins_without_a_debt_and_keeps_the_counts() -> None:
    track = Watched("video").stored(5.0)
    track.flow.connect(100.0)
    assert track.flow.look(105.0) is None
    assert track.flow.counts["received"] == 10


def test_another_track_on_the_same_connection_takes_over_what_is_overdue() -> None:
    track = Watched("audio").stored(20.0).look(30.0)
    assert track.code is HealthCode.TRACK_SILENT
    track.flow.connect_again()
    assert track.look(32.5).code is HealthCode.TRACK_SILENT
    assert track.stored(40.0).code is None


def test_the_longest_pause_outlasts_a_connection() -> None:
    track = Watched("audio").stored(40.0, every_s=20.0)
    track.flow.connect(track.now)
    assert track.look(75.0).code is None
    assert track.look(82.5).code is HealthCode.TRACK_SILENT


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_new_track_is_neither_still_nor_absent_and_has_counted_nothing(kind: str) -> None:
    flow = TrackFlow(kind, 100.0)
    assert (flow.still, flow.absent, flow.keyframes, flow.fragments) == (False, False, 0, 0)
    assert flow.counts == {"received": 0, "stored": 0, "dropped": {}, "still": False}
    flow.absent = True
    flow.connect(200.0)
    assert not flow.absent
