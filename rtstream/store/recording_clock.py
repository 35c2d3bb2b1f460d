"""Steps of the clock, back in time, in the recordings of a stream.

Media time grows from recording to recording whatever the clock does. It tells recordings with the same times apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from rtstream.rules.gaps import SET_BACK_S
from rtstream.store.recordings import RECORDED, SegmentRow
from rtstream.store.tables import recordings

MOST_RECORDINGS = 2000
"""Number of recordings in which steps of the clock are looked for."""
EVERY_RECORDING = -1.0
"""In place of a media time: recordings from before and after all steps of the clock."""
ENTERED_S = 60.0
"""Seconds within which a recording is entered, unless the database is unavailable for longer."""


@dataclass(frozen=True, slots=True)
class ClockedRecording:
    """A recording on the clock of the computer and in media time, which grows from recording to recording."""

    id: str
    started_at: float
    ended_at: float
    media_start: float


def newest_recordings(conn: Connection, stream_id: str, until_media: float | None = None) -> list[ClockedRecording]:
    """Return the recordings of a stream, at most ``MOST_RECORDINGS``, beginning with the one made last.

    Args:
        conn: The connection.
        stream_id: The stream.
        until_media: Only recordings up to this media time.
    """
    columns = recordings.c.id, recordings.c.started_at, recordings.c.ended_at, RECORDED.label("media_start")
    query = select(*columns).where(recordings.c.stream_id == stream_id, recordings.c.ended_at > recordings.c.started_at)
    if until_media is not None:
        query = query.where(until_media >= RECORDED)
    newest = query.order_by(RECORDED.desc(), recordings.c.started_at.desc()).limit(MOST_RECORDINGS)
    return [ClockedRecording(*row) for row in conn.execute(newest)]


def without_others(
    conn: Connection, stream_id: str, after_media: float | None, found: Iterable[SegmentRow]
) -> list[SegmentRow]:
    """Return the segments of recordings made between the steps of the clock before and after a media time.

    Args:
        conn: The connection.
        stream_id: The stream.
        after_media: Media time of the last recording from before the step. None: there was none. With
            ``EVERY_RECORDING``, all segments are returned.
        found: Segments.
    """
    if after_media == EVERY_RECORDING:
        return list(found)
    others: set[str] = set()
    reached, later = -math.inf, False
    for one in reversed(newest_recordings(conn, stream_id)):
        before = after_media is not None and one.media_start <= after_media
        later = later or (not before and one.started_at < reached - SET_BACK_S)
        if before or later:
            others.add(one.id)
        else:
            reached = one.ended_at
    return [one for one in found if one.recording_id not in others]


@dataclass(frozen=True)
class ClockStep:
    """A step of the clock, back in time, in the footage of a stream.

    ``since`` and ``until`` are the start of the footage after it and the end of the footage before it, in Unix seconds.
    Without footage after it, ``since`` is infinite. ``media`` is the media time of the last recording before it.
    """

    since: float
    until: float
    media: float | None

    def begins(self, now: float) -> float:
        """Return a time before which the footage after the step does not begin.

        The recording since the step may be entered only after its first picture has arrived. An earlier time does no
        harm, because only recordings after ``media`` are in the gap.
        """
        return now - ENTERED_S if self.since == math.inf else self.since


def around_step(conn: Connection, stream_id: str, before: float) -> ClockStep:
    """Return the step after ``before``, which is a Unix time on the clock as it was before the step."""
    since = math.inf
    for one in newest_recordings(conn, stream_id):
        if one.ended_at >= before - SET_BACK_S or one.ended_at > since + SET_BACK_S:
            return ClockStep(since, one.ended_at, one.media_start)
        since = one.started_at
    return ClockStep(since, before, None)


def last_step(conn: Connection, stream_id: str, until_media: float | None = None) -> float:
    """Return the media time of the last recording before the last step of the clock, or 0 without one."""
    since = math.inf
    for one in newest_recordings(conn, stream_id, until_media):
        if one.ended_at > since + SET_BACK_S:
            return one.media_start
        since = one.started_at
    return 0.0
