"""Serves the playlist, player page, segments and download of a window, and the sections that ranges of it show."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from itertools import groupby

import anyio
from sqlalchemy import Connection

from rtstream.engine.recordings.extractor import Extractor
from rtstream.engine.recordings.links import download_url, stream_url
from rtstream.engine.recordings.playback import keys, stored_segment
from rtstream.engine.recordings.playback_audio import AudioSource, is_converted, playback_init
from rtstream.engine.recordings.sections import Section, SectionPart
from rtstream.engine.recordings.window_edges import WindowEdges, within
from rtstream.errors import InvalidRequest, NotFound
from rtstream.extract.frames import frame_at
from rtstream.json_types import JsonObject
from rtstream.mp4.progressive import FormatMismatch, ProgressiveFile, plan
from rtstream.mp4.recordings import StoredRecording
from rtstream.rules.link_targets import ClipRange, LinkTarget, window_target
from rtstream.rules.playlist import HOLE_S, Range, SegmentRow, coverage, playlist
from rtstream.storage import Storage, StoredFile
from rtstream.store import recordings as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.links import Link

MAX_DOWNLOAD_S = 6 * 3600.0
"""Longest window in seconds that is assembled while it is sent. Longer ones have to be exported."""
AT_ONCE = 2
"""Maximum number of playlists and pages built at once, because the owner's calls need the other database threads."""
LONG_S = 3600.0
"""Longer windows are read one at a time, because threads that exchange the interpreter lock take longer in total."""
PICTURE_SIDE = 1280
"""Longest side of a picture in pixels."""
AROUND_S = 1.0
"""Audio is stored up to this many seconds before or after the pictures of its time."""
MEET_S = 0.001
NO_PART = "The recording has no such part, or it has been deleted."
NOTHING = "This window has no recordings, or they have been deleted."


