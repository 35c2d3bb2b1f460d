"""Creates, lists, updates, starts and stops scene indexes, and reads their scenes."""

from __future__ import annotations

import math
import time
from typing import cast

from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.indexes.audio import AudioIndexes, audio_index
from rtstream.engine.indexes.backfill import IndexBackfill
from rtstream.engine.indexes.gaps import GapLog
from rtstream.engine.indexes.visual import VisualIndexes, extraction_config, visual_index
from rtstream.engine.journal import Journal
from rtstream.engine.model_calls import ModelCalls
from rtstream.engine.subscriptions import Subscriptions
from rtstream.engine.transcripts import TranscriptService
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject
from rtstream.models import CreateIndex, IndexProgress, Page, Scene, SceneIndex
from rtstream.perception.llm.responses import check_schema
from rtstream.perception.protocols import LanguageProvider, ProviderError, VisionProvider
from rtstream.rules import batches
from rtstream.rules.text_safety import clean
from rtstream.states import AnalysisState, SkipReason
from rtstream.store import gaps as gap_rows
from rtstream.store import indexes as rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow, SceneRow
from rtstream.store.journal import Entry
from rtstream.store.streams import StreamRow

MAX_PROMPT = 20_000
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
            await self._run(row, stream, resuming=resuming)

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
        stream = await self._db.read(stream_rows.get, stream_id)
        kind = {"time": "time", "time_based": "time", "transcript": "transcript"}.get(request.extraction_type)
        if kind is None:
            raise InvalidRequest("extraction_type must be 'time' (pictures) or 'transcript' (speech).")
        if kind == "transcript":
            self._transcripts.check_audio(stream)
        if request.sandbox_id:
            raise InvalidRequest("Sandboxes are not offered. Omit sandbox_id, and choose a model with model_name.")
        if request.prompt is not None and len(request.prompt) > MAX_PROMPT:
            raise InvalidRequest(f"The prompt is longer than {MAX_PROMPT} characters. Shorten it.")
        try:
            config = (extraction_config if kind == "time" else batches.config)(request.extraction_config)
            options = _options(request.model_settings or {}, kind)
            self._provider(kind, request.model_name).ready()
        except (ValueError, ProviderError) as exc:
            raise InvalidRequest(str(exc)) from exc
        values: JsonObject = {
            "id": ids.index_id(),
            "stream_id": stream_id,
            "name": clean(request.name, 200).strip() if request.name else None,
            "extraction_type": kind,
            "extraction_config": config,
            "prompt": request.prompt,
            "model_name": request.model_name,
            "model_config": options,
            "status": AnalysisState.RUNNING if running else AnalysisState.STOPPED,
            "status_reason": "",
            "counters": {},
            "created_at": time.time(),
        }

        def insert(conn: Connection) -> IndexRow:
            rows.insert(conn, **values)
            data = {"change": "added", "kind": "index", "id": values["id"], "name": values["name"] or ""}
            entry = Entry("catalogue", data, stream_id=stream_id, stream_name=stream.name, index_id=values["id"])
            journal_rows.append(conn, entry)
            return rows.get(conn, values["id"])

        row = await self._db.write(insert)
        self._journal.wake()
        await self._subscriptions.bind(request.ws_connection_id, "index", row.id)
        if running:
            await self._run(row, stream)
        return self._index(row)

    async def get(self, stream_id: str, index_id: str) -> SceneIndex:
        """Return an index. Raises NotFound."""
        return await self._db.read(lambda conn: self._shown(conn, rows.get(conn, index_id, stream_id)))

    async def start(self, stream_id: str, index_id: str) -> SceneIndex:
        """Start an index, unless it is running. Raises NotFound."""
        row = await self._db.read(rows.get, index_id, stream_id)
        if row.status in (AnalysisState.STOPPED, AnalysisState.ERROR):
            await self._backfill.drop(row)
            values = {"status": AnalysisState.RUNNING, "status_reason": "", "looked_from": time.time()}
            row = await self._update(index_id, **values)
            await self._run(row, await self._db.read(stream_rows.get, stream_id))
        return self._index(row)

    async def stop(self, stream_id: str, index_id: str) -> SceneIndex:
        """Stop an index, unless it is stopped. Raises NotFound."""
        row = await self._db.read(rows.get, index_id, stream_id)
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
            await self._run(row, await self._db.read(stream_rows.get, stream_id))
        return self._index(row)

    async def sample_again(self, stream_id: str) -> None:
        """Sample the stream for its running visual indexes at its present sample rate. Raises NotFound."""

        def query(conn: Connection) -> tuple[StreamRow, list[IndexRow]]:
            return stream_rows.get(conn, stream_id), rows.of_stream(conn, stream_id)

        stream, found = await self._db.read(query)
        for row in found:
            if self._visual.get(row.id) is not None:
                await self._run(row, stream)

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

    async def _run(self, row: IndexRow, stream: StreamRow, *, resuming: bool = False) -> None:
        try:
            provider = self._provider(row.extraction_type, row.model_name)
            engine = self._transcripts.engine(None) if row.extraction_type == "transcript" else ""
        except (ProviderError, InvalidRequest) as exc:
            await self._update(row.id, status=AnalysisState.ERROR, status_reason=str(exc))
            return
        if row.status != "running" or row.status_reason:  # left by a pause or failure before a restart
            await self._update(row.id, status=AnalysisState.RUNNING, status_reason="")
        if row.extraction_type == "time":
            index = visual_index(row, stream, cast(VisionProvider, provider))
            index.recorded, index.resuming = stream.store, resuming
            await self._visual.start(index)
        else:
            audio = audio_index(row, stream.name, cast(LanguageProvider, provider), engine)
            audio.recorded = True  # its transcript is stored
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
        try:
            model = self._provider(row.extraction_type, row.model_name).name
        except ProviderError:
            model = row.model_name or ""
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


def _options(given: JsonObject, kind: str) -> JsonObject:
    """Return the supported options of ``model_config``. Raises ValueError with a message for the user."""
    options: JsonObject = {}
    if unknown := sorted(set(given) - {"json_schema", "skip_unchanged"}):
        raise ValueError(
            f"model_config has no {clean(', '.join(unknown), 200)} here. It may hold json_schema (an object) and "
            "skip_unchanged (true or false)."
        )
    schema, skip = given.get("json_schema"), given.get("skip_unchanged")
    if schema is not None:
        if not isinstance(schema, dict):
            raise ValueError("json_schema must be a JSON object, the schema of the response.")
        check_schema(schema)
        options["json_schema"] = schema
    if skip is not None:
        if not isinstance(skip, bool):
            raise ValueError("skip_unchanged must be true or false.")
        if kind != "time":
            raise ValueError("skip_unchanged applies only to visual indexes. Omit it for an audio index.")
        options["skip_unchanged"] = skip
    return options
