"""Links that play ranges of streams and videos, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection

from rtstream.engine.recordings.links import LinkService, player_url, stream_url
from rtstream.engine.recordings.playback import window
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import ClipLinks
from rtstream.rules.link_targets import ClipRange, LinkOrigin, is_stream, ranges_target, window_target
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database

MAX_CLIPS = 100
MAX_STREAMS_S = 6 * 3600.0
"""Total length of the ranges of streams in seconds. Playlists of videos are read from an index of their own."""
NOT_RECORDED = "Nothing is recorded in these ranges. Their recordings may have been deleted, or the streams not stored."


class ClipService:
    """Creates the links. A link to several ranges plays them in the order in which they are passed."""

    def __init__(self, db: Database, links: LinkService) -> None:
        self._db = db
        self._links = links

    async def create(self, origin: LinkOrigin, wanted: Sequence[ClipRange], title: str = "") -> ClipLinks:
        """Create the links that play ranges in sequence.

        The ranges of streams of which nothing is recorded are skipped when the link is played. A single range of a
        stream has the same link as that window.

        Args:
            origin: Origin and purpose of the links.
            wanted: Ranges of videos in seconds of each, and of streams in Unix seconds.
            title: Title on the player page.

        Raises:
            InvalidRequest: A range is impossible, or there are too many.
            NotFound: A stream or video does not exist, or nothing is recorded.
        """
        if not 1 <= len(wanted) <= MAX_CLIPS:
            raise InvalidRequest(f"Pass 1 to {MAX_CLIPS} parts, each as [start, end] in seconds.")
        now = time.time()
        cut, recorded = await self._db.read(lambda conn: _cut(conn, wanted, now))
        if not recorded:
            raise NotFound(NOT_RECORDED)
        if sum(end - start for source, start, end in cut if is_stream(source)) > MAX_STREAMS_S:
            raise InvalidRequest(f"The parts of streams exceed {MAX_STREAMS_S / 3600:g} h in total. Pass fewer parts.")
        if len(cut) == 1 and is_stream(cut[0][0]):
            target = window_target(*cut[0], title)
        else:
            target = ranges_target(tuple(cut), title)
        (link_id,) = await self._links.create([target], origin.purpose)
        return _links(origin, link_id)

    async def each(self, origin: LinkOrigin, wanted: Sequence[ClipRange]) -> Sequence[ClipLinks]:
        """Create a link for each range of a video, in one transaction."""
        targets = [ranges_target(((video_id, round(start, 3), round(end, 3)),)) for video_id, start, end in wanted]
        return [_links(origin, link_id) for link_id in await self._links.create(targets, origin.purpose)]


def _links(origin: LinkOrigin, link_id: str) -> ClipLinks:
    return ClipLinks(stream_url=stream_url(origin.base_url, link_id), player_url=player_url(origin.base_url, link_id))


def _cut(conn: Connection, wanted: Sequence[ClipRange], now: float) -> tuple[list[ClipRange], bool]:
    """Return the ranges, cut to what exists at ``now`` (Unix seconds), and whether any of them is recorded."""
    cut = [_of_stream(conn, one, now) if is_stream(one[0]) else _of_video(conn, one) for one in wanted]
    return cut, any(not is_stream(one[0]) or _recorded(conn, one) for one in cut)


def _of_video(conn: Connection, wanted: ClipRange) -> ClipRange:
    video_id, start, end = wanted
    row = rows.get(conn, video_id)
    if not 0 <= start < end:
        raise InvalidRequest("Each part is [start, end] in seconds of the video, with start before end.")
    if start >= row.duration:
        raise InvalidRequest(f"The video {video_id} is only {row.duration:.1f} s long.")
    return video_id, round(start, 3), round(min(end, row.duration), 3)


def _of_stream(conn: Connection, wanted: ClipRange, now: float) -> ClipRange:
    """Return a range that ends by now, because a link to the past must not play the future."""
    stream_id, start, end = wanted
    stream_rows.get(conn, stream_id)
    last = recording_rows.last_segment(conn, stream_id)
    now = max(now, 0.0 if last is None else last.start + last.duration)  # later if the clock was set back
    start, end = window(start, end, now)
    return stream_id, start, max(start, min(end, now))


def _recorded(conn: Connection, wanted: ClipRange) -> bool:
    return next(recording_rows.each_segment(conn, *wanted), None) is not None