class WindowMedia:
    """Reads recordings for link holders, who share ``extractor``. All URLs that it returns are relative."""

    def __init__(self, db: Database, media: Storage, extractor: Extractor) -> None:
        self._db = db
        self._media = media
        self._extractor = extractor
        self._edges = WindowEdges(db, media)
        self._turns = anyio.Semaphore(AT_ONCE)
        self._long = anyio.Lock()

    @asynccontextmanager
    async def _turn(self, window: LinkTarget) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if window.end - window.start > LONG_S:
                await stack.enter_async_context(self._long)
            await stack.enter_async_context(self._turns)
            yield

    async def manifest(self, link: Link) -> str:
        """Return the HLS playlist. Its URLs are relative to its own. Raises NotFound."""
        window = link.target

        def build(conn: Connection) -> str:
            found = rows.each_segment(conn, window.stream_id, window.start, window.end)
            prefix = cache(partial(_prefix, conn, window.stream_id))
            return playlist(
                within(found, edges),
                window.start,
                init_url=lambda recording_id: f"{prefix(recording_id)}init/{recording_id}.mp4",
                segment_url=lambda recording_id: f"{prefix(recording_id)}segment/{recording_id}/",
                own_urls=True,
            )

        async with self._turn(window):
            edges = await self._edges.of(window.stream_id, window.start, window.end)
            try:
                return await self._db.read(build)
            except ValueError:
                raise NotFound(NOTHING) from None

    async def page(self, link: Link, marks: list[JsonObject]) -> JsonObject:
        """Return everything that the player page needs. Its URLs are relative to the page's. Raises NotFound."""
        window = link.target

        def query(conn: Connection) -> tuple[str, tuple[list[Range], list[Range]], list[JsonObject]]:
            name = stream_rows.get(conn, window.stream_id).name
            found = list(rows.each_segment(conn, window.stream_id, window.start, window.end))
            recordings = _recordings(conn, window.stream_id, {row[2] for row in found})
            fragments = _fragments(within(found, edges), f"m/{link.id}", recordings)
            return name, coverage(found, window.start, window.end), fragments

        async with self._turn(window):
            edges = await self._edges.of(window.stream_id, window.start, window.end)
            name, (covered, gaps), fragments = await self._db.read(query)
        return {
            "title": window.title or name,
            "description": window.description,
            "start": window.start,
            "end": window.end,
            "stream_url": stream_url("", link.id).lstrip("/"),
            "covered": covered,
            "gaps": gaps,
            "live": False,
            "clock": True,
            "fragments": fragments,
            "marks": marks,
            "download_url": download_url("", link.id).lstrip("/")
            if window.end - window.start <= MAX_DOWNLOAD_S
            else None,
        }

    async def title(self, link: Link) -> str:
        """Return the title of the player page. Raises NotFound."""
        return link.target.title or await self.name(link.target.stream_id)

    async def init_segment(self, link: Link, recording_id: str) -> bytes:
        """Return the init segment of a recording that the window touches. Raises NotFound."""
        window = link.target

        def query(conn: Connection) -> bytes | None:
            if not rows.recorded_between(conn, window.stream_id, recording_id, window.start, window.end):
                return None
            row = rows.find(conn, window.stream_id, recording_id)
            return None if row is None else row.init

        init = await self._db.read(query)
        if init is None:
            raise NotFound("The recording does not exist.")
        return init

    async def init_with_aac(self, link: Link, recording_id: str) -> bytes:
        """Return the init segment of a recording with AAC in place of its audio. Raises NotFound."""
        return playback_init(await self.init_segment(link, recording_id))

    @property
    def storage(self) -> Storage:
        """The storage of the segments."""
        return self._media

    async def sections(self, wanted: ClipRange) -> list[Section]:
        """Return the sections of a window. Raises NotFound if the stream was deleted."""
        stream_id, start, end = wanted
        edges = await self._edges.of(stream_id, start, end)

        def query(conn: Connection) -> tuple[list[SegmentRow], dict[str, rows.RecordingRow]]:
            stream_rows.get(conn, stream_id)
            found = list(within(rows.each_segment(conn, stream_id, start, end), edges))
            return found, _recordings(conn, stream_id, {row[2] for row in found})

        found, recordings = await self._db.read(query)
        return _sections(wanted, found, recordings)

    async def section_audio(self, section: Section, number: int) -> AudioSource:
        """Return a part of a section, with the footage around it. Raises NotFound."""
        window = window_target(section.owner, section.start, section.end)
        return await self.audio_source(window, section.source, section.parts[number].start)

    async def name(self, source_id: str) -> str:
        """Return the name of a stream. Raises NotFound."""
        return (await self._db.read(stream_rows.get, source_id)).name

    async def audio_source(self, window: LinkTarget, recording_id: str, at: float) -> AudioSource:
        """Return the segment at Unix time ``at``, cut to the window, with the footage around it. Raises NotFound."""
        found = await self._edges.find(window.stream_id, recording_id, at, window.start, window.end)
        if found is None:
            raise NotFound(NO_PART)
        start, end = found.start - AROUND_S, found.end + AROUND_S

        def query(conn: Connection) -> tuple[rows.RecordingRow | None, list[rows.SegmentRow]]:
            near = rows.segments_between(conn, window.stream_id, start, end)
            return rows.find(conn, window.stream_id, recording_id), [
                row for row in near if row.recording_id == recording_id
            ]

        recording, near = await self._db.read(query)
        if recording is None or not is_converted(recording.init, recording.codecs):
            raise NotFound(NO_PART)
        around = [stored_segment(window.stream_id, row) for row in near]
        ends = found.end >= window.end
        following = next((one for one in around if abs(one.start - found.end) < MEET_S), None)
        return AudioSource(
            storage=self._media,
            id=recording_id,
            init=recording.init,
            codecs=recording.codecs,
            segment=stored_segment(window.stream_id, found),
            duration=found.duration,
            around=around or [stored_segment(window.stream_id, found)],
            following=None if ends else following,
            begins=found.start <= window.start
            or not any(row.start < found.start <= row.start + row.duration + MEET_S for row in near),
            ends=ends,
        )

    async def segment(self, link: Link, recording_id: str, at: float) -> StoredFile:
        """Return the segment at Unix time ``at`` as a file, cut to the window. Raises NotFound."""
        window = link.target
        found = await self._edges.find(window.stream_id, recording_id, at, window.start, window.end)
        if found is None:
            raise NotFound(NO_PART)
        file = await self._media.get(f"{window.stream_id}/{found.path}")
        return replace(file, size=found.length, open_range=partial(_shifted, file, found.offset))

    async def picture(self, link: Link) -> bytes:
        """Return the picture of a link as JPEG. Raises NotFound, Unavailable."""
        stream_id, at = link.target.stream_id, link.target.start

        def query(conn: Connection) -> tuple[rows.SegmentRow | None, rows.RecordingRow | None]:
            segment = rows.shown_at(conn, stream_id, at)
            return segment, None if segment is None else rows.find(conn, stream_id, segment.recording_id)

        segment, recording = await self._db.read(query)
        if segment is None or recording is None:
            raise NotFound("The recording of this picture has been deleted.")
        piece = stored_segment(stream_id, segment)
        async with self._media.lease([piece.key]) as files:
            found = await self._extractor.run(frame_at, files, recording.init, [piece], at, PICTURE_SIDE)
        return found.jpeg

    async def flat(self, link: Link) -> ProgressiveFile:
        """Plan the window as an MP4 file.

        Raises:
            InvalidRequest: The window is too long, or its format changes.
            NotFound: Nothing is recorded in the window.
        """
        window = link.target
        if window.end - window.start > MAX_DOWNLOAD_S:
            raise InvalidRequest("The window is too long to download directly. Export it instead.")

        def query(conn: Connection) -> list[StoredRecording]:
            recordings: list[StoredRecording] = []
            found = rows.segments_between(conn, window.stream_id, window.start, window.end)
            for recording_id, own in groupby(found, key=lambda row: row.recording_id):
                recording = rows.find(conn, window.stream_id, recording_id)
                if recording is not None:
                    pieces = [stored_segment(window.stream_id, row) for row in own]
                    recordings.append(StoredRecording(recording.init, pieces))
            return recordings

        recordings = await self._db.read(query)
        try:
            async with self._media.lease(keys(recordings)) as files:
                return await self._extractor.run(plan, recordings, window.start, window.end, files.open)
        except NotFound as exc:
            if isinstance(exc.__cause__, FormatMismatch):
                raise InvalidRequest(
                    "The format of the stream changes in this window. Request shorter windows."
                ) from None
            raise


