"""The merged timeline of streams, in pages."""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio
from sqlalchemy import Connection

from rtstream.engine.recordings import LinkService, ScreenEdges, picture_url, player_url
from rtstream.engine.search.timeline_reader import StreamResults, read_stream
from rtstream.errors import InvalidRequest
from rtstream.models import QuietRange, TimelineChannel, TimelineEntry, TimelinePage, TimelineText
from rtstream.rules.link_targets import LinkOrigin, LinkTarget, stream_picture_target, window_target
from rtstream.rules.playlist import Range
from rtstream.rules.text_safety import clean
from rtstream.rules.timeline import RANK, TimedText, TimelineItem, set_edges
from rtstream.rules.timeline_folding import MAX_ITEMS, counts, folded, hidden, nested
from rtstream.rules.timeline_gaps import QuietChannel, quiet_ranges, reason
from rtstream.rules.timeline_page import TimelineCursor, fitting, part_s, text_chars
from rtstream.store import streams as stream_rows
from rtstream.store import timeline as rows
from rtstream.store.database import Database

DEFAULT_S = 3600.0
"""Length in seconds of a range without a start."""
MAX_RANGE_S = 31 * 86400.0
MAX_STREAMS = 100
MAX_QUIET = 12
EDGES_S = 10.0
"""Longest search for changes in the footage, in seconds. The start of a media process may take several."""
CACHED = 8
ENTRY_CHARS = 340
"""Characters of an entry besides its texts: times, links and names of fields."""
TEXT_CHARS = 190
"""The same for a text with its times."""
TIMES_CHARS = 60
"""Weight of the times of a text, in characters, where texts compete for room."""
PAGE_CHARS = 500
"""The same for a page, besides its cursor and names."""
LEAST_CLIP_S = 1.0


@dataclass(frozen=True)
class _Part:
    """The items of a part of a range."""

    items: list[TimelineItem]
    streams: dict[str, StreamResults]
    quiet: list[QuietRange]


