"""Starts, stops and reads transcripts, and runs them for the audio indexes that need them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable, Sequence

from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.engine.jobs import BackfillStates
from rtstream.engine.recordings import FootageReader
from rtstream.engine.subscriptions import Subscriptions
from rtstream.engine.transcripts.backfill import GapListener, TranscriptBackfill
from rtstream.engine.transcripts.runner import TranscriptRunner
from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.engine.transcripts.vocabulary import VocabularyCorrector
from rtstream.errors import InvalidRequest
from rtstream.models import ConnectStream, Page, TranscriptPage, TranscriptSegment, TranscriptStatus
from rtstream.perception.model_policy import engine_name
from rtstream.perception.protocols import ProviderError, SpeechProvider
from rtstream.rules.audio_choice import AudioSetting, audio_off
from rtstream.rules.sounds import Sounds
from rtstream.rules.vocabulary import checked_terms
from rtstream.states import DesiredState, GapReason, TranscriptJobStatus, TranscriptState
from rtstream.store import gaps as gap_rows
from rtstream.store import streams as stream_rows
from rtstream.store import transcripts as rows
from rtstream.store.database import Database
from rtstream.store.journal import iso
from rtstream.store.streams import StreamRow
from rtstream.store.transcripts import TranscriptJobRow, TranscriptSegmentRow

NO_AUDIO_S = 10.0
"""Seconds without audio after which the status gives a reason."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
STOPPED = "the transcript was stopped before this part was transcribed"
DEFAULT_NAMES = ("", "default")
"""Engine names of the published API that mean the engine in the settings (reference 6, row 16)."""