async def _shifted(file: StoredFile, by: int, offset: int, length: int) -> AsyncGenerator[bytes]:
    async with aclosing(file.open_range(by + offset, length)) as chunks:
        async for chunk in chunks:
            yield chunk


def _recordings(conn: Connection, stream_id: str, recording_ids: set[str]) -> dict[str, rows.RecordingRow]:
    found = {recording_id: rows.find(conn, stream_id, recording_id) for recording_id in recording_ids}
    return {recording_id: row for recording_id, row in found.items() if row is not None}


def _sections(
    wanted: ClipRange, segments: Sequence[SegmentRow], recordings: Mapping[str, rows.RecordingRow]
) -> list[Section]:
    """Split the segments of a window where the recording changes, and at gaps."""
    stream_id, start, end = wanted
    runs: list[list[SegmentRow]] = []
    for row in segments:
        if row[2] not in recordings:  # deleted meanwhile
            continue
        last = runs[-1][-1] if runs else None
        if last is not None and last[2] == row[2] and abs(row[0] - last[0] - last[1]) < HOLE_S:
            runs[-1].append(row)
        else:
            runs.append([row])
    found: list[Section] = []
    for run in runs:
        recording, last = recordings[run[0][2]], run[-1]
        first, until = max(start, run[0][0]), min(end, last[0] + last[1])
        if first < until:
            parts = [SectionPart(row[0], row[1], f"{stream_id}/{row[3]}", row[4], row[5]) for row in run]
            found.append(Section(stream_id, recording.id, recording.init, recording.codecs, first, until, parts))
    return found


def _prefix(conn: Connection, stream_id: str, recording_id: str) -> str:
    """Return the beginning of the URLs of a recording in a playlist."""
    row = rows.find(conn, stream_id, recording_id)
    return "aac/" if row is not None and is_converted(row.init, row.codecs) else ""


def _fragments(
    segments: Iterable[SegmentRow], base: str, recordings: Mapping[str, rows.RecordingRow]
) -> list[JsonObject]:
    """Return the segments in the form that the player page fetches."""
    converted = {found.id for found in recordings.values() if is_converted(found.init, found.codecs)}
    return [
        {
            "start": start,
            "duration": duration,
            "recording_id": recording_id,
            "init_url": f"{base}/init/{recording_id}.mp4",
            "url": f"{base}/segment/{recording_id}/{start * 1e6:.0f}.m4s",
            "mime": f'video/mp4; codecs="{recordings[recording_id].codecs}"',
            **(
                {
                    "aac_init_url": f"{base}/aac/init/{recording_id}.mp4",
                    "aac_url": f"{base}/audio/segment/{recording_id}/{start * 1e6:.0f}.m4s",
                }
                if recording_id in converted
                else {}
            ),
        }
        for start, duration, recording_id, _, _, _ in segments
    ]
