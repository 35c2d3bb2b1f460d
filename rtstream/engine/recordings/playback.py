"""What was on a stream: playlists, pages, files and single pictures of any recorded window."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import anyio
from sqlalchemy import Connection

from rtstream.engine.recordings.links import Grant, Links
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.extract.frames import MAX_SHEET_PICTURES, contact_sheet, frame_at
from rtstream.forkserver import context
from rtstream.json_types import JsonObject
from rtstream.models import Playback
from rtstream.mp4.progressive import FormatMismatch, ProgressiveFile, plan
from rtstream.mp4.recordings import StoredRecording, StoredSegment
from rtstream.perception.protocols import Picture
from rtstream.rules.playlist import Range, Segment, SegmentRow, coverage, describe_nearest, playlist
from rtstream.storage import Storage, StoredFile, joined
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database

log = logging.getLogger(__name__)

MAX_WINDOW_S = 31 * 86400.0
EXTRACT_TIMEOUT_S = 20.0
LAST_S = 60.0
LONG_S = 3600.0
MAX_DOWNLOAD_S = 6 * 3600.0
"""Longest window that is put together while it is sent; longer ones are exported."""


@dataclass(frozen=True)
class StreamSheet:
    """A contact sheet; ``times``: Unix seconds of its pictures, row by row."""

    times: list[float]
    jpeg: bytes
    width: int
    height: int


class PlaybackService:
    """Reads recordings. In ``media``, the keys of a stream's files begin with its id."""

    def __init__(self, db: Database, links: Links, media: Storage) -> None:
        self._db = db
        self._links = links
        self._media = media
        self._pool: ProcessPoolExecutor | None = None
        self._long = anyio.Lock()

    def _turn(self, start: float, end: float) -> AbstractAsyncContextManager[None]:
        """To be held while the segments of a window are read.

        Of long windows one is read at a time: threads that pass the interpreter to each other at every row take three
        times as long together as one after the other, and short ones are not kept waiting.
        """
        return self._long if end - start > LONG_S else nullcontext()

    async def playback(
        self,
        base_url: str,
        stream_id: str,
        start: float | None,
        end: float | None,
        title: str = "",
        description: str = "",
    ) -> Playback:
        """Links to a window; without ``start`` and ``end`` to the last minute that is recorded.

        Raises InvalidRequest for an impossible window, NotFound for an empty one.
        """
        stream = await self._db.read(stream_rows.get, stream_id)
        if start is None and end is None:
            newest = await self._db.read(rows.last_segment, stream_id)  # an HLS source is late, a stopped one over
            until = time.time() if newest is None else newest.start + newest.duration
            start, end = until - LAST_S, until
        start, end = window(start, end)

        def query(conn: Connection) -> tuple[list[Range], list[Range]]:
            return coverage(rows.each_segment(conn, stream_id, start, end), start, end)

        async with self._turn(start, end):
            covered, gaps = await self._db.read(query)
        if not covered:
            ranges = await self._db.read(rows.ranges, stream_id, 3, (start + end) / 2)
            raise NotFound(describe_nearest(ranges, start, end, storing=stream.store))
        links = self._links.urls(base_url, stream_id, start, end, title or stream.name, description)
        return Playback(**links, start=start, end=end, covered=covered, gaps=gaps)

    async def manifest(self, grant: Grant, token: str) -> str:
        """HLS playlist of a granted window; addresses in it are relative to it. Raises NotFound."""

        def build(conn: Connection) -> str:
            return playlist(
                rows.each_segment(conn, grant.stream_id, grant.start, grant.end),
                grant.start,
                init_url=lambda recording: f"../../media/{token}/init/{recording}.mp4",
                segment_url=lambda path: f"../../media/{token}/seg/{path}",
            )

        try:
            async with self._turn(grant.start, grant.end):
                return await self._db.read(build)
        except ValueError:
            raise NotFound("Nothing is recorded in this window (any more).") from None

    async def page(self, grant: Grant, token: str, marks: list[JsonObject]) -> JsonObject:
        """All the player page needs to play a granted window."""

        def query(conn: Connection) -> tuple[tuple[list[Range], list[Range]], list[JsonObject]]:
            segments = list(rows.each_segment(conn, grant.stream_id, grant.start, grant.end))
            fragments = _fragments(segments, token, self._codecs(conn, grant.stream_id, {row[2] for row in segments}))
            return coverage(segments, grant.start, grant.end), fragments

        async with self._turn(grant.start, grant.end):
            (covered, gaps), fragments = await self._db.read(query)
        links = self._links.urls("", grant.stream_id, grant.start, grant.end, grant.title, grant.description)
        return {
            "title": grant.title,
            "description": grant.description,
            "start": grant.start,
            "end": grant.end,
            "stream_url": links["stream_url"],
            "covered": covered,
            "gaps": gaps,
            "live": False,
            "clock": True,
            "fragments": fragments,
            "marks": marks,
            "download_url": f"/media/{token}/video.mp4" if grant.end - grant.start <= MAX_DOWNLOAD_S else None,
        }

    async def init_segment(self, grant: Grant, recording_id: str) -> bytes:
        """The fMP4 initialisation segment of a run of the granted stream. Raises NotFound."""
        row = await self._db.read(rows.init_of, grant.stream_id, recording_id)
        if row is None:
            raise NotFound("There is no such recording.")
        return row.init

    async def file(self, grant: Grant, path: str) -> StoredFile:
        """A segment file of the granted stream; never one of another stream. Raises NotFound."""
        return await self._media.get(joined(grant.stream_id, path))

    async def frame(self, stream_id: str, at: float, max_side: int) -> Picture:
        """The picture shown at Unix time ``at``. Raises NotFound when nothing was recorded there."""
        stream = await self._db.read(stream_rows.get, stream_id)
        if not math.isfinite(at):
            raise InvalidRequest("The time must be a Unix timestamp in seconds.")
        segments = await self._segments(stream_id, at, at + 1e-3)
        if not segments:
            ranges = await self._db.read(rows.ranges, stream_id, 3, at)
            raise NotFound(describe_nearest(ranges, at, at, storing=stream.store))
        segment = segments[0]
        run = await self._db.read(rows.init_of, stream_id, segment.recording_id)
        assert run is not None
        piece = stored_segment(stream_id, segment)
        async with self._media.lease([piece.key]) as files:
            found = await self._extract(frame_at, files, run.init, [piece], at, max_side)
        return Picture(found.time, found.jpeg, found.width, found.height)

    async def sheet(self, stream_id: str, start: float, end: float, count: int, max_side: int) -> StreamSheet:
        """Up to ``count`` pictures, evenly from [start, end], in one; moments without a recording are left out."""
        stream = await self._db.read(stream_rows.get, stream_id)
        start, end = window(start, end)
        if not 1 <= count <= MAX_SHEET_PICTURES:
            raise InvalidRequest(f"A contact sheet shows 1 to {MAX_SHEET_PICTURES} pictures.")
        step = (end - start) / count

        def query(conn: Connection) -> tuple[dict[str, StoredRecording], list[float]]:
            runs: dict[str, StoredRecording] = {}
            times: list[float] = []
            for at in (start + (number + 0.5) * step for number in range(count)):
                for row in rows.segments_between(conn, stream_id, at, at + 1e-3)[:1]:
                    times.append(at)
                    piece = stored_segment(stream_id, row)
                    run = runs.get(row.recording_id)
                    if run is None:
                        found = rows.init_of(conn, stream_id, row.recording_id)
                        assert found is not None
                        runs[row.recording_id] = StoredRecording(found.init, [piece])
                    elif run.pieces[-1] != piece:
                        runs[row.recording_id] = StoredRecording(run.init, [*run.pieces, piece])
            return runs, times

        runs, times = await self._db.read(query)
        if not times:
            ranges = await self._db.read(rows.ranges, stream_id, 3, (start + end) / 2)
            raise NotFound(describe_nearest(ranges, start, end, storing=stream.store))
        async with self._media.lease(keys(runs.values())) as files:
            found = await self._extract(contact_sheet, files, list(runs.values()), times, max_side)
        return StreamSheet(found.times, found.jpeg, found.width, found.height)

    async def flat(self, grant: Grant) -> ProgressiveFile:
        """A granted window as a plain MP4 file to be. Raises InvalidRequest when its format changes, NotFound."""
        if grant.end - grant.start > MAX_DOWNLOAD_S:
            raise InvalidRequest("This is too long to download directly. Export it.")

        def query(conn: Connection) -> list[StoredRecording]:
            runs: list[StoredRecording] = []
            found = rows.segments_between(conn, grant.stream_id, grant.start, grant.end)
            for recording_id, own in groupby(found, key=lambda row: row.recording_id):
                run = rows.init_of(conn, grant.stream_id, recording_id)
                if run is not None:
                    runs.append(StoredRecording(run.init, [stored_segment(grant.stream_id, row) for row in own]))
            return runs

        runs = await self._db.read(query)
        try:
            async with self._media.lease(keys(runs)) as files:
                return await self._extract(plan, runs, grant.start, grant.end, files.open)
        except NotFound as exc:
            if isinstance(exc.__cause__, FormatMismatch):
                raise InvalidRequest("The format of the stream changes in this window. Ask for shorter ones.") from None
            raise

    async def content(self, flat: ProgressiveFile) -> AsyncGenerator[bytes]:
        """The bytes of such a file. Ends early when a part of the recording is removed meanwhile."""
        yield flat.header
        for stretch in flat.stretches:
            async with aclosing(self._media.open_range(stretch.key, stretch.offset, stretch.length)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def newest(self, stream_id: str, max_side: int) -> Picture:
        """The last recorded picture. Raises NotFound."""
        last = await self._db.read(rows.last_segment, stream_id)
        if last is None:
            raise NotFound("Nothing was recorded on this stream.")
        return await self.frame(stream_id, last.start + max(0.0, last.duration - 0.001), max_side)

    async def _segments(self, stream_id: str, start: float, end: float) -> list[Segment]:
        def query(conn: Connection) -> list[Segment]:
            return list(map(Segment._make, rows.segments_between(conn, stream_id, start, end)))

        return await self._db.read(query)

    @staticmethod
    def _codecs(conn: Connection, stream_id: str, recording_ids: set[str]) -> dict[str, str]:
        found = {recording_id: rows.init_of(conn, stream_id, recording_id) for recording_id in recording_ids}
        return {recording_id: row.codecs for recording_id, row in found.items() if row is not None}

    async def _extract(self, fn: Any, *args: Any) -> Any:
        """Run ``fn`` in the media process; a crash there costs one retry, never the engine."""
        for attempt in (1, 2):
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, mp_context=context(), initializer=_ignore_interrupt)
            try:
                future = self._pool.submit(fn, *args)
                with anyio.fail_after(EXTRACT_TIMEOUT_S):
                    return await asyncio.wrap_future(future)
            except (BrokenProcessPool, TimeoutError):
                log.warning("the picture extractor broke or hung (attempt %d)", attempt)
                await self._drop_pool()
            except ValueError as exc:
                raise NotFound(f"That moment cannot be shown: {exc}") from exc
        raise Unavailable("That moment cannot be decoded. Try another one nearby.")

    async def _drop_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):  # no public way to end a hung one
                process.kill()
            await anyio.to_thread.run_sync(lambda: pool.shutdown(wait=False, cancel_futures=True))

    async def aclose(self) -> None:
        """End the media process."""
        await self._drop_pool()


