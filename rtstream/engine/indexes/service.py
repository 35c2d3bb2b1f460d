"""Creates, lists, updates, starts and stops scene indexes, and reads their scenes."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import cast

import anyio.to_thread
from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.indexes.audio import AudioIndexes, RunningAudioIndex, audio_index
from rtstream.engine.indexes.backfill import IndexBackfill
from rtstream.engine.indexes.gaps import GapLog
from rtstream.engine.indexes.request import MAX_PROMPT, NewIndex, checked_index
from rtstream.engine.indexes.visual import RunningVisualIndex, VisualIndexes, visual_index
from rtstream.engine.journal import Journal
from rtstream.engine.model_calls import ModelCalls
from rtstream.engine.subscriptions import Subscriptions
from rtstream.engine.transcripts import TranscriptService
from rtstream.errors import InvalidRequest
from rtstream.models import CreateIndex, IndexProgress, Page, Scene, SceneIndex
from rtstream.perception.protocols import LanguageProvider, ProviderError, VisionProvider
from rtstream.rules.model_cost import is_paid
from rtstream.states import AnalysisState, SkipReason
from rtstream.store import gaps as gap_rows
from rtstream.store import indexes as rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow, SceneRow
from rtstream.store.journal import Entry
from rtstream.store.streams import StreamRow

LOCAL_AUDIO_NOTE = (
    "No language model is set, so each scene is an extract of the transcript. It does not follow the prompt."
)
LOCAL_NOTE = (
    "No vision model is set, so the built-in one describes text on screen, changes, motion and colours. "
    "It does not follow the prompt."
)
NO_READER_NOTE = (
    "No vision model is set, and text on screen cannot be read, so only changes, motion and colours are described. "
    'Reading requires the extra "local" (pip install "rtstream-mcp[local]").'
)


class IndexService:
    """The scene indexes of the engine, of pictures (extraction type ``time``) and of speech (``transcript``)."""

    def __init__(
        self,
        db: Database,
        journal: Journal,
        visual: VisualIndexes,
        audio: AudioIndexes,
        transcripts: TranscriptService,
        subscriptions: Subscriptions,
        calls: ModelCalls,
        gaps: GapLog,
        backfill: IndexBackfill,
    ) -> None:
        self._db = db
        self._journal = journal
        self._visual = visual
        self._audio = audio
        self._transcripts = transcripts
        self._subscriptions = subscriptions
        self._calls = calls
        self._gaps = gaps
        self._backfill = backfill
        self._before_stop: Callable[[str], Awaitable[None]] | None = None

    def before_stop(self, call: Callable[[str], Awaitable[None]]) -> None:
        """Call ``call`` with the id of each index that is stopped or deleted by request, before that."""
        self._before_stop = call

    async def resume(self) -> None:
        """Start the indexes that were running when the engine ended. The windows since then are looked at later."""

        def query(conn: Connection) -> list[tuple[IndexRow, StreamRow]]:
            streams = stream_rows.all_streams(conn)
            return [(row, stream) for stream in streams for row in rows.of_stream(conn, stream.id)]

        for row, stream in await self._db.read(query):
            if row.status is AnalysisState.STOPPED:
                continue
            # Windows that the cap of model calls would have skipped are not a gap.
            resuming = row.status is AnalysisState.RUNNING and stream.store
            if resuming:
                await self._gaps.begin(row)
            await self.run(row, stream, resuming=resuming)

    async def create(self, stream_id: str, request: CreateIndex, *, running: bool = True) -> SceneIndex:
        """Create an index on a stream and start it.

        Args:
            stream_id: Id of the stream.
            request: The index.
            running: Whether to start it.

        Raises:
            InvalidRequest: The request is invalid, the stream lacks video or audio, or the model cannot be used.
            NotFound: There is no such stream.
        """
        new = await self.prepare(stream_id, request)
        row = await self.add(new, running=running)
        await self._subscriptions.bind(request.ws_connection_id, "index", row.id)
        if running and request.from_start and new.stream.store:
            await self._gaps.begin_at(row, new.stream.created_at)
            await self.run(row, new.stream, resuming=True)
        elif running:
            await self.run(row, new.stream)
        return self._index(row)

    async def prepare(self, stream_id: str, request: CreateIndex) -> NewIndex:
        """Check the request for an index. Raises as ``create`` does."""
        self._subscriptions.check(request.ws_connection_id)
        stream = await self._db.read(stream_rows.get, stream_id)
        values = checked_index(request)
        if values["extraction_type"] == "transcript":
            self._transcripts.check_audio(stream)
        try:
            self._provider(values["extraction_type"], request.model_name).ready()
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        return NewIndex(stream, values)

    async def add(
        self,
        new: NewIndex,
        *,
        running: bool,
        reason: str = "",
        within: Callable[[Connection, IndexRow], None] | None = None,
    ) -> IndexRow:
        """Store an index, which ``run`` starts.

        Args:
            new: The index.
            running: Whether it should run.
            reason: Why it does not run.
            within: Called with the index in the transaction that stores it.
        """
        stream = new.stream
        values = new.values | {
            "id": ids.index_id(),
            "stream_id": stream.id,
            "status": AnalysisState.RUNNING if running else AnalysisState.STOPPED,
            "status_reason": reason,
            "counters": {},
            "created_at": time.time(),
        }

        def insert(conn: Connection) -> IndexRow:
            rows.insert(conn, **values)
            data = {"change": "added", "kind": "index", "id": values["id"], "name": values["name"] or ""}
            entry = Entry("catalogue", data, stream_id=stream.id, stream_name=stream.name, index_id=values["id"])
            journal_rows.append(conn, entry)
            row = rows.get(conn, values["id"])
            if within is not None:
                within(conn, row)
            return row

        row = await self._db.write(insert)
        self._journal.wake()
        return row

    async def get(self, stream_id: str, index_id: str) -> SceneIndex:
        """Return an index. Raises NotFound."""
        return await self._db.read(lambda conn: self._shown(conn, rows.get(conn, index_id, stream_id)))

    async def start(self, stream_id: str, index_id: str, *, resuming: bool = False) -> SceneIndex:
        """Start an index, unless it is running. ``resuming`` is that of ``run``. Raises NotFound."""
        row = await self._db.read(rows.get, index_id, stream_id)
        if row.status in (AnalysisState.STOPPED, AnalysisState.ERROR):
            await self._backfill.drop(row)
            values = {"status": AnalysisState.RUNNING, "status_reason": "", "looked_from": time.time()}
            row = await self._update(index_id, **values)
            await self.run(row, await self._db.read(stream_rows.get, stream_id), resuming=resuming)
        return self._index(row)

    async def stop(self, stream_id: str, index_id: str) -> SceneIndex:
        """Stop an index, unless it is stopped. Raises NotFound."""
        row = await self._db.read(rows.get, index_id, stream_id)
        if self._before_stop is not None:
            await self._before_stop(index_id)
        if row.extraction_type == "transcript":  # its batches can be counted while it runs
            await self._backfill.drop(row)
        await self._stop(row)
        await self._backfill.drop(row)
        return self._index(
            await self._update(index_id, status=AnalysisState.STOPPED, status_reason="stopped by request")
        )

    async def delete(self, stream_id: str, index_id: str) -> None:
        """Delete an index with its scenes, gaps and alerts. Raises NotFound."""

        def query(conn: Connection) -> tuple[IndexRow, StreamRow]:
            return rows.get(conn, index_id, stream_id), stream_rows.get(conn, stream_id)

        row, stream = await self._db.read(query)
        if self._before_stop is not None:
            await self._before_stop(index_id)
        await self._stop(row)
        await self._backfill.drop(row)

        def write(conn: Connection) -> None:
            rows.delete_index(conn, index_id)
            data = {"change": "removed", "kind": "index", "id": index_id, "name": row.name or ""}
            journal_rows.append(conn, Entry("catalogue", data, stream_id=stream_id, stream_name=stream.name))

        await self._db.write(write)
        self._journal.wake()

    async def stop_all(self, stream_id: str) -> None:
        """Stop the indexes of a stream that is being deleted."""
        for row in await self._db.read(rows.of_stream, stream_id):
            await self._stop(row)

    async def update(self, stream_id: str, index_id: str, prompt: str) -> SceneIndex:
        """Change the prompt of an index from its next window on.

        Raises:
            InvalidRequest: The prompt is empty or too long.
            NotFound: There is no such index on that stream.
        """
        if not 0 < len(prompt) <= MAX_PROMPT:
            raise InvalidRequest(f"The prompt must have 1 to {MAX_PROMPT} characters.")
        await self._db.read(rows.get, index_id, stream_id)
        row = await self._update(index_id, prompt=prompt)
        if row.status is not AnalysisState.STOPPED:
            await self.run(row, await self._db.read(stream_rows.get, stream_id))
        return self._index(row)

    async def sample_again(self, stream_id: str) -> None:
        """Sample the stream for its running visual indexes at its present sample rate. Raises NotFound."""

        def query(conn: Connection) -> tuple[StreamRow, list[IndexRow]]:
            return stream_rows.get(conn, stream_id), rows.of_stream(conn, stream_id)

        stream, found = await self._db.read(query)
        for row in found:
            if self._visual.get(row.id) is not None:
                await self.run(row, stream)

    async def list_scenes(
        self,
        stream_id: str,
        index_id: str,
        page: Page,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> tuple[list[Scene], bool]:
        """Return one page of scenes, newest first, and whether more pages follow.

        Args:
            stream_id: Id of the stream.
            index_id: Id of the index.
            page: The page to return.
            start: Start of the range in Unix seconds, or None for no bound.
            end: End of the range in Unix seconds, or None for no bound.

        Raises:
            InvalidRequest: The range is invalid.
            NotFound: There is no such index on that stream.
        """
        for bound in (start, end):
            if bound is not None and not math.isfinite(bound):
                raise InvalidRequest("start and end must be Unix timestamps in seconds.")
        if start is not None and end is not None and end < start:
            raise InvalidRequest("The end of the window is before its start. Swap them. Both are Unix timestamps.")
        await self._db.read(rows.get, index_id, stream_id)
        found, more = await self._db.read(rows.scene_page, index_id, start, end, page)
        return [_scene(row) for row in found], more

    async def _update(self, index_id: str, **values: object) -> IndexRow:
        def change(conn: Connection) -> IndexRow:
            rows.update_index(conn, index_id, **values)
            return rows.get(conn, index_id)

        return await self._db.write(change)

    async def run(self, row: IndexRow, stream: StreamRow, *, resuming: bool = False) -> None:
        """Run a stored index, or run it again with its present properties.

        Args:
            row: The index.
            stream: Its stream.
            resuming: Whether it has a gap that ends with the first live window.
        """
        try:
            provider = self._provider(row.extraction_type, row.model_name)
            engine = self._transcripts.engine(None) if row.extraction_type == "transcript" else ""
        except (ProviderError, InvalidRequest) as exc:
            await self._update(row.id, status=AnalysisState.ERROR, status_reason=str(exc))
            return
        if is_paid(provider.name):  # reads the list of prices, which takes a while
            await anyio.to_thread.run_sync(self._calls.prices.of, provider.name)
        if row.status != "running" or row.status_reason:  # left by a pause or failure before a restart
            await self._update(row.id, status=AnalysisState.RUNNING, status_reason="")
        if row.extraction_type == "time":
            index = visual_index(row, stream, cast(VisionProvider, provider))
            index.recorded, index.resuming = stream.store, resuming
            await self._visual.start(index)
        else:
            audio = audio_index(row, stream.name, cast(LanguageProvider, provider), engine)
            audio.recorded, audio.resuming = True, resuming  # its transcript is stored
            await self._audio.start(audio)
            await self._transcripts.need(row.stream_id, engine, row.id)

    async def _stop(self, row: IndexRow) -> None:
        if row.extraction_type == "time":
            await self._visual.stop(row.id)
            return
        engines = {index.engine for index in self._audio.of_stream(row.stream_id) if index.id == row.id}
        await self._audio.stop(row.id)
        for engine in engines:
            await self._transcripts.release(row.stream_id, engine, row.id)

    def find_running(self, row: IndexRow) -> RunningVisualIndex | RunningAudioIndex | None:
        """Return the running index of a stored one, or None if it does not run."""
        return (self._visual if row.extraction_type == "time" else self._audio).get(row.id)

    def join_live(self, row: IndexRow) -> None:
        """Let a new open gap of a running index end with its first live window."""
        index = self.find_running(row)
        if index is not None and index.live_from is not None:
            self._gaps.end(row.stream_id, row.id, index.live_from)
        elif index is not None:
            index.resuming = True

    def open_past(self, row: IndexRow, stream: StreamRow) -> None:
        """Let an index that does not run look at the past, until ``close_past``. Raises InvalidRequest."""
        try:
            provider = self._provider(row.extraction_type, row.model_name)
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        if row.extraction_type == "time":
            self._visual.open_past(visual_index(row, stream, cast(VisionProvider, provider)))
        else:
            engine = self._transcripts.engine(None)
            self._audio.open_past(audio_index(row, stream.name, cast(LanguageProvider, provider), engine))
        self._gaps.wake()

    def close_past(self, index_id: str) -> None:
        """End ``open_past``."""
        self._visual.close_past(index_id)
        self._audio.close_past(index_id)

    async def drop_requested(self, row: IndexRow, backfill_id: str, reason: SkipReason) -> None:
        """Count the windows that are left of a backfill as skipped."""
        await self._backfill.drop_requested(row, backfill_id, reason)

    def model_named(self, kind: str, name: str | None) -> str:
        """Return the model that a request names, as ``provider:model``."""
        return self._provider(kind, name).name

    def model_of(self, row: IndexRow) -> str:
        """Return the model of an index, as ``provider:model``."""
        try:
            return self._provider(row.extraction_type, row.model_name).name
        except ProviderError:
            return row.model_name or ""

    def _provider(self, kind: str, name: str | None) -> VisionProvider | LanguageProvider:
        return self._calls.vision(name) if kind == "time" else self._calls.languages(name)

    async def progress(self, stream_id: str) -> list[IndexProgress]:
        """Return the progress of the indexes of a stream, oldest first. Raises NotFound."""
        fields = set(IndexProgress.model_fields)
        return [IndexProgress(**index.model_dump(include=fields)) for index in await self.list(stream_id)]

    async def list(self, stream_id: str) -> list[SceneIndex]:
        """Return the indexes of a stream, oldest first. Raises NotFound."""

        def query(conn: Connection) -> list[SceneIndex]:
            stream_rows.get(conn, stream_id)
            return [self._shown(conn, row) for row in rows.of_stream(conn, stream_id)]

        return await self._db.read(query)

    def _shown(self, conn: Connection, row: IndexRow) -> SceneIndex:
        waiting = gap_rows.count_waiting(conn, row.id, row.extraction_config.get("time"), time.time())
        return self._index(row).model_copy(update={"windows_waiting": waiting})

    def _index(self, row: IndexRow) -> SceneIndex:
        model = self.model_of(row)
        audio = row.extraction_type == "transcript"
        refused = self._calls.model_note(row.model_name, of_speech=audio)
        local = LOCAL_AUDIO_NOTE if audio else LOCAL_NOTE if self._calls.reads_text else NO_READER_NOTE
        notes = [refused, local if model == "local" else ""]
        counters = {key: int(value) for key, value in (row.counters or {}).items()}
        return SceneIndex(
            rtstream_index_id=row.id,
            rtstream_id=row.stream_id,
            extraction_type=row.extraction_type,
            extraction_config=row.extraction_config,
            prompt=row.prompt,
            name=row.name,
            model_name=row.model_name,
            status=row.status.status,
            state=row.status,
            model=model,
            status_reason=row.status_reason,
            windows_done=counters.get("done", 0),
            windows_skipped=counters.get("skipped", 0),
            skipped={reason: count for reason in SkipReason if (count := counters.get(f"skipped_{reason}", 0))},
            windows_late=counters.get("late", 0),
            windows_failed=counters.get("failed", 0),
            windows_unchanged=counters.get("unchanged", 0),
            windows_capped=counters.get("capped", 0),
            model_calls=counters.get("calls", 0),
            tokens_in=counters.get("tokens_in", 0),
            tokens_out=counters.get("tokens_out", 0),
            cost=self._calls.prices.cost(model, counters.get("tokens_in", 0), counters.get("tokens_out", 0)),
            note=" ".join(text for text in notes if text),
        )


def _scene(row: SceneRow) -> Scene:
    text = row.text or row.detail.failure
    return Scene(
        id=row.id,
        start=row.start,
        end=row.end,
        text=text,
        description=text,
        rtstream_index_id=row.index_id,
        model=row.model,
        status=row.status,
        data=row.data,
        frame_times=row.detail.frame_times,
        latency_s=row.detail.latency_s,
        data_error=row.detail.data_error,
        unchanged=row.detail.unchanged,
        new=row.detail.changes.appeared or [],
        gone=row.detail.changes.disappeared or [],
        picture=row.detail.changes.picture(),
    )