class TranscriptService:
    """The transcripts of the engine's streams.

    Args:
        db: The database.
        subscriptions: Connects transcripts to WebSocket connections.
        runner: Runs the transcripts.
        speech: Returns the shared provider of an engine name, or raises ProviderError.
        engine_note: Returns the note for an engine name that is not allowed, or an empty string.
        sounds: Compares words by their sound, to correct them by a vocabulary.
        config: The engine's settings.
        set_audio: Sets whether the recorder of a stream sends audio.
    """

    def __init__(
        self,
        db: Database,
        subscriptions: Subscriptions,
        runner: TranscriptRunner,
        speech: Callable[[str], SpeechProvider],
        engine_note: Callable[[str | None], str],
        sounds: Sounds,
        config: EngineConfig,
        set_audio: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        self._db = db
        self._subscriptions = subscriptions
        self._runner = runner
        runner.correct = VocabularyCorrector(db, sounds).correct
        self._needed: dict[tuple[str, str], set[str]] = {}
        self._speech = speech
        self._engine_note = engine_note
        self._language = config.speech_language or None
        self._record_audio: AudioSetting = config.record_audio
        self._set_audio = set_audio
        self._before_stop: Callable[[str, str], Awaitable[None]] | None = None

    def analyse_gaps(
        self, tasks: TaskGroup, footage: FootageReader, listener: GapListener, states: BackfillStates
    ) -> None:
        """Transcribe the gaps of transcripts from now on. ``listener`` handles those that are done."""
        tasks.start_soon(TranscriptBackfill(self._db, footage, self._runner, listener, states).run)

    def before_stop(self, call: Callable[[str, str], Awaitable[None]]) -> None:
        """Call ``call`` with stream and engine of each transcript that is stopped by request, before that."""
        self._before_stop = call

    def engine(self, name: str | None, language: str | None = None) -> str:
        """Return the name of the engine that a requested name stands for.

        Raises:
            InvalidRequest: The engine cannot be used. The message names the missing requirement.
        """
        try:
            provider = self._speech(self._resolve(name))
            provider.ready(language)
            return provider.name
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc

    def _resolve(self, name: str | None) -> str:
        name = (name or "").strip()
        return "" if name.lower() in DEFAULT_NAMES else name

    def _stored_name(self, name: str | None) -> str:
        """Return the name under which an engine's records are stored, even when the engine cannot be used now.

        Raises:
            InvalidRequest: There is no such engine.
        """
        try:
            return self._speech(self._resolve(name)).name
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc

    async def resume(self) -> None:
        """Start the transcripts that were running when the engine ended."""
        for job in await self._db.read(rows.jobs):
            if job.status == "running":
                await self._run(job.stream_id, job.engine, job.language)

    async def start(
        self,
        stream_id: str,
        engine: str | None,
        *,
        language: str | None = None,
        vocabulary: Sequence[str] | None = None,
        ws_connection_id: str | None = None,
        from_start: bool = False,
    ) -> TranscriptStatus:
        """Transcribe a stream from now on, unless it is being transcribed in this language.

        Args:
            stream_id: Id of the stream.
            engine: Name of the speech engine, or None for the one in the settings.
            language: Language code, or None for the one in the settings.
            vocabulary: Names and terms of the stream from now on; None changes nothing.
            ws_connection_id: WebSocket connection that receives the transcript.
            from_start: Whether to begin with the first recorded audio, for a stream that was just connected.

        Raises:
            InvalidRequest: The stream has no audio, or the language, vocabulary, engine or connection id is invalid.
            NotFound: There is no such stream.
        """
        stream = await self._db.read(stream_rows.get, stream_id)
        name, language = self.checked(stream, engine, language)
        await self.set_vocabulary(stream_id, vocabulary)
        await self._subscriptions.bind(ws_connection_id, "transcript", stream_id)
        running = self._running(stream_id, name)
        if running is not None and running.language != language:
            await self._runner.stop(stream_id, name)
        await self._db.write(rows.start_job, stream_id, name, language, time.time())
        await self._run(stream_id, name, language, since=stream.created_at if from_start else None)
        return await self.status(stream_id, engine)

    async def set_vocabulary(self, stream_id: str, vocabulary: Sequence[str] | None) -> None:
        """Set the names and terms of a stream from now on. None changes nothing. Raises InvalidRequest."""
        if vocabulary is not None:
            terms = checked_vocabulary(vocabulary)
            await self._db.write(stream_rows.update_stream, stream_id, vocabulary=terms)

    def checked(self, stream: StreamRow, engine: str | None, language: str | None) -> tuple[str, str | None]:
        """Return the name of the engine and the language in which a stream is transcribed. Raises InvalidRequest."""
        self.check_audio(stream)
        language = language or self._language
        if language and not _LANGUAGE.fullmatch(language):
            raise InvalidRequest("language must be a code such as 'en', 'de' or 'pt-BR'.")
        return self.engine(engine, language), language

    async def stop(self, stream_id: str, engine: str | None) -> TranscriptStatus:
        """Stop a transcript, unless an index or alert needs it. A stopped one stays as it is. Raises NotFound."""
        await self._db.read(stream_rows.get, stream_id)
        name = self._stored_name(engine)
        if self._before_stop is not None:
            await self._before_stop(stream_id, name)
        await self._db.write(rows.stop_job, stream_id, name, time.time())
        await self.release(stream_id, name)
        return await self.status(stream_id, engine)

    async def stop_all(self, stream_id: str) -> None:
        """Stop the transcripts of a stream that is being deleted."""
        for transcript in self._runner.of_stream(stream_id):
            await self._runner.stop(stream_id, transcript.engine)
        await self._set_audio(stream_id, False)
        self._runner.forget(stream_id)
        for key in [key for key in self._needed if key[0] == stream_id]:
            del self._needed[key]

    def find_running(self, stream_id: str, engine: str) -> RunningTranscript | None:
        """Return a running transcript, or None if it does not run."""
        return self._running(stream_id, engine)

    def join_live(self, transcript: RunningTranscript) -> None:
        """Let a new open gap of a running transcript end with its first live audio."""
        if transcript.live_from is not None:
            self._runner.end_gap(transcript, transcript.live_from)
        else:
            transcript.resuming = True

    def open_past(self, stream: StreamRow, engine: str, language: str | None) -> None:
        """Let the past of a stream be transcribed without a running transcript. Raises InvalidRequest."""
        try:
            provider = self._speech(engine)
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        self._runner.open_past(RunningTranscript(stream.id, stream.name, engine, provider, language, recorded=True))

    def close_past(self, stream_id: str, engine: str) -> None:
        """End ``open_past``."""
        self._runner.close_past(stream_id, engine)

    def _running(self, stream_id: str, engine: str) -> RunningTranscript | None:
        return next((t for t in self._runner.of_stream(stream_id) if t.engine == engine), None)

    def is_running(self, stream_id: str, engine: str) -> bool:
        """Return whether a transcript runs, for a user, an index or an alert."""
        return self._running(stream_id, engine) is not None

    async def list_running(self, stream_id: str) -> list[str]:
        """Return the engines of the transcripts of a stream that a user started, oldest first."""
        jobs = await self._db.read(rows.jobs, stream_id)
        return [job.engine for job in jobs if job.status is DesiredState.RUNNING]

    def needed_by(self, stream_id: str, index_id: str) -> str:
        """Return the engine of the transcript that an audio index needs, or an empty string for other indexes."""
        return next((name for (stream, name), by in self._needed.items() if stream == stream_id and index_id in by), "")

    def usable(self) -> str:
        """Return the name of the default engine, or an empty string if it cannot be used."""
        try:
            return self.engine(None)
        except InvalidRequest:
            return ""

    def check_request(self, request: ConnectStream) -> None:
        """Check that a stream connected by this request can be transcribed. Raises InvalidRequest."""
        if reason := audio_off(request.audio, self._record_audio):
            raise InvalidRequest(reason)
        self.engine(None, self._language)

    def check_audio(self, stream: StreamRow) -> None:
        """Check that the audio of a stream is read, whether or not its source sends any now. Raises InvalidRequest."""
        if reason := audio_off(stream.audio, self._record_audio):
            raise InvalidRequest(reason)

    async def need(self, stream_id: str, engine: str, by: str) -> None:
        """Run a transcript for as long as ``by``, an audio index or the alerts of the stream, needs it."""
        self._needed.setdefault((stream_id, engine), set()).add(by)
        job = await self._db.read(rows.job, stream_id, engine)
        await self._run(stream_id, engine, job.language if job else self._language)

    async def release(self, stream_id: str, engine: str, by: str = "") -> None:
        """Release the transcript on behalf of ``by``. It stops when nothing else needs it."""
        needed = self._needed.get((stream_id, engine), set())
        needed.discard(by)
        if not needed:
            self._needed.pop((stream_id, engine), None)
        job = await self._db.read(rows.job, stream_id, engine)
        wanted = job is not None and job.status == "running"
        if wanted or needed:
            return
        transcript = self._running(stream_id, engine)
        await self._runner.stop(stream_id, engine)
        if transcript is not None:
            for gap in await self._db.read(gap_rows.of_transcript, stream_id, engine):
                if gap.requested:
                    continue
                await self._runner.give_up(transcript, gap.reached, gap.end or time.time(), STOPPED)
        await self._db.write(_forget, stream_id, engine)
        await self._set_audio(stream_id, bool(self._runner.of_stream(stream_id)))

    async def status(self, stream_id: str, engine: str | None) -> TranscriptStatus:
        """Return the status of a transcript. Raises NotFound, InvalidRequest."""
        name = self._stored_name(engine)
        stream = await self._db.read(stream_rows.get, stream_id)
        job = await self._db.read(rows.job, stream_id, name)
        running = self._running(stream_id, name)
        return TranscriptStatus(
            status=TranscriptJobStatus(job.status) if job else TranscriptJobStatus.NOT_CONFIGURED,
            engine=name,
            language=job.language if job else None,
            start_time=job.created_at if job else None,
            end_time=job.updated_at if job and job.status is DesiredState.STOPPED else None,
            created_at=iso(job.created_at) if job else None,
            updated_at=iso(job.updated_at) if job else None,
            state=running.state if running else TranscriptState.STOPPED,
            reason=self._reason(stream, name, job, running),
            note=self._engine_note(engine),
            skipped_s=round(running.skipped_s, 1) if running else 0.0,
            waiting=await self._db.read(gap_rows.waiting_s, stream_id, name, time.time()),
        )

    def _reason(
        self, stream: StreamRow, engine: str, job: TranscriptJobRow | None, running: RunningTranscript | None
    ) -> str:
        """Return the reason why nothing is transcribed now, or an empty string."""
        if running is None:
            if job is None or job.status is not DesiredState.RUNNING:
                return ""
            try:
                self.engine(engine)
            except InvalidRequest as exc:
                return exc.message
            return ""
        if running.reason:
            return running.reason
        if time.monotonic() - running.audio_at < NO_AUDIO_S:
            return ""
        if stream.desired is DesiredState.STOPPED:
            return "The stream is stopped. Its transcript resumes when the stream is started."
        return "The stream sends no audio. Check its health and media."

    async def get(
        self,
        stream_id: str,
        page: Page,
        *,
        engine: str | None = None,
        start: float | None = None,
        end: float | None = None,
        since: float | None = None,
    ) -> TranscriptPage:
        """Return one page of a stream's transcript, oldest first.

        Args:
            stream_id: Id of the stream.
            page: The page to return.
            engine: Only segments of this engine. None returns those of all engines.
            start: Start of the range in Unix seconds, or None for no bound.
            end: End of the range in Unix seconds, or None for no bound.
            since: Only segments that end after this Unix time.

        Raises:
            InvalidRequest: A time or the engine is invalid.
            NotFound: There is no such stream.
        """
        if any(bound is not None and not math.isfinite(bound) for bound in (start, end, since)):
            raise InvalidRequest("start, end and since must be Unix timestamps in seconds.")
        await self._db.read(stream_rows.get, stream_id)
        # The records of an engine that may no longer be used stay readable under its name.
        names = list(dict.fromkeys([engine_name(engine), self._stored_name(engine)])) if engine else [None]

        def query(conn: Connection) -> tuple[list[TranscriptSegmentRow], int]:
            found: tuple[list[TranscriptSegmentRow], int] = [], 0
            for name in names:
                found = rows.list_segments(conn, stream_id, name, start=start, end=end, since=since, page=page)
                if found[1]:
                    break
            return found

        found, total = await self._db.read(query)
        return TranscriptPage(
            transcription_records=[_segment(row) for row in found],
            next_page=page.page * page.page_size < total,
            total_count=total,
            page=page.page,
            page_size=page.page_size,
        )

    async def _run(self, stream_id: str, engine: str, language: str | None, since: float | None = None) -> None:
        try:
            provider = self._speech(engine)
        except ProviderError:
            return  # the package or key has been removed since, which the status reports
        stream = await self._db.read(stream_rows.get, stream_id)
        if self._running(stream_id, engine) is None:
            transcript = RunningTranscript(stream_id, stream.name, engine, provider, language, recorded=stream.store)
            transcript.resuming = stream.store and await self._db.write(_resume, stream_id, engine, since)
            self._runner.start(transcript)
        await self._set_audio(stream_id, True)


def checked_vocabulary(given: Sequence[str]) -> list[str] | None:
    """Return the vocabulary of a stream, or None if it is empty. Raises InvalidRequest."""
    try:
        return checked_terms(given) or None
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc


def _resume(conn: Connection, stream_id: str, engine: str, since: float | None) -> bool:
    """Begin a gap behind a transcript that was running when the engine ended, or from the Unix time ``since`` on.

    Returns whether there is a gap that ends with the first live audio.
    """
    now = time.time()
    start = rows.heard_until(conn, stream_id, engine)
    if start is not None:
        # An earlier gap may not be transcribed yet. This one begins behind it, so that no sentence is there twice.
        # The end of one from before the clock was set back says nothing.
        ends = [gap.end for gap in gap_rows.of_transcript(conn, stream_id, engine) if gap.end is not None]
        start = max([start, *(end for end in ends if end <= now)])
        gap_rows.begin(conn, stream_id, None, engine, start, GapReason.ENGINE_ENDED, now)
    elif since is not None:
        gap_rows.begin(conn, stream_id, None, engine, since, GapReason.CONNECTING, now)
    return gap_rows.open_gap(conn, stream_id, None, engine) is not None


def _forget(conn: Connection, stream_id: str, engine: str) -> None:
    """End a transcript by request. Its gaps are not transcribed."""
    rows.forget_heard(conn, stream_id, engine)
    own = [gap.id for gap in gap_rows.of_transcript(conn, stream_id, engine) if not gap.requested]
    gap_rows.remove(conn, own)


def _segment(row: TranscriptSegmentRow) -> TranscriptSegment:
    detail = row.detail or {}
    return TranscriptSegment(
        start=row.start,
        end=row.end,
        text=row.text,
        engine=row.engine,
        kind=row.kind,
        confidence=detail.get("confidence"),
        low_confidence=bool(detail.get("low_confidence")),
        late=bool(detail.get("late")),
        heard=row.heard,
        speaker=detail.get("speaker") or "",
        word_timestamps=detail.get("words") or [],
    )
