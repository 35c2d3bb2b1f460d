"""What is said in exported videos: transcribed from their files, faster than they play."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import anyio
from sqlalchemy import Connection

from rtstream.engine.jobs import Job, Jobs
from rtstream.engine.search import SearchService
from rtstream.errors import InvalidRequest, NotFound, Unavailable
from rtstream.extract.audio import extract_audio
from rtstream.extract.export import VIDEO_FILE
from rtstream.json_types import JsonObject
from rtstream.models import VideoTranscript, VideoWord
from rtstream.perception.child_process import ChildProcess
from rtstream.perception.protocols import ProviderError, SpeechProvider, SpeechSession, Utterance
from rtstream.rules.batches import Batch, Batches, Segmenter, Word, words_of
from rtstream.rules.link_targets import LinkOrigin
from rtstream.rules.text_safety import clean
from rtstream.storage import LocalFiles, Storage, joined
from rtstream.store import video_transcripts as rows
from rtstream.store import videos as video_rows
from rtstream.store.database import Database
from rtstream.store.videos import VideoRow

log = logging.getLogger(__name__)

PIECE_S = 5.0
"""Sound decoded and handed to the speech engine at a time: live transcripts have their turn in between."""
DECODE_TIMEOUT_S = 60.0
SLOWEST = 5.0
"""A transcript may take this many times the length of the video, and ``LEAST_S``; then it counts as hung."""
LEAST_S = 120.0
FOUND_S = 20.0
"""How long a finished transcript waits to be searchable by meaning before it says that it is done."""
MAX_TEXT = 4000


class VideoTranscriptService:
    """The spoken words of the videos in ``storage``; ``speech(name)`` gives the provider of an engine, shared."""

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
        self._under_way: dict[str, Job] = {}

    async def start(self, video_id: str, *, language: str | None = None, force: bool = False) -> Job:
        """Transcribe a video and make it searchable; the job's result is the id of the video.

        What is transcribed already is transcribed again with ``force`` only. Raises NotFound, and InvalidRequest when
        the speech engine cannot be used.
        """
        video = await self._db.read(video_rows.get, video_id)
        if video_id in self._under_way:
            return self._under_way[video_id]
        if not force and video_id in await self._db.read(rows.transcribed, [video_id]):
            return self._jobs.start(_at_once(video_id), self._shown)
        language = (language or "").replace("_", "-") or self._language
        try:
            provider = self._speech(self._engine)
            provider.ready(language)
        except ProviderError as exc:
            raise InvalidRequest(str(exc)) from exc
        job = self._jobs.start(lambda job: self._index(job, video, provider, language), self._shown)
        self._under_way[video_id] = job
        return job

    def job_of(self, video_id: str) -> Job | None:
        """The transcript that is being made."""
        return self._under_way.get(video_id)

    async def transcript(
        self,
        video_id: str,
        *,
        segmenter: Segmenter = "word",
        length: float = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> VideoTranscript:
        """What is said, cut into words, sentences or pieces of ``length`` seconds; seconds from the video's start.

        ``start`` and ``end`` keep what shares time with them. Raises NotFound, and InvalidRequest when nothing was
        transcribed yet.
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
            word_timestamps=[
                VideoWord(start=segment.start, end=segment.end, text=segment.text, word=segment.text)
                for segment in segments
            ],
            text=" ".join(word.text for word in inside),
        )

    async def _shown(self, _origin: LinkOrigin, video_id: str) -> VideoTranscript:
        return await self.transcript(video_id)

    async def _index(self, job: Job, video: VideoRow, provider: SpeechProvider, language: str | None) -> str:
        try:
            with anyio.fail_after(LEAST_S + SLOWEST * video.duration):
                said, sound = await self._hear(job, video, provider, language)
            facts = {"engine": provider.name, "language": language, "sound": sound, "created_at": time.time()}
            if not await self._db.write(
                lambda conn: rows.replace(conn, video.id, [_row(one) for one in said], **facts)
            ):
                raise NotFound("The video was deleted while it was transcribed.")
            with anyio.move_on_after(FOUND_S):
                await self._search.caught_up(by_meaning=True)
            return video.id
        except ProviderError as exc:
            raise Unavailable(f"The video could not be transcribed: {exc}") from exc
        except TimeoutError:
            raise Unavailable(f"The speech engine {provider.name} did not get on. Try again later.") from None
        finally:
            del self._under_way[video.id]

    async def _hear(
        self, job: Job, video: VideoRow, provider: SpeechProvider, language: str | None
    ) -> tuple[list[Batch], bool]:
        """The sentences of a video, and whether it has sound at all. Raises ProviderError, InvalidRequest."""
        found: list[Utterance] = []
        failure: BaseException | None = None
        sound = False
        decoder = ChildProcess("The sound decoder", _nothing)
        session = await provider.open(language=language)
        try:
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    async for utterance in session.utterances():
                        if utterance.is_final:
                            found.append(utterance)

                tasks.start_soon(read)
                async with self._storage.lease([joined(video.id, VIDEO_FILE)]) as files:
                    sound = await self._feed(job, video, files, decoder, session)
        except* (ProviderError, InvalidRequest) as group:
            failure = group.exceptions[0]
        finally:
            with anyio.CancelScope(shield=True):
                await session.aclose()
                await decoder.aclose()
        if failure is not None:
            raise failure
        return _sentences(found), sound

    async def _feed(
        self, job: Job, video: VideoRow, files: LocalFiles, decoder: ChildProcess, session: SpeechSession
    ) -> bool:
        """Give the session all of the sound; False when there is none."""
        key = joined(video.id, VIDEO_FILE)
        at = 0.0
        while at < video.duration:
            seconds = min(PIECE_S, video.duration - at)
            try:
                samples = await decoder.run(extract_audio, files, key, at, seconds, timeout_s=DECODE_TIMEOUT_S)
            except ValueError as exc:
                raise InvalidRequest(str(exc)) from None
            if not samples:
                break
            await session.feed(samples)
            at += seconds
            job.percentage = round(99.0 * at / video.duration, 1)
        await session.finish()
        return at > 0


def _sentences(found: list[Utterance]) -> list[Batch]:
    cut = Batches("sentence", 1)
    sentences: list[Batch] = []
    for utterance in sorted(found, key=lambda utterance: utterance.start):
        text = clean(utterance.text, MAX_TEXT)
        sentences += cut.add(words_of(text, utterance.start, utterance.end, utterance.words))
    return sentences + cut.flush()


def _row(sentence: Batch) -> JsonObject:
    """A sentence as it is stored."""
    words = [{"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in sentence.words]
    return {"start": words[0]["start"], "end": round(sentence.end, 3), "text": sentence.text, "words": words}


def _words(stored: list[JsonObject]) -> list[Word]:
    """The words of a stored sentence."""
    last = len(stored) - 1
    return [Word(word["word"], word["start"], word["end"], number == last) for number, word in enumerate(stored)]


def _at_once(video_id: str) -> Callable[[Job], Awaitable[str]]:
    async def work(job: Job) -> str:
        return video_id

    return work


def _nothing() -> None:
    """The child needs no preparation."""
