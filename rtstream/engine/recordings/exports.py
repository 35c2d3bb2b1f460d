"""Exports recordings, or windows of them, as permanent videos."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import anyio
import anyio.to_thread
from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.jobs import Job, Jobs, JobSubject
from rtstream.engine.journal import Journal
from rtstream.engine.recordings.playback import keys, stored_segment, window
from rtstream.engine.recordings.videos import VideoService, catalogue
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.extract.export import ExportJob, main
from rtstream.forkserver import start_process
from rtstream.json_types import JsonObject
from rtstream.mp4.progressive import same_format
from rtstream.mp4.recordings import StoredRecording
from rtstream.mp4.sample_tables import read_init
from rtstream.rules.playlist import describe_nearest, format_time
from rtstream.rules.text_safety import clean
from rtstream.states import DesiredState, JobKind, PinKind
from rtstream.storage import Storage
from rtstream.store import journal as journal_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store import videos as rows
from rtstream.store.database import Database
from rtstream.store.recordings import RecordingRow, SegmentRow
from rtstream.store.streams import StreamRow

log = logging.getLogger(__name__)

MAX_EXPORT_S = 24 * 3600.0
AT_ONCE = 2
SILENCE_S = 120.0
"""Seconds without a message after which an export process is killed."""
MAX_NAME = 200


@dataclass(frozen=True)
class _Asked:
    """A checked request for an export. Requests for the same footage have the same ``key``."""

    stream: StreamRow
    name: str
    start: float
    end: float
    key: str
    segments: Sequence[SegmentRow]
    recordings: dict[str, RecordingRow]


class ExportService:
    """Exports recordings in ``media`` as videos in ``storage``, and leaves ``room`` bytes of the disk free."""

    def __init__(
        self,
        jobs: Jobs,
        db: Database,
        journal: Journal,
        media: Storage,
        storage: Storage,
        videos: VideoService,
        room: int,
    ) -> None:
        self._jobs = jobs
        self._db = db
        self._journal = journal
        self._media = media
        self._videos = videos
        self._storage = storage
        self._room = room
        self._turn = anyio.Semaphore(AT_ONCE)
        self._under_way: dict[tuple[str, str], Job] = {}

    async def agree(self) -> None:
        """Clean up after a crash. Removes files without a video, and the pins of exports that did not finish."""
        known = await self._db.read(rows.ids)
        await self._db.write(recording_rows.unpin, PinKind.EXPORT)
        for folder in set(await self._storage.folders()) - known:
            await self._storage.delete_folder(folder)

    async def start(self, stream_id: str, name: str | None, start: float | None, end: float | None) -> Job:
        """Export the latest completed recording of a stopped stream, or the window [start, end] (Unix seconds).

        The result of the job is the id of the video. Exporting the same footage again returns the existing video.

        Raises:
            NotFound: The stream does not exist, or nothing is recorded in the window.
            InvalidRequest: The window is invalid, or the recordings cannot be exported as one video.
        """
        stream = await self._db.read(stream_rows.get, stream_id)
        name = clean(name or "", MAX_NAME).strip() or f"{stream.name} - Recording"[:MAX_NAME]
        whole = start is None and end is None
        asked = await (self._recording(stream, name) if whole else self._window(stream, name, start, end))
        made = await self._db.read(rows.exported, stream_id, asked.key)
        subject = JobSubject(JobKind.EXPORT, asked.name, stream_id)
        if made is not None:
            return self._jobs.finished(made.id, subject, self._videos.exported)
        key = (stream_id, asked.key)
        if key not in self._under_way:
            self._under_way[key] = self._jobs.start(
                lambda job: self._carry_out(job, asked), subject, self._videos.exported
            )
        return self._under_way[key]

    async def _recording(self, stream: StreamRow, name: str) -> _Asked:
        """The latest completed recording, from the start of the stream to its stop, including reconnects."""
        if stream.desired is DesiredState.RUNNING:
            raise InvalidRequest(
                "The stream is still running. Stop it first, or pass start and end to export a part of it."
            )
        since = await self._db.read(recording_rows.latest_session, stream.id)
        if since is None:
            raise InvalidRequest(
                "There are no recordings of this stream to export."
                if stream.store
                else "The stream has no recordings, because it was connected with store=false."
            )
        segments, recordings = await self._stored(stream.id, since, time.time())
        if not segments:
            raise InvalidRequest("The stream has no recordings to export. Its recordings may have been deleted.")
        # A video cannot change its format, so the export begins after the last change.
        fitting = _same_format(recordings)
        last = next(n for n, recording in enumerate(reversed([False, *fitting])) if not recording)
        kept = set(list(recordings)[len(recordings) - last :])
        segments = [segment for segment in segments if segment.recording_id in kept]
        start, end = segments[0].start, segments[-1].start + segments[-1].duration
        _check_length(start, end)
        return _Asked(stream, name, start, end, segments[-1].recording_id, segments, recordings)

    async def _window(self, stream: StreamRow, name: str, start: float | None, end: float | None) -> _Asked:
        start, end = window(start, end)
        _check_length(start, end)
        segments, recordings = await self._stored(stream.id, start, end)
        if not segments:
            ranges = await self._db.read(recording_rows.ranges, stream.id, 3, (start + end) / 2)
            raise NotFound(describe_nearest(ranges, start, end, storing=stream.store))
        if not all(_same_format(recordings)):
            raise InvalidRequest(_formats_differ(segments, recordings))
        start, end = max(start, segments[0].start), min(end, segments[-1].start + segments[-1].duration)
        return _Asked(stream, name, start, end, f"{round(start * 1e6)}-{round(end * 1e6)}", segments, recordings)

    async def _stored(
        self, stream_id: str, start: float, end: float
    ) -> tuple[list[SegmentRow], dict[str, RecordingRow]]:
        """Return the segments of a window, oldest first, and their recordings in the same order."""

        def query(conn: Connection) -> tuple[list[SegmentRow], dict[str, RecordingRow]]:
            segments = recording_rows.segments_between(conn, stream_id, start, end)
            recordings = {
                recording_id: recording_rows.find(conn, stream_id, recording_id)
                for recording_id in dict.fromkeys(segment.recording_id for segment in segments)
            }
            return segments, {
                recording_id: recording for recording_id, recording in recordings.items() if recording is not None
            }

        return await self._db.read(query)

    async def _carry_out(self, job: Job, asked: _Asked) -> str:
        video_id = _new_id(asked)
        try:
            await self._db.write(recording_rows.pin, asked.stream.id, asked.start, asked.end, PinKind.EXPORT, video_id)
            async with self._turn:
                job.begin()
                made = await self._db.read(rows.exported, asked.stream.id, asked.key)
                if made is not None:
                    return made.id
                index = await self._export(video_id, asked, job)
            try:
                await self._db.write(self._store, video_id, asked, index)
            except BaseException:
                await self._remove(video_id)
                raise
            self._journal.wake()
            return video_id
        finally:
            del self._under_way[asked.stream.id, asked.key]
            with anyio.CancelScope(shield=True):
                await self._db.write(recording_rows.unpin, PinKind.EXPORT, video_id)

    def _store(self, conn: Connection, video_id: str, asked: _Asked, index: JsonObject) -> None:
        covered = [[part[0], part[1]] for part in index["parts"]]
        rows.insert(
            conn,
            id=video_id,
            collection_id=asked.stream.collection_id,
            stream_id=asked.stream.id,
            name=asked.name,
            path=video_id,
            start=covered[0][0],
            duration=index["duration"],
            detail={
                "key": asked.key,
                "size": index["size"],
                "covered": covered,
                "audio": "soun" in _kinds(asked),
            },
            created_at=time.time(),
        )
        journal_rows.append(conn, catalogue("added", video_id, asked.name))

    async def _export(self, video_id: str, asked: _Asked, job: Job) -> JsonObject:
        """Run the export process. If it fails or is cancelled, its files are removed."""
        recordings = [
            StoredRecording(
                asked.recordings[recording_id].init, [stored_segment(asked.stream.id, row) for row in segments]
            )
            for recording_id, segments in groupby(asked.segments, key=lambda segment: segment.recording_id)
        ]
        codecs = asked.recordings[asked.segments[0].recording_id].codecs
        draft = self._storage.draft(video_id)
        async with self._media.lease(keys(recordings)) as files:
            work = ExportJob(files, recordings, codecs, asked.start, asked.end, draft, self._room)
            return await self._run(video_id, work, job)

    async def _run(self, video_id: str, work: ExportJob, job: Job) -> JsonObject:
        done = False
        process, connection = await anyio.to_thread.run_sync(start_process, main, work, f"export-{video_id}")
        try:
            while True:
                message = await _heard(connection.recv_bytes)
                if "index" in message:
                    done = True
                    return message["index"]
                if "error" in message:
                    raise _failure(message)
                if message["total"]:
                    job.progress(round(100.0 * message["done"] / message["total"], 1))
        finally:
            process.kill()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(process.join, 5.0)
                connection.close()
                if not done:
                    await self._remove(video_id)

    async def _remove(self, video_id: str) -> None:
        with anyio.CancelScope(shield=True):
            await self._storage.delete_folder(video_id)


async def _heard(receive: Callable[[], bytes]) -> JsonObject:
    """Receive the next message of an export process."""
    try:
        with anyio.fail_after(SILENCE_S):
            return json.loads(await anyio.to_thread.run_sync(receive, abandon_on_cancel=True))
    except TimeoutError:
        raise Unavailable("The export stopped making progress. The disk may be overloaded. Try again later.") from None
    except (EOFError, OSError):
        raise Unavailable("The export ended unexpectedly. Try again.") from None


def _failure(message: JsonObject) -> Unavailable:
    if message["full"]:
        return Unavailable("The disk has too little free space for this export. Free some, or export a shorter part.")
    return Unavailable(f"This cannot be exported: {message['error']}.")


def _check_length(start: float, end: float) -> None:
    if end - start > MAX_EXPORT_S:
        raise InvalidRequest(
            f"The recording is {(end - start) / 3600:.0f} hours long, from {format_time(start)} to {format_time(end)}. "
            "An export is limited to 24 hours. Pass start and end."
        )


def _same_format(recordings: dict[str, RecordingRow]) -> list[bool]:
    inits = [recording.init for recording in recordings.values()]
    # In nearly all cases, their bytes are identical.
    return [True] * len(inits) if len(set(inits)) == 1 else same_format(inits)


def _formats_differ(segments: Sequence[SegmentRow], recordings: dict[str, RecordingRow]) -> str:
    """Error text for recordings that cannot be joined. It lists the parts that can be exported."""
    parts: list[list[SegmentRow]] = []
    for recording_id, found in groupby(segments, key=lambda segment: segment.recording_id):
        own = list(found)
        if parts and same_format([recordings[parts[-1][-1].recording_id].init, recordings[recording_id].init])[0]:
            parts[-1].extend(own)
        else:
            parts.append(own)
    listed = "; ".join(
        f"{format_time(part[0].start)} to {format_time(part[-1].start + part[-1].duration)}" for part in parts[:5]
    )
    return f"The format of the stream changes in this window. Export its parts one by one: {listed}."


def _new_id(asked: _Asked) -> str:
    return ids.video_id() if "vide" in _kinds(asked) else ids.audio_id()


def _kinds(asked: _Asked) -> set[str]:
    """Return the kinds of the tracks: ``vide`` and ``soun``. All recordings of a video have the same format."""
    tracks = read_init(next(iter(asked.recordings.values())).init)
    return {track.handler.decode("latin-1") for track in tracks.values()}
