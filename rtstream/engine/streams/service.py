"""Connects, lists, updates, starts, stops and deletes streams."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream import ids
from rtstream.config import EngineConfig
from rtstream.engine.journal import Journal
from rtstream.engine.recordings import DiskBound
from rtstream.engine.streams.addresses import Addresses
from rtstream.engine.streams.capacity import Capacity
from rtstream.engine.streams.health import HealthLog
from rtstream.engine.streams.publishers import Publishers
from rtstream.engine.streams.recorder_events import RecorderEvents
from rtstream.engine.streams.recorder_settings import PUSHED, opened_urls, recorder_spec
from rtstream.engine.streams.recorders import StreamRecorders
from rtstream.engine.streams.source_search import SourceSearch, is_same_source
from rtstream.engine.transcripts import TranscriptRunner, checked_vocabulary
from rtstream.errors import Conflict, InvalidRequest
from rtstream.ipc.sockets import run_folder
from rtstream.json_types import JsonObject
from rtstream.messages import RecorderSpec
from rtstream.models import (
    ConnectStream,
    Health,
    IndexProgress,
    MediaInfo,
    RetentionLimits,
    Slice,
    Stream,
    StreamStatus,
)
from rtstream.rules.audio_choice import audio_off
from rtstream.rules.redaction import show_source, show_url
from rtstream.rules.storage_forecast import ExpectedMedia
from rtstream.rules.text_safety import clean
from rtstream.rules.track_choice import parse_tracks
from rtstream.states import DesiredState, HealthState
from rtstream.storage import Storage
from rtstream.store import journal as journal_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as rows
from rtstream.store import values
from rtstream.store.backup_schedule import DELETED_AT
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.streams import StreamRow

log = logging.getLogger(__name__)

FIRST_ANSWER_S = 20.0
"""Longest wait for a new source in seconds. API clients give up after 30 s."""
MAX_NAME = 200
LISTED_RANGES = 3
"""Newest recorded ranges of each stream in a list."""
MAX_LISTED_WITH_RANGES = 100


class StreamService:
    """Manages all streams of the engine."""

    def __init__(
        self,
        config: EngineConfig,
        db: Database,
        journal: Journal,
        recorders: StreamRecorders,
        health: HealthLog,
        events: RecorderEvents,
        transcribers: TranscriptRunner,
        addresses: Addresses,
        media: Storage,
        progress: Callable[[str], Awaitable[list[IndexProgress]]],
        bound: DiskBound,
    ) -> None:
        self._config = config
        sockets = run_folder(config.data_dir) if recorders.outlives else None
        self._run_folder = str(sockets or "")
        self._db = db
        self._journal = journal
        self._recorders = recorders
        self._health = health
        self._events = events
        self._transcribers = transcribers
        self._addresses = addresses
        self._media = media
        self._progress = progress
        self._bound = bound
        self._publishers = Publishers(config.listen, sockets, self._publisher_names)
        self._base_url: Callable[[], str] = lambda: ""
        self._key = ""
        self._sources = SourceSearch()
        self._capacity = Capacity(config.max_streams, lambda: recorders.running)

    async def resume(self, tasks: TaskGroup, api_key: str, base_url: Callable[[], str]) -> None:
        """Resume the streams that ran when the engine ended, up to the limit on running streams.

        Recorders that are still running are taken over first. The other streams follow, oldest first. Recorders of
        streams that should not run are stopped. Then, publishers are accepted, whose stream keys depend on the API key.
        """
        self._base_url, self._key = base_url, api_key
        living = await self._recorders.living()
        for row in sorted(await self._db.read(rows.list_to_run), key=lambda row: row.id not in living):
            self._health.add(row.id, row.name, *opened_urls(row, self._config))
            try:
                with self._capacity.claim(row.id):
                    # A running recorder checks the addresses of its source at every connection.
                    await (self._run(row, living=True) if row.id in living else self._resume(row))
            except Conflict as exc:
                await self._health.set(row.id, "error", exc.message)
        await self._recorders.stop_unwanted()
        self._publishers.start(tasks, api_key)

    async def _publisher_names(self) -> dict[str, str]:
        """Return the ids of the running streams with a publisher, by its name."""
        found = await self._db.read(rows.list_to_run)
        return {row.url.removeprefix(PUSHED): row.id for row in found if row.url.startswith(PUSHED)}

    async def _resume(self, row: StreamRow) -> None:
        try:
            await self._addresses.stored_source(row.url)
        except InvalidRequest as exc:
            await self._health.set(row.id, "error", exc.message)
            return
        await self._run(row)

    async def connect(self, request: ConnectStream) -> Stream:
        """Add a stream and start it. Waits for the source to respond. A source that refuses is not added.

        With ``request.once``, the stream that already has the source is returned, and started if it is stopped.
        """
        if not request.once:
            return await self._connect(request)
        url = await self._addresses.source(request.url.strip())
        async with self._sources.turn(url):
            found = await self._sources.find(url, await self._db.read(rows.all_streams))
            if found is None:
                return await self._connect(request)
            return (await self.start(found.id)).model_copy(update={"existing": True})

    async def _connect(self, request: ConnectStream) -> Stream:
        stream_id = ids.stream_id()
        with self._capacity.claim(stream_id):
            url = await self._addresses.source(request.url.strip())
            if url.startswith(PUSHED):
                await self._check_publisher(url)
            detect_url = await self._sub_stream(url, request.detect_url)
            row = await self._insert(stream_id, url, detect_url, request)
            try:
                await self._run(row, trial=True)
                refused = "" if url.startswith(PUSHED) else await self._first_answer(row.id)
            except Exception:
                await self._discard(row.id)
                raise
            if refused:
                await self._discard(row.id)
                raise InvalidRequest(f"The stream {show_url(url)} could not be opened: {refused}")
            await self._recorders.sub_stream_tried(row.id)
        await self._journal.append(self._catalogue("added", row.id, row.name))
        await self._health.accept(row.id)
        return await self.get(row.id)

    async def _check_publisher(self, url: str) -> None:
        """Raise an error unless publishers are accepted and this name is free."""
        self._publishers.check()
        if url in {row.url for row in await self._db.read(rows.all_streams)}:
            raise Conflict("Another stream has a publisher of this name. Choose another name, or use that stream.")

    async def _sub_stream(self, url: str, detect_url: str | None) -> str | None:
        """Return the checked URL of the sub stream of a source. Raises InvalidRequest."""
        if not detect_url or not detect_url.strip():
            return None
        try:
            found = await self._addresses.source(detect_url.strip())
        except InvalidRequest as exc:
            raise InvalidRequest(f"detect_url: {exc.message}") from None
        if found.startswith(PUSHED):
            raise InvalidRequest("detect_url: A publisher cannot be a sub stream. Let the camera be pulled.")
        if is_same_source(found, url):
            raise InvalidRequest("detect_url is the source itself. Leave it out, or pass the sub stream of the camera.")
        return found

    async def _insert(self, stream_id: str, url: str, detect_url: str | None, request: ConnectStream) -> StreamRow:
        """Store a new stream that should run."""
        now = time.time()
        parse_tracks(request.tracks or "")
        media_types = list(dict.fromkeys(request.media_types or ["video"]))
        values: JsonObject = {
            "id": stream_id,
            "name": clean(request.name or "", MAX_NAME).strip() or show_source(url, self._key)[:MAX_NAME],
            "url": url,
            "collection_id": request.collection_id or rows.DEFAULT_COLLECTION,
            "created_at": now,
            "media_types": media_types,
            "audio": request.audio,
            "sample_rate": request.sample_rate or 30,
            "store": request.store,
            "enable_transcript": bool(request.enable_transcript),
            "desired": DesiredState.RUNNING,
            "tracks": request.tracks or None,
            "detect_url": detect_url,
            "health": Health(state=HealthState.CONNECTING, since=now).model_dump(),
        }

        def insert(conn: Connection) -> StreamRow:
            rows.insert(conn, **values)
            return rows.get(conn, values["id"])

        return await self._db.write(insert)

    async def _discard(self, stream_id: str) -> None:
        """Remove all rows and files of a stream that was not accepted."""
        await self._recorders.stop(stream_id)
        await self._db.write(rows.delete, stream_id)
        self._health.forget(stream_id)
        await self._media.delete_folder(stream_id)

    async def _first_answer(self, stream_id: str) -> str:
        """Return the reason why the source refused, or an empty string if it responded or is still being tried."""
        with anyio.move_on_after(FIRST_ANSWER_S):
            while True:
                changed = self._health.changed(stream_id).next
                health = self._health.get(stream_id) or Health()
                if health.state in ("connected", "stopped"):
                    return ""
                if health.state in ("reconnecting", "error"):
                    return health.reason or "no answer"
                await changed.wait()
        return ""

    async def get(self, stream_id: str) -> Stream:
        """Return a stream with the progress of its indexes. Raises NotFound."""

        def query(conn: Connection) -> tuple[StreamRow, list[tuple[float, float]]]:
            return rows.get(conn, stream_id), recording_rows.ranges(conn, stream_id)

        row, ranges = await self._db.read(query)
        stream = self._stream(row, ranges).model_copy(update={"indexes": await self._progress(stream_id)})
        if row.url.startswith(PUSHED):
            stream.publish_urls = self._publishers.urls(row.url.removeprefix(PUSHED), self._base_url())
        if row.store:
            stream.storage = await self._bound.forecast(row, _expected(stream.media))
        return stream

    async def start(self, stream_id: str) -> Stream:
        """Start a stream. Starting a running stream has no effect."""
        row = await self._db.read(rows.get, stream_id)
        if stream_id not in self._recorders.running:
            with self._capacity.claim(stream_id):
                await self._addresses.source(row.url)
                await self._db.write(lambda conn: rows.update_stream(conn, stream_id, desired=DesiredState.RUNNING))
                await self._run(row)
        return await self.get(stream_id)

    async def stop(self, stream_id: str) -> Stream:
        """Stop a stream. Its recordings remain. Stopping a stopped stream has no effect."""
        await self._db.read(rows.get, stream_id)
        await self._db.write(lambda conn: rows.update_stream(conn, stream_id, desired=DesiredState.STOPPED))
        await self._recorders.stop(stream_id)
        await self._events.recording_ended(stream_id)
        if (self._health.get(stream_id) or Health()).state != "stopped":
            await self._health.set(stream_id, "stopped", "stopped by request")
        return await self.get(stream_id)

    async def delete(self, stream_id: str) -> None:
        """Remove a stream with its recordings, indexes, records and alerts. Exported videos stay. Raises NotFound."""
        row = await self._db.read(rows.get, stream_id)
        await self._recorders.stop(stream_id)
        await self._media.retire_folder(stream_id)  # first, so that a scan after a crash does not restore the footage

        def write(conn: Connection) -> None:
            rows.delete(conn, stream_id)
            values.put(conn, DELETED_AT, time.time())
            journal_rows.append(conn, self._catalogue("removed", stream_id, row.name))

        await self._db.write(write)
        self._journal.wake()
        self._health.forget(stream_id)
        await self._media.delete_folder(stream_id)

    async def update(
        self,
        stream_id: str,
        *,
        name: str | None = None,
        retention: RetentionLimits | None = None,
        tracks: str | None = None,
        audio: bool | None = None,
        sample_rate: float | None = None,
        detect_url: str | None = None,
        vocabulary: Sequence[str] | None = None,
    ) -> Stream:
        """Update a stream. Arguments that are None change nothing.

        Args:
            stream_id: Id of the stream.
            name: Its name.
            retention: Its limits of retention.
            tracks: Its preferred tracks; empty for the default. If it runs, it is connected again.
            audio: Whether its audio is read. If it runs, it is connected again.
            sample_rate: Upper bound of the frames per second that are analysed.
            detect_url: URL of its sub stream; empty for none. The main stream is recorded meanwhile.
            vocabulary: Names and terms that correct its transcripts from now on.

        Raises:
            InvalidRequest: The name is empty, or the tracks or the vocabulary cannot be used.
            NotFound: There is no such stream.
        """
        values: JsonObject = {}
        if name is not None:
            values["name"] = clean(name, MAX_NAME).strip()
            if not values["name"]:
                raise InvalidRequest("The name is empty. Choose a name.")
        if retention is not None:
            values["retention"] = retention.model_dump(exclude_none=True)
        if tracks is not None:
            parse_tracks(tracks)
            values["tracks"] = tracks.strip() or None
        if detect_url is not None:
            values["detect_url"] = await self._sub_stream((await self._db.read(rows.get, stream_id)).url, detect_url)
        if vocabulary is not None:
            values["vocabulary"] = checked_vocabulary(vocabulary)
        values |= {key: value for key, value in (("audio", audio), ("sample_rate", sample_rate)) if value is not None}

        def write(conn: Connection) -> tuple[StreamRow, StreamRow]:
            before = rows.get(conn, stream_id)
            if values:
                rows.update_stream(conn, stream_id, **values)
            return before, rows.get(conn, stream_id)

        before, row = await self._db.write(write)
        if _reading(row) != _reading(before) and stream_id in self._recorders.running:
            await self._recorders.stop(stream_id)
            await self._events.recording_ended(stream_id)
            await self._run(row)
        elif row.detect_url != before.detect_url and stream_id in self._recorders.running:
            self._health.add(row.id, row.name, *opened_urls(row, self._config))
            await self._recorders.replace_sub_stream(*await self._recorder_of(row))
        if "name" in values:
            self._health.rename(stream_id, values["name"])
        return await self.get(stream_id)

    async def _run(self, row: StreamRow, *, trial: bool = False, living: bool = False) -> None:
        self._health.add(row.id, row.name, *opened_urls(row, self._config), trial=trial)
        if not living:
            await self._health.set(row.id, "connecting", "")
        await self._recorders.start(*await self._recorder_of(row))

    async def _recorder_of(self, row: StreamRow) -> tuple[RecorderSpec, str | None]:
        """Return the specification of a stream's recorder, and the URL of its sub stream."""
        _, *detect_url = opened_urls(row, self._config)
        spec = recorder_spec(row, self._config, await self._media.spool(row.id), self._run_folder)
        return spec, next(iter(detect_url), None)

    def _catalogue(self, change: str, stream_id: str, name: str) -> Entry:
        data = {"change": change, "kind": "stream", "id": stream_id, "name": name}
        return Entry("catalogue", data, stream_id=stream_id, stream_name=name)

    def _stream(self, row: StreamRow, ranges: list[tuple[float, float]]) -> Stream:
        health = self._health.get(row.id) or Health.model_validate(row.health)
        if skipped_s := self._transcribers.skipped_s(row.id):
            skipped = {**health.skipped, "transcript_s": round(skipped_s, 1)}
            health = health.model_copy(update={"skipped": skipped})
        status = StreamStatus.CONNECTED
        if row.desired is DesiredState.STOPPED:
            status = StreamStatus.STOPPED
        elif health.state is HealthState.ERROR:
            status = StreamStatus.ERROR
        created = datetime.fromtimestamp(row.created_at, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        return Stream(
            id=row.id,
            name=row.name,
            collection_id=row.collection_id,
            created_at=created,
            sample_rate=row.sample_rate,
            status=status,
            media_types=row.media_types,
            audio=not audio_off(row.audio, self._config.record_audio),
            store=row.store,
            enable_transcript=row.enable_transcript,
            url=show_source(row.url, self._key),
            detect_url=show_source(row.detect_url, self._key) if row.detect_url else None,
            health=health,
            media=MediaInfo.model_validate(row.media) if row.media else None,
            recorded=ranges,
            tracks=row.tracks,
            vocabulary=row.vocabulary or [],
            retention=RetentionLimits.model_validate(row.retention or {}),
            recorded_bytes=row.recorded_bytes,
        )

    async def list(
        self,
        part: Slice,
        *,
        status: str | None = None,
        name: str | None = None,
        ordering: str = "-created_at",
        collection_id: str | None = None,
    ) -> tuple[Sequence[Stream], int]:
        """Return one page of streams and the number of all that match.

        Args:
            part: The part of the list to return.
            status: Only streams in this state.
            name: Only streams whose name contains this text.
            ordering: Name of a field, descending after a ``-``.
            collection_id: Only streams of this collection.

        Raises:
            InvalidRequest: The status or the ordering is unknown.
        """

        def query(conn: Connection) -> tuple[Sequence[StreamRow], int, dict[str, list[tuple[float, float]]]]:
            listed, total = rows.list_streams(
                conn, part, status=status, name=name, ordering=ordering, collection_id=collection_id
            )
            with_ranges = listed[:MAX_LISTED_WITH_RANGES]
            return listed, total, {row.id: recording_rows.ranges(conn, row.id, LISTED_RANGES) for row in with_ranges}

        found, total, recorded = await self._db.read(query)
        return [self._stream(row, recorded.get(row.id, [])) for row in found], total


def _reading(row: StreamRow) -> tuple[str | None, bool]:
    """Return the properties of a stream with which its source is read."""
    return row.tracks, row.audio


def _expected(media: MediaInfo | None) -> ExpectedMedia:
    if media is None:
        return ExpectedMedia()
    return ExpectedMedia(media.video_codec, media.width, media.height, media.fps, media.audio_codec is not None)