class TimelineService:
    """Merges the results of streams to a timeline.

    Args:
        db: The database.
        links: Creates the links to the moments.
        edges: Finds the exact moments at which screens change.
    """

    def __init__(self, db: Database, links: LinkService, edges: ScreenEdges) -> None:
        self._db = db
        self._links = links
        self._edges = edges
        self._parts: OrderedDict[TimelineCursor, _Part] = OrderedDict()

    async def page(
        self,
        origin: LinkOrigin,
        *,
        streams: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
        channels: Sequence[TimelineChannel] = (),
        cursor: str | None = None,
        max_chars: int = 6000,
    ) -> TimelinePage:
        """Return a page of the timeline, oldest first.

        Args:
            origin: Where links begin.
            streams: Ids of the streams, or None for all.
            start: Start of the range in Unix seconds. By default, an hour before its end.
            end: End of the range, by default now.
            channels: The channels, by default all.
            cursor: Continues an earlier page. It contains the range, the streams and the channels.
            max_chars: Characters of the page as JSON, about.

        Raises:
            InvalidRequest: The range or the cursor is invalid.
            NotFound: There is no such stream.
        """
        if cursor:
            at = TimelineCursor.parse(cursor)
            if (streams and tuple(streams) != at.streams) or (channels and _ordered(channels) != at.channels):
                raise InvalidRequest("The cursor belongs to other streams or channels. Pass the same, or none of them.")
        else:
            at = await self._begin(streams, start, end, channels)
        part = await self._part(at)
        pending = [item for item in part.items if at.after is None or item.position > at.after]
        most = text_chars(len(part.items), max_chars, ENTRY_CHARS)
        shown = [_shortened(item, most) for item in pending]
        quiet = part.quiet if at.after is None else []
        used = (
            PAGE_CHARS
            + len(at.text())
            + sum(len(json.dumps(one.model_dump(), ensure_ascii=False)) + 60 for one in quiet)
        )
        used += sum(len(stream_id) + min(100, len(found.name)) + 4 for stream_id, found in part.streams.items())
        count = fitting([_size(item) for item in shown], max_chars - used)
        chosen, rest = shown[:count], pending[count:]
        return TimelinePage(
            start=at.start,
            end=at.end,
            streams={stream_id: clean(found.name, 100) for stream_id, found in part.streams.items()},
            entries=await self._linked(origin, chosen, part.streams),
            cursor=self._next(at, chosen, rest),
            remaining=counts(rest),
            folded=hidden(chosen),
            quiet=quiet,
            note=_note(at, part),
        )

    async def _begin(
        self, streams: Sequence[str] | None, start: float | None, end: float | None, channels: Sequence[TimelineChannel]
    ) -> TimelineCursor:
        """Return the cursor of the first page."""
        now = time.time()
        until = now if end is None else min(end, now)
        since = until - DEFAULT_S if start is None else start
        if not (math.isfinite(since) and math.isfinite(until)) or since < 0:
            raise InvalidRequest("start and end must be Unix timestamps in seconds.")
        if since >= until:
            raise InvalidRequest("The range ends before it starts, or lies in the future. Pass an earlier start.")
        if until - since > MAX_RANGE_S:
            raise InvalidRequest("The range is longer than 31 days. Ask for a shorter one.")
        if streams is not None and len(streams) > MAX_STREAMS:
            raise InvalidRequest(f"Pass at most {MAX_STREAMS} streams, or none for all.")
        wanted = None if streams is None else tuple(dict.fromkeys(streams))
        newest = await self._db.read(rows.newest)
        total, _ = await self._db.read(stream_rows.counts)
        step = part_s(total if wanted is None else len(wanted))
        return TimelineCursor(since, until, since, step, wanted, _ordered(channels), newest)

    @staticmethod
    def _next(at: TimelineCursor, chosen: Sequence[TimelineItem], rest: Sequence[TimelineItem]) -> str | None:
        """Return the cursor after a page, or None after the last one."""
        if rest:
            return replace(at, after=chosen[-1].position).text()
        following = at.following()
        return None if following is None else following.text()

    async def _part(self, at: TimelineCursor) -> _Part:
        key = replace(at, after=None)
        found = self._parts.pop(key, None) or await self._read(at)
        self._parts[key] = found
        while len(self._parts) > CACHED:
            self._parts.popitem(last=False)
        return found

    async def _read(self, at: TimelineCursor) -> _Part:
        ids = at.streams
        if ids is None:
            ids = tuple(stream.id for stream in await self._db.read(stream_rows.all_streams))
        end = at.part_end
        found = [await self._db.read(read_stream, stream_id, at.channels, at.part, end, at.newest) for stream_id in ids]
        await self._set_edges(found)
        lanes: list[list[TimelineItem]] = []
        for stream in found:
            main = next((screens for screens in stream.screens if screens), [])
            turns = [nested(main, own) for own in stream.turns]
            lanes += [*stream.screens, *turns, *stream.others]
        quiet = [one for stream in found for one in _quiet(stream, at.channels, at.part, end)]
        return _Part(folded(lanes), {stream.stream_id: stream for stream in found}, quiet)

    async def _set_edges(self, streams: Sequence[StreamResults]) -> None:
        """Find the exact beginnings of screens in the footage, unless there are too many for the time."""
        deadline = time.monotonic() + EDGES_S
        few = sum(len(screens) for stream in streams for screens in stream.screens) <= MAX_ITEMS
        for stream in streams:
            exact: dict[int, float] = {}
            for screens in stream.screens:
                for screen in screens if few else ():
                    if screen.after is None or screen.seen is None or time.monotonic() > deadline:
                        continue
                    at: float | None = None
                    with anyio.move_on_after(max(0.0, deadline - time.monotonic())):
                        at = await self._edges.changed_at(stream.stream_id, screen.after, screen.seen)
                    if at is not None:
                        exact[screen.number] = at
                set_edges(screens, exact)
            begins = {screen.number: screen for screens in stream.screens for screen in screens}
            for alert in (item for items in stream.others for item in items if item.channel == "alerts"):
                screen = begins.get(alert.scene_id)
                if screen is not None and alert.start <= screen.start <= alert.end:
                    alert.start, alert.start_within_s = screen.start, screen.start_within_s

    async def _linked(
        self, origin: LinkOrigin, items: Sequence[TimelineItem], streams: dict[str, StreamResults]
    ) -> list[TimelineEntry]:
        """Return the entries of items. All their links are created in one transaction."""
        ordered = sorted(items, key=lambda item: (item.start, item.position))

        def query(conn: Connection) -> list[tuple[LinkTarget | None, LinkTarget | None]]:
            return [_targets(conn, item, streams[item.stream_id]) for item in ordered]

        wanted = await self._db.read(query)
        targets = [target for pair in wanted for target in pair if target is not None]
        created = iter(await self._links.create(targets, origin.purpose) if targets else ())
        entries: list[TimelineEntry] = []
        for item, (clip, picture) in zip(ordered, wanted, strict=True):
            entry = _entry(item)
            if clip is not None:
                entry.player_url = player_url(origin.base_url, next(created))
            if picture is not None:
                entry.picture_url = picture_url(origin.base_url, next(created))
            entries.append(entry)
        return entries


