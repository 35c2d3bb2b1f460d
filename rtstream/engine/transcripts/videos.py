"""Transcribes exported videos from their files, faster than they play.

A transcription that is cancelled, fails or is interrupted by the end of the engine continues where it stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import first_error
from rtstream.engine.jobs import Job, Jobs, JobSubject
from rtstream.engine.search import SearchService
from rtstream.errors import DatabaseUnavailable, InvalidRequest, NotFound, RTStreamError, Unavailable
from rtstream.extract.audio import extract_audio
from rtstream.extract.export import VIDEO_FILE
from rtstream.json_types import JsonObject
from rtstream.models import VideoTranscript, VideoWord
from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, SpeechProvider, SpeechSession, Utterance
from rtstream.rules.batches import Batch, Batches, Segmenter, Word, words_of
from rtstream.rules.link_targets import LinkOrigin
from rtstream.rules.text_safety import clean
from rtstream.states import JobKind
from rtstream.storage import LocalFiles, Storage, joined
from rtstream.store import video_transcripts as rows
from rtstream.store import videos as video_rows
from rtstream.store.database import Database
from rtstream.store.videos import VideoRow

log = logging.getLogger(__name__)

STEP_S = 5.0
"""Seconds of audio decoded and fed to the speech engine at a time. Live transcripts get their turn in between."""
DECODE_TIMEOUT_S = 60.0
SILENT_S = 600.0
"""Seconds without progress after which a speech engine counts as hung. It gets ``STEP_S`` of audio at a time."""
SAVE_S = 10.0
"""Longest time in seconds until new utterances are stored."""
SEARCHABLE_S = 20.0
"""Longest wait in seconds until a finished transcript is searchable by meaning before its job is done."""
CLOSE_S = 5.0
"""Longest time in seconds in which the rest of an interrupted transcription is stored."""
CONTINUES = "Call index_spoken_words() again: it continues where it stopped."
MAX_TEXT = 4000
MAX_WORDS = 20_000
"""Words up to which the response about a video includes them. These are about two hours of speech."""


class VideoTranscriptService:
    """The transcripts of exported videos.

    Args:
        db: The database.
        jobs: Runs the transcriptions.
        search: Search, which is to find the transcripts.
        speech: Returns the shared provider of an engine name, or raises ProviderError.
        engine: Name of the speech engine.
        language: Language in the settings, or None to detect it.
        storage: Storage of the video files.
    """

    def __init__(
        self,
        db: Database,
        jobs: Jobs,
        search: SearchService,
        speech: Callable[[str], SpeechProvider],
        engine: str,
        language: str | None,
        storage: Storage,
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._search = search
        self._speech = speech
        self._engine = engine
        self._language = language or None
        self._storage = storage
        self._running: dict[str, Job] = {}

    async def start(self, video_id: str, *, language: str | None = None, force: bool = False) -> Job:
        """Transcribe a video and make its transcript searchable.

        Args:
            video_id: Id of the video.
            language: Language code, or None for the one in the settings.
            force: Whether to transcribe again a video that has a transcript.

        Returns:
            The job, whose result is the id of the video.

        Raises:
            InvalidRequest: The speech engine cannot be used.
            NotFound: There is no such video.
        """
        video = await self._db.read(video_rows.get, video_id)
        if video_id in self._running:
            return self._running[video_id]
        if not force and await self._is_transcribed(video_id):
            return self._jobs.finished(video_id, _subject(video), self._show)
        return self._begin(video, (language or "").replace("_", "-") or self._language)

    def follow(self, export: Job) -> None:
        """Transcribe the video of an export once it is done."""
        self._jobs.follow(export, self._after)

    async def _after(self, export: Job) -> None:
        try:
            await self.start(export.result)
        except RTStreamError as exc:
            log.warning("the exported video %s is not transcribed: %s", export.result, exc.message)

    async def resume(self) -> None:
        """Continue the transcriptions that the end of the engine interrupted."""
        for unfinished in await self._db.read(rows.wanted):
            try:
                video = await self._db.read(video_rows.get, unfinished.video_id)
                self._begin(video, unfinished.language, unfinished.job_id)
            except RTStreamError as exc:
                log.warning("the transcription of video %s does not continue: %s", unfinished.video_id, exc.message)

    async def _is_transcribed(self, video_id: str) -> bool:
        def query(conn: Connection) -> bool:
            return video_id in rows.transcribed(conn, [video_id]) and not rows.is_unfinished(conn, video_id)

        return await self._db.read(query)

    def _begin(self, video: VideoRow, language: str | None, job_id: str | None = None) -> Job:
        """Start the job of a video. Raises InvalidRequest if the speech engine cannot be used."""
        try:
            provider = self._speech(self._engine)
            provider.ready(language)
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        job = self._jobs.start(
            lambda job: self._index(job, video, provider, language), _subject(video), self._show, job_id
        )
        self._running[video.id] = job
        return job

    def job_of(self, video_id: str) -> Job | None:
        """Return the running job that transcribes a video, or None."""
        return self._running.get(video_id)

    async def get(
        self,
        video_id: str,
        *,
        segmenter: Segmenter = "word",
        length: float = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> VideoTranscript:
        """Return the transcript of a video, with times in seconds from its start.

        Args:
            video_id: Id of the video.
            segmenter: Unit of the segments: ``word``, ``sentence`` or ``time``.
            length: Length in seconds of the segments by ``time``.
            start: Omit words that end before this position.
            end: Omit words that start after this position.

        Raises:
            InvalidRequest: The video has no transcript yet.
            NotFound: There is no such video.
        """

        def query(conn: Connection) -> list[list[JsonObject]] | None:
            video_rows.get(conn, video_id)
            return rows.sentences(conn, video_id) if rows.transcribed(conn, [video_id]) else None

        sentences = await self._db.read(query)
        if sentences is None:
            raise InvalidRequest("This video has no transcript yet. Call index_spoken_words() on it first.")
        cut = Batches(segmenter, length if segmenter == "time" else 1)
        first, last = 0.0 if start is None else start, float("inf") if end is None else end
        words = [word for sentence in sentences for word in _words(sentence)]
        inside = [word for word in words if word.end > first and word.start < last]
        segments = [*cut.add(inside), *cut.flush()]
        return VideoTranscript(
            word_timestamps=[_shown(segment) for segment in segments],
            text=" ".join(word.text for word in inside),
        )

    async def overview(self, video_id: str) -> tuple[list[VideoWord] | None, str | None]:
        """Return the words and the text of a transcript, or None for both if there is none.

        There are no words if they are more than ``MAX_WORDS``.
        """

        def query(conn: Connection) -> list[list[JsonObject]] | None:
            return rows.sentences(conn, video_id) if rows.transcribed(conn, [video_id]) else None

        sentences = await self._db.read(query)
        if sentences is None:
            return None, None
        words = [_shown(word) for sentence in sentences for word in _words(sentence)]
        text = " ".join(word.text for word in words)
        return (words if len(words) <= MAX_WORDS else None), text

    async def _show(self, _origin: LinkOrigin, video_id: str) -> VideoTranscript:
        return await self.get(video_id)

    async def _index(self, job: Job, video: VideoRow, provider: SpeechProvider, language: str | None) -> str:
        job.begin()
        draft, wanted = _Draft(self._db, video.id), False
        try:
            await draft.open(engine=provider.name, language=language, job_id=job.id)
            has_audio = await self._transcribe(job, video, provider, language, draft)
            facts = {"engine": provider.name, "language": language, "sound": has_audio, "created_at": time.time()}
            stored = [_row(sentence) for sentence in _sentences(draft.utterances)]
            if not await self._db.write(lambda conn: rows.replace(conn, video.id, stored, **facts)):
                raise NotFound("The video was deleted during its transcription.")
            with anyio.move_on_after(SEARCHABLE_S):
                await self._search.caught_up(by_meaning=True)
            return video.id
        except anyio.get_cancelled_exc_class():
            wanted = not job.cancel_requested  # the engine ends
            raise
        except ProviderError as exc:
            raise Unavailable(f"The video could not be transcribed: {exc} {CONTINUES}") from exc
        except TimeoutError:
            raise Unavailable(f"The speech engine {provider.name} stopped responding. {CONTINUES}") from None
        finally:
            del self._running[video.id]
            with anyio.move_on_after(CLOSE_S, shield=True):
                await draft.close(wanted=wanted)

    async def _transcribe(
        self, job: Job, video: VideoRow, provider: SpeechProvider, language: str | None, draft: _Draft
    ) -> bool:
        """Add the utterances of a video to its draft, from the end of the draft on.

        Returns:
            Whether the video has audio.

        Raises:
            ProviderError: The speech engine failed.
            InvalidRequest: The file cannot be read.
            TimeoutError: The speech engine made no progress for ``SILENT_S``.
        """
        failure: BaseException | None = None
        has_audio = False
        begin = draft.end
        decoder = ChildProcess("The audio decoder", _no_preparation)
        session = await provider.open(language=language)
        try:
            with anyio.fail_after(SILENT_S) as waiting:
                async with anyio.create_task_group() as tasks:

                    async def read() -> None:
                        async for utterance in session.utterances():
                            waiting.deadline = anyio.current_time() + SILENT_S
                            if utterance.is_final:
                                await draft.add(utterance, begin)

                    tasks.start_soon(read)
                    async with self._storage.lease([joined(video.id, VIDEO_FILE)]) as files:
                        has_audio = await self._feed(job, video, begin, files, decoder, session, waiting)
        except* (ProviderError, RTStreamError, TimeoutError) as group:
            failure = first_error(group)
        finally:
            with anyio.CancelScope(shield=True):
                await session.aclose()
                await decoder.aclose()
        if failure is not None:
            raise failure
        return has_audio

    async def _feed(
        self,
        job: Job,
        video: VideoRow,
        begin: float,
        files: LocalFiles,
        decoder: ChildProcess,
        session: SpeechSession,
        waiting: anyio.CancelScope,
    ) -> bool:
        """Feed the audio from ``begin`` (seconds) on to the session. Returns whether there was any before its end."""
        key = joined(video.id, VIDEO_FILE)
        at = begin
        while at < video.duration:
            seconds = min(STEP_S, video.duration - at)
            try:
                samples = await decoder.run(extract_audio, files, key, at, seconds, timeout_s=DECODE_TIMEOUT_S)
            except ValueError as exc:
                raise InvalidRequest(str(exc)) from None
            if not samples:
                break
            await session.feed(samples)
            waiting.deadline = anyio.current_time() + SILENT_S
            at += seconds
            job.progress(round(99.0 * at / video.duration, 1))
        await session.finish()
        return at > 0


def _shown(piece: Batch | Word) -> VideoWord:
    return VideoWord(start=piece.start, end=piece.end, text=piece.text, word=piece.text)


def _sentences(found: list[Utterance]) -> list[Batch]:
    cut = Batches("sentence", 1)
    sentences: list[Batch] = []
    for utterance in sorted(found, key=lambda utterance: utterance.start):
        text = clean(utterance.text, MAX_TEXT)
        sentences += cut.add(words_of(text, utterance.start, utterance.end, utterance.words))
    return sentences + cut.flush()


def _row(sentence: Batch) -> JsonObject:
    """Return a sentence in its stored form."""
    words = [{"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in sentence.words]
    return {"start": words[0]["start"], "end": round(sentence.end, 3), "text": sentence.text, "words": words}


def _words(stored: list[JsonObject]) -> list[Word]:
    """Return the words of a stored sentence."""
    last = len(stored) - 1
    return [Word(word["word"], word["start"], word["end"], number == last) for number, word in enumerate(stored)]


class _Draft:
    """The utterances of a video that is being transcribed, in memory and in the database.

    ``utterances`` have seconds from the start of the video.
    """

    def __init__(self, db: Database, video_id: str) -> None:
        self._db = db
        self._video_id = video_id
        self._unsaved: list[JsonObject] = []
        self._saved_at = time.monotonic()
        self.utterances: list[Utterance] = []

    @property
    def end(self) -> float:
        """Seconds of the video up to which everything that was spoken is in the draft."""
        return max((utterance.end for utterance in self.utterances), default=0.0)

    async def open(self, *, engine: str, language: str | None, job_id: str) -> None:
        """Continue the draft of an interrupted job, or begin a new one. Raises DatabaseUnavailable, NotFound."""

        def write(conn: Connection) -> list[rows.UtteranceRow]:
            video_rows.get(conn, self._video_id)
            return rows.continue_or_begin(conn, self._video_id, engine=engine, language=language, job_id=job_id)

        found = await self._db.write(write)
        self.utterances = [Utterance(row.start, row.end, row.text, is_final=True, words=row.words) for row in found]

    async def add(self, heard: Utterance, begin: float) -> None:
        """Add an utterance of a session that began ``begin`` seconds into the video.

        Raises:
            NotFound: The video was deleted.
        """
        words = [{**word, "start": word["start"] + begin, "end": word["end"] + begin} for word in heard.words]
        start, end = heard.start + begin, heard.end + begin
        self.utterances.append(Utterance(start, end, heard.text, is_final=True, words=words))
        self._unsaved.append({"start": start, "end": end, "text": heard.text, "words": words})
        if time.monotonic() - self._saved_at >= SAVE_S:
            await self._save()

    async def close(self, *, wanted: bool) -> None:
        """Store the rest. ``wanted``: the transcription continues when the engine starts."""
        with suppress(RTStreamError):
            await self._save()
            if not wanted:
                await self._db.write(rows.set_unwanted, self._video_id)

    async def _save(self) -> None:
        self._saved_at = time.monotonic()
        with suppress(DatabaseUnavailable):  # they are written with the next ones
            if not await self._db.write(rows.add_utterances, self._video_id, self._unsaved):
                raise NotFound("The video was deleted during its transcription.")
            self._unsaved = []


def _subject(video: VideoRow) -> JobSubject:
    return JobSubject(JobKind.SPOKEN_WORDS, video.name, video_id=video.id)


def _no_preparation() -> None:
    """Do nothing, because the child process needs no preparation."""
