"""Recordings from before and after a step of the clock are told apart."""

from __future__ import annotations

import math

from sqlalchemy import Connection

from rtstream.store import recording_clock, recordings


def enter(conn: Connection, *spans: tuple[float, float]) -> None:
    """Add recordings with these times, which were made one after the other."""
    for number, (start, end) in enumerate(spans):
        values = {"stream_id": "rts-1", "init": b"", "codecs": "avc1", "media_start": 100.0 * number + 1}
        recordings.insert(conn, recording_id=f"rec-{number}", started_at=start, **values)
        place = {"path": f"rec-{number}/a.m4s", "offset": 0, "length": 1, "recording_id": f"rec-{number}"}
        recordings.add_segment(conn, "rts-1", start=start, duration=end - start, **place)


def own(conn: Connection, after_media: float | None) -> list[str]:
    """The recordings between two steps."""
    found = recordings.segments_between(conn, "rts-1", 0.0, 9000.0)
    return [one.recording_id for one in recording_clock.without_others(conn, "rts-1", after_media, found)]


def test_without_a_step_everything_belongs_together(conn: Connection) -> None:
    enter(conn, (100, 110), (110, 120), (117, 130))  # 3 s back are within the accuracy of a source's clock
    assert recording_clock.last_step(conn, "rts-1") == 0.0
    assert own(conn, None) == own(conn, 0.0) == ["rec-0", "rec-1", "rec-2"]


def test_recordings_between_two_steps_belong_together(conn: Connection) -> None:
    enter(conn, (1000, 1010), (1010, 1020), (500, 510), (512, 520), (100, 110))
    assert recording_clock.last_step(conn, "rts-1") == 301.0
    assert recording_clock.last_step(conn, "rts-1", 301.0) == 101.0
    assert recording_clock.last_step(conn, "rts-1", 101.0) == 0.0
    assert own(conn, 0.0) == ["rec-0", "rec-1"]
    assert own(conn, 101.0) == ["rec-2", "rec-3"]
    assert own(conn, 301.0) == ["rec-4"]


def test_the_footage_around_a_step_is_found(conn: Connection) -> None:
    enter(conn, (1000, 1010), (1010, 1020), (500, 510), (512, 520))
    step = recording_clock.around_step(conn, "rts-1", 1005.0)
    assert (step.since, step.until, step.media) == (500.0, 1020.0, 101.0)
    assert step.begins(515.0) == 500.0


def test_a_step_whose_recording_is_not_entered_yet_begins_some_time_earlier(conn: Connection) -> None:
    enter(conn, (1000, 1010))
    step = recording_clock.around_step(conn, "rts-1", 1005.0)
    assert (step.since, step.until, step.media) == (math.inf, 1010.0, 1.0)
    assert step.begins(515.0) == 515.0 - recording_clock.ENTERED_S
    empty = recording_clock.around_step(conn, "rts-2", 1005.0)
    assert (empty.since, empty.until, empty.media) == (math.inf, 1005.0, None)