def stored_segment(stream_id: str, row: Any) -> StoredSegment:
    """A row of a segment (``path``, ``offset``, ``length``, ``start``) as media processes read it."""
    return StoredSegment(f"{stream_id}/{row.path}", row.offset, row.length, row.start)


def keys(runs: Iterable[StoredRecording]) -> set[str]:
    """The keys of all files of recordings."""
    return {piece.key for run in runs for piece in run.pieces}


def _fragments(segments: Iterable[SegmentRow], token: str, codecs: Mapping[str, str]) -> list[JsonObject]:
    """Segments as the player page fetches them."""
    return [
        {
            "start": start,
            "duration": duration,
            "recording_id": recording_id,
            "init_url": f"/media/{token}/init/{recording_id}.mp4",
            "url": f"/media/{token}/seg/{path}",
            "offset": offset,
            "length": length,
            "mime": f'video/mp4; codecs="{codecs[recording_id]}"',
        }
        for start, duration, recording_id, path, offset, length in segments
    ]


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def window(start: float | None, end: float | None) -> tuple[float, float]:
    """The window asked for; one of no length becomes the second around it (API reference 2.6)."""
    if start is None or end is None:
        raise InvalidRequest("Give both start and end as Unix timestamps in seconds.")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise InvalidRequest("start and end must be Unix timestamps in seconds.")
    if end < start:
        raise InvalidRequest(
            "The end of the window is before its start. Swap them: both are Unix timestamps in seconds."
        )
    if end - start > MAX_WINDOW_S:
        raise InvalidRequest("The window is longer than 31 days. Ask for a shorter one.")
    if start > time.time() + 1:
        raise InvalidRequest("The window begins in the future. Times are Unix timestamps in seconds.")
    if end == start:
        start, end = math.floor(start), math.floor(start) + 1
    return float(start), float(end)
