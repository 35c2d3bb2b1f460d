"""Transcripts as the API has them: start, stop, read; and running them for the audio indexes that need them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import Connection

from rtstream.engine.subscriptions import Subscriptions
from rtstream.engine.transcripts.runner import RunningTranscript, TranscriptRunner
from rtstream.errors import InvalidRequest
from rtstream.models import ConnectStream, TranscriptPage, TranscriptSegment, TranscriptStatus
from rtstream.perception.allowed import engine_name
from rtstream.perception.protocols import ProviderError, SpeechProvider
from rtstream.states import DesiredState, TranscriptJobStatus, TranscriptState
from rtstream.store import streams as stream_rows
from rtstream.store import transcripts as rows
from rtstream.store.database import Database
from rtstream.store.journal import iso
from rtstream.store.streams import StreamRow
from rtstream.store.transcripts import TranscriptJobRow, TranscriptSegmentRow

MAX_PAGE_SIZE = 1000
NO_SOUND_S = 10.0
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
DEFAULT_NAMES = ("", "default")
"""Names of the published API that mean the engine of the settings (reference 6, row 16)."""


class TranscriptService:
    """All transcripts. ``speech(name)`` gives the provider of an engine name, shared; raises ProviderError."""

    def __init__(
        self,
        db: Database,
        bindings: Subscriptions,
        transcribers: TranscriptRunner,
        speech: Callable[[str], SpeechProvider],
        engine_note: Callable[[str | None], str],
        language: str | None,
        set_sound: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        self._db = db
        self._bindings = bindings
        self._transcribers = transcribers
        self._needed: dict[tuple[str, str], set[str]] = {}
        self._speech = speech
        self._engine_note = engine_note
        self._language = language or None
        self._set_sound = set_sound

    def engine(self, name: str | None, language: str | None = None) -> str:
        """The engine a name means. Raises InvalidRequest for one that cannot be used, saying what is missing."""
        try:
            provider = self._speech(self._named(name))
            provider.ready(language)
            return provider.name
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc

    def _named(self, name: str | None) -> str:
        name = (name or "").strip()
        return "" if name.lower() in DEFAULT_NAMES else name

    def _known(self, name: str | None) -> str:
        """The name an engine's records have, also when it cannot be used now. Raises InvalidRequest."""
        try:
            return self._speech(self._named(name)).name
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc

    async def resume(self) -> None:
        """Run again what ran when the engine ended."""
        for job in await self._db.read(rows.jobs):
            if job.status == "running":
                await self._run(job.stream_id, job.engine, job.language)

    async def start(
        self, stream_id: str, engine: str | None, *, language: str | None = None, ws_connection_id: str | None = None
    ) -> TranscriptStatus:
        """Transcribe a stream from now on; harmless when it is transcribed. Raises NotFound, InvalidRequest."""
        self.check_sound(await self._db.read(stream_rows.get, stream_id))
        language = language or self._language
        if language and not _LANGUAGE.fullmatch(language):
            raise InvalidRequest("language must be a code such as 'en', 'de' or 'pt-BR'.")
        name = self.engine(engine, language)
        await self._bindings.bind(ws_connection_id, "transcript", stream_id)
        running = self._running(stream_id, name)
        if running is not None and running.language != language:
            await self._transcribers.stop(stream_id, name)
        await self._db.write(rows.start_job, stream_id, name, language, time.time())
        await self._run(stream_id, name, language)
        return await self.status(stream_id, engine)

    async def stop(self, stream_id: str, engine: str | None) -> TranscriptStatus:
        """Transcribe no longer, unless an audio index listens; harmless when it is not transcribed."""
        await self._db.read(stream_rows.get, stream_id)
        name = self._known(engine)
        await self._db.write(rows.stop_job, stream_id, name, time.time())
        await self.release(stream_id, name)
        return await self.status(stream_id, engine)

    async def forget(self, stream_id: str) -> None:
        """End the transcripts of a stream that is being removed."""
        for transcript in self._transcribers.of_stream(stream_id):
            await self._transcribers.stop(stream_id, transcript.engine)
        await self._set_sound(stream_id, False)
        self._transcribers.forget(stream_id)
        for key in [key for key in self._needed if key[0] == stream_id]:
            del self._needed[key]

    def _running(self, stream_id: str, engine: str) -> RunningTranscript | None:
        return next((t for t in self._transcribers.of_stream(stream_id) if t.engine == engine), None)

    def usable(self) -> str:
        """The engine that transcribes unless another is named; empty when it cannot be used."""
        try:
            return self.engine(None)
        except InvalidRequest:
            return ""

    def check_wanted(self, request: ConnectStream) -> None:
        """Raises InvalidRequest when a stream connected like this cannot be transcribed."""
        if "audio" not in (request.media_types or ()):
            raise InvalidRequest("enable_transcript needs sound: connect with media_types=['video', 'audio'].")
        self.engine(None, self._language)

    @staticmethod
    def check_sound(stream: StreamRow) -> None:
        """Raises InvalidRequest when this stream has no sound to listen to."""
        if "audio" not in stream.media_types:
            raise InvalidRequest(
                "This stream was connected without sound. Connect it with media_types=['video', 'audio']."
            )
        if stream.media and not stream.media.get("audio_codec"):
            raise InvalidRequest("The source of this stream carries no sound, so there is nothing to listen to.")

    async def need(self, stream_id: str, engine: str, by: str) -> None:
        """Run a transcript for as long as ``by`` (the id of an audio index) needs it."""
        self._needed.setdefault((stream_id, engine), set()).add(by)
        job = await self._db.read(rows.job, stream_id, engine)
        await self._run(stream_id, engine, job.language if job else self._language)

    async def release(self, stream_id: str, engine: str, by: str = "") -> None:
        """End the need of ``by``. The transcript stops when neither a user nor anything else needs it."""
        needed = self._needed.get((stream_id, engine), set())
        needed.discard(by)
        if not needed:
            self._needed.pop((stream_id, engine), None)
        job = await self._db.read(rows.job, stream_id, engine)
        wanted = job is not None and job.status == "running"
        if wanted or needed:
            return
        await self._transcribers.stop(stream_id, engine)
        await self._set_sound(stream_id, bool(self._transcribers.of_stream(stream_id)))

    async def status(self, stream_id: str, engine: str | None) -> TranscriptStatus:
        """How a transcript stands."""
        name = self._known(engine)
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
        )

    def _reason(
        self, stream: StreamRow, engine: str, job: TranscriptJobRow | None, running: RunningTranscript | None
    ) -> str:
        """Why nothing is heard now, when nothing is."""
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
        if time.monotonic() - running.heard_at < NO_SOUND_S:
            return ""
        if stream.desired is DesiredState.STOPPED:
            return "The stream is stopped; its transcript goes on when it is started."
        return "No sound comes from the stream; see its health and media."

    async def page(
        self,
        stream_id: str,
        *,
        engine: str | None,
        start: float | None,
        end: float | None,
        since: float | None,
        page: int,
        page_size: int,
    ) -> TranscriptPage:
        """What was said, oldest first. Raises NotFound, InvalidRequest."""
        if not (1 <= page <= 1_000_000 and 1 <= page_size <= MAX_PAGE_SIZE):
            raise InvalidRequest(f"page must be at least 1 and page_size from 1 to {MAX_PAGE_SIZE}.")
        if any(bound is not None and not math.isfinite(bound) for bound in (start, end, since)):
            raise InvalidRequest("start, end and since must be Unix timestamps in seconds.")
        await self._db.read(stream_rows.get, stream_id)
        # The records of an engine that may no longer be used stay readable under its name.
        names = list(dict.fromkeys([engine_name(engine), self._known(engine)])) if engine else [None]

        def query(conn: Connection) -> tuple[list[TranscriptSegmentRow], int]:
            found: tuple[list[TranscriptSegmentRow], int] = [], 0
            for name in names:
                found = rows.page(
                    conn, stream_id, name, start=start, end=end, since=since, page=page, page_size=page_size
                )
                if found[1]:
                    break
            return found

        found, total = await self._db.read(query)
        return TranscriptPage(
            transcription_records=[_segment(row) for row in found],
            next_page=page * page_size < total,
            total_count=total,
            page=page,
            page_size=page_size,
        )

    async def _run(self, stream_id: str, engine: str, language: str | None) -> None:
        try:
            provider = self._speech(engine)
        except ProviderError:
            return  # the package or key was taken away since; status says so when asked
        stream = await self._db.read(stream_rows.get, stream_id)
        self._transcribers.start(
            RunningTranscript(
                stream_id=stream_id, stream_name=stream.name, engine=engine, provider=provider, language=language
            )
        )
        await self._set_sound(stream_id, True)


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
        word_timestamps=detail.get("words") or [],
    )