def _ordered(channels: Sequence[TimelineChannel]) -> tuple[TimelineChannel, ...]:
    return tuple(channel for channel in RANK if not channels or channel in channels)


def _note(at: TimelineCursor, part: _Part) -> str:
    if part.items or part.quiet:
        return ""
    return "There are no streams." if not part.streams else "Nothing happened in this range."


def _quiet(stream: StreamResults, channels: Sequence[TimelineChannel], start: float, end: float) -> list[QuietRange]:
    """Return the stretches of a stream without screens or speech, each with its reason."""
    covered: dict[str, list[Range]] = {
        "scenes": stream.covered,
        "transcript": [(item.start, item.end) for own in stream.turns for item in own],
    }
    kinds: tuple[QuietChannel, ...] = ("scenes", "transcript")
    wanted: list[QuietChannel] = [kind for kind in kinds if kind in channels]
    found: list[QuietRange] = []
    for channel in wanted:
        for quiet in quiet_ranges(channel, covered[channel], start, end)[:MAX_QUIET]:
            why = clean(reason(channel, quiet, stream.facts), 300)
            found.append(
                QuietRange(rtstream_id=stream.stream_id, channel=channel, start=quiet[0], end=quiet[1], reason=why)
            )
    return found


def _targets(
    conn: Connection, item: TimelineItem, stream: StreamResults
) -> tuple[LinkTarget | None, LinkTarget | None]:
    """Return the targets of the clip and of the picture of an item, or None where nothing was recorded."""
    end = max(item.end, item.start + LEAST_CLIP_S)
    if not rows.is_recorded(conn, item.stream_id, item.start, end):
        return None, None
    clip = window_target(item.stream_id, item.start, end)
    seen = item.seen if item.seen is not None and item.start <= item.seen <= item.end else item.start
    shown = seen if rows.is_recorded(conn, item.stream_id, seen, seen + LEAST_CLIP_S) else None
    pictured = stream.has_pictures and shown is not None and item.channel != "health"
    return clip, stream_picture_target(item.stream_id, seen) if pictured else None


def _shortened(item: TimelineItem, most: int) -> TimelineItem:
    """Return a copy of an item with at most ``most`` characters of text, as many of speech, and half of new lines.

    Speech and lines that do not fit are counted.
    """
    said, later = _within(item.said, most), _within(item.later, most // 2)
    return replace(
        item,
        text=clean(item.text, most),
        said=said,
        said_more=item.said_more + len(item.said) - len(said),
        later=later,
        later_more=item.later_more + len(item.later) - len(later),
    )


def _within(texts: Sequence[TimedText], most: int) -> list[TimedText]:
    found: list[TimedText] = []
    for text in texts:
        if found and len(text.text) + TIMES_CHARS > most:
            break
        found.append(text._replace(text=clean(text.text, most)))
        most -= len(text.text) + TIMES_CHARS
    return found


def _size(item: TimelineItem) -> int:
    texts = [item.text, *(one.text for one in (*item.said, *item.later))]
    chars = sum(len(json.dumps(text, ensure_ascii=False)) for text in texts)
    return ENTRY_CHARS + chars + TEXT_CHARS * (len(item.said) + len(item.later)) + len(item.label)


def _entry(item: TimelineItem) -> TimelineEntry:
    indexed = item.channel in ("scenes", "audio")
    return TimelineEntry(
        channel=item.channel,
        rtstream_id=item.stream_id,
        start=round(item.start, 3),
        end=round(max(item.start, item.end), 3),
        within_s=round(max(item.start_within_s, item.end_within_s), 3),
        text=item.text,
        items=item.items,
        results=item.results,
        already_there=item.already_there,
        still_there=item.still_there,
        said=_texts(item.said),
        said_more=item.said_more,
        later=_texts(item.later),
        later_more=item.later_more,
        label=clean(item.label, 100),
        confidence=item.confidence,
        rtstream_index_id=item.source if indexed else None,
        alert_id=item.source if item.channel == "alerts" else None,
        engine=item.source if item.channel == "transcript" else None,
    )


def _texts(found: Sequence[TimedText]) -> list[TimelineText]:
    return [TimelineText(start=round(one.start, 3), end=round(one.end, 3), text=one.text) for one in found]
