"""Chooses, creates and starts the indexes on which alerts watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.engine.alerts.matcher import EventMatcher
from rtstream.engine.alerts.request import AlertRequest
from rtstream.engine.alerts.validation import never_fires
from rtstream.engine.model_calls import ModelCalls
from rtstream.errors import InvalidRequest
from rtstream.models import CreateIndex, StartedAnalysis
from rtstream.perception import registry
from rtstream.perception.protocols import ProviderError
from rtstream.rules.event_media import ONLY_SPEECH, IndexKind, obstacle
from rtstream.rules.index_choice import KnownIndex, Models, choose, is_connection, kind_of_new, new_index
from rtstream.states import AnalysisState, ExtractionType, Matching
from rtstream.store import indexes as rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow
from rtstream.store.streams import StreamRow

if TYPE_CHECKING:
    from rtstream.engine.alerts.transcripts import AlertTranscripts
    from rtstream.engine.indexes import IndexService
    from rtstream.engine.transcripts import TranscriptService

NO_AUDIO = (
    "The source of this stream sends no audio at present, so nothing that is said can be detected. Create the alert "
    "when it does, or describe something that is seen."
)
NO_VIDEO = (
    "The source of this stream sends no video at present, so nothing that is seen can be detected. Create the alert "
    "when it does, or describe something that is said."
)


class IndexKinds:
    """Reports the properties of indexes and models that decide which events can be decided.

    Args:
        calls: The models.
        config: The engine's settings.
    """

    def __init__(self, calls: ModelCalls, config: EngineConfig) -> None:
        self._calls = calls
        self._config = config

    @property
    def models(self) -> Models:
        """The models of the engine."""
        language = not self._calls.free(self._calls.language)
        return Models(self._model(None, audio=False) != registry.LOCAL, language, self._calls.reads_text)

    def kind(self, row: IndexRow) -> IndexKind:
        """Return the properties of an index."""
        audio = row.extraction_type is ExtractionType.TRANSCRIPT
        built_in = not audio and self._model(row.model_name, audio=False) == registry.LOCAL
        return IndexKind(audio, measured=built_in, reads_text=not built_in or self._calls.reads_text)

    def _model(self, name: str | None, *, audio: bool) -> str:
        try:
            return (self._calls.languages(name) if audio else self._calls.vision(name)).name
        except ProviderError:
            return name or ""


class AlertIndexes:
    """Provides each alert with an index that can decide its event, or with the transcript.

    Args:
        db: The database.
        matcher: Decides events.
        kinds: Reports the properties of indexes.
        indexes: The indexes.
        transcripts: The transcripts.
        speech: The transcripts that alerts read.
    """

    def __init__(
        self,
        db: Database,
        matcher: EventMatcher,
        kinds: IndexKinds,
        indexes: IndexService,
        transcripts: TranscriptService,
        speech: AlertTranscripts,
    ) -> None:
        self._db = db
        self._matcher = matcher
        self._kinds = kinds
        self._indexes = indexes
        self._transcripts = transcripts
        self._speech = speech

    @property
    def models(self) -> Models:
        """The models of the engine."""
        return self._kinds.models

    def never_fires(self, wanted: AlertRequest) -> str:
        """Return the reason why an alert fires on no stream at all, or an empty string."""
        event = wanted.event
        matching, note = self._matcher.matching(event.prompt, event.rule)
        if wanted.medium == "noise" and matching is not Matching.RULE:
            return ONLY_SPEECH
        if matching is Matching.NEEDS_MODEL:
            return note
        return never_fires(self._matcher.rule(event.prompt, event.rule), wanted.options)

    async def lacking(self, wanted: AlertRequest, streams: Sequence[StreamRow]) -> dict[str, str]:
        """Return the reasons why streams cannot be watched for an event, by the id of the stream."""
        found = {stream.id: await self._db.read(self._lacking, wanted, stream) for stream in streams}
        return {stream_id: reason for stream_id, reason in found.items() if reason}

    def _lacking(self, conn: Connection, wanted: AlertRequest, stream: StreamRow) -> str:
        rule = self._matcher.rule(wanted.event.prompt, wanted.event.rule)
        if wanted.index_id is not None:
            return obstacle(wanted.medium, rule, self._kinds.kind(rows.get(conn, wanted.index_id, stream.id)))
        media = stream.media or {}
        if is_connection(rule):
            return ""
        if wanted.medium == "audio":
            try:
                self._transcripts.check_audio(stream)
                self._transcripts.engine(None)
            except InvalidRequest as exc:
                return exc.message
            if media and not media.get("audio_codec"):
                return NO_AUDIO
        elif media and not media.get("video_codec"):
            return NO_VIDEO
        if wanted.medium == "audio" or choose(rule, self._known(conn, stream.id), self.models) is not None:
            return ""
        return obstacle(wanted.medium, rule, kind_of_new(rule, self.models))

    async def ensure(self, wanted: AlertRequest, stream_id: str) -> tuple[str, list[StartedAnalysis]]:
        """Return the id of an index on which an alert can watch, and the analysis that is created or started for it.

        The id is empty for an alert on the stream itself: on its speech or its connection.

        Raises:
            InvalidRequest: The stream lacks something, or a model cannot be used.
            NotFound: There is no such stream or index.
        """
        rule = self._matcher.rule(wanted.event.prompt, wanted.event.rule)
        if wanted.index_id is None and is_connection(rule):
            return "", []
        if wanted.index_id is None and wanted.medium == "audio":
            return "", await self._transcript(stream_id)

        def query(conn: Connection) -> str:
            stream_rows.get(conn, stream_id)
            if wanted.index_id is not None:
                return rows.get(conn, wanted.index_id, stream_id).id
            found = choose(rule, self._known(conn, stream_id), self.models)
            return found.id if found else ""

        index_id = await self._db.read(query)
        created = not index_id
        if created:
            request = CreateIndex.model_validate(new_index(rule, self.models))
            index_id = (await self._indexes.create(stream_id, request)).rtstream_index_id
        row = await self._db.read(rows.get, index_id, stream_id)
        if is_connection(rule):  # health needs no index that runs
            return index_id, []
        if not created:
            if row.status in (AnalysisState.RUNNING, AnalysisState.PAUSED):
                return index_id, []
            await self._indexes.start(stream_id, index_id)
        begun = StartedAnalysis(
            rtstream_id=stream_id,
            rtstream_index_id=index_id,
            extraction_type=row.extraction_type,
            created=created,
        )
        return index_id, [begun]

    async def _transcript(self, stream_id: str) -> list[StartedAnalysis]:
        """Return the transcript of a stream if it is started for an alert, which it is once the alert is stored."""
        if await self._speech.is_running(stream_id):
            return []
        kind = ExtractionType.TRANSCRIPT
        return [StartedAnalysis(rtstream_id=stream_id, rtstream_index_id="", extraction_type=kind, created=False)]

    def _known(self, conn: Connection, stream_id: str) -> list[KnownIndex]:
        found: list[KnownIndex] = []
        for row in rows.of_stream(conn, stream_id):
            kind = self._kinds.kind(row)
            running = row.status in (AnalysisState.RUNNING, AnalysisState.PAUSED)
            if not kind.audio:
                found.append(KnownIndex(row.id, kind, not (row.prompt or "").strip() or kind.measured, running))
        return found
