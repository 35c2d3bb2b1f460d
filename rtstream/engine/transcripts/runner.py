"""Runs live transcripts: feeds a stream's audio to a speech session and stores its utterances once and in order.

The lag is bounded. When more audio than ``max_lag_s`` waits, the oldest is skipped and counted, and a gap is written to
the transcript. A cut in the audio (a reconnect or a skip) ends the current sentence and opens a new session.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream import messages as m
from rtstream.concurrency import first_error, log_failure
from rtstream.engine.journal import Journal
from rtstream.engine.transcripts.listener import UtteranceListener
from rtstream.engine.transcripts.segments import segment
from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.json_types import JsonObject
from rtstream.perception.protocols import ProviderError, SpeechSession, Utterance
from rtstream.rules.gaps import SET_BACK_S
from rtstream.rules.playlist import Range
from rtstream.rules.speech_clock import CUT_S, SpeechClock
from rtstream.rules.text_safety import clean
from rtstream.states import GapReason, TranscriptState
from rtstream.store import gaps as gap_rows
from rtstream.store import journal as journal_rows
from rtstream.store import speech_ranges
from rtstream.store import transcripts as rows
from rtstream.store.journal import Entry
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)

BYTES_PER_S = m.AUDIO_BYTES_PER_S
FINISH_TIMEOUT_S = 20.0
REOPEN_S = 5.0
REOPEN_MAX_S = 60.0
"""Pause in seconds after the first failure is ``REOPEN_S``. Each further one doubles it, up to ``REOPEN_MAX_S``."""
MAX_GAP_S = 60.0
"""Longest gap in one record, in seconds. A longer gap is written as several records."""
MAX_LOST_S = 30.0
"""Most audio in seconds that counts as lost when a session breaks. Utterances are shorter."""
FULL_S = 2.0
"""Pause in seconds before the result of a gap is queued again that did not fit."""
SILENT_S = 2.0
"""Seconds without audio after which a session ends. A silent stream still sends audio, but a lost one does not."""
OVERLOADED = "transcription fell behind live"
MAX_TEXT = 4000
_SHOWN = ("confidence", "low_confidence", "words", "reason", "heard", "speaker")
"""Details of a segment that are also in its journal entry."""
NOTE_EVERY_S = 5.0
SETTLED_S = 20.0

Correct = Callable[[str, float, float, str, list[JsonObject]], Awaitable[tuple[str, list[JsonObject], str]]]
"""Corrects an utterance; see ``VocabularyCorrector.correct``."""

OnPartial = Callable[[Entry], None]
"""Delivers a partial utterance to current listeners. It is not stored."""


class TranscriptRunner:
    """Runs transcripts, at most one per stream and engine.

    Args:
        tasks: Task group in which the transcripts run.
        queue: Writes segments. They wait in it while the database is unavailable.
        journal: Journal that is notified of segments.
        listener: Consumer of final segments.
        on_partial: Called with each partial utterance.
        max_lag_s: Most audio in seconds that may wait. Beyond it, the oldest is skipped.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        queue: WriteQueue,
        journal: Journal,
        listener: UtteranceListener,
        on_partial: OnPartial,
        max_lag_s: float,
    ) -> None:
        self._tasks = tasks
        self._queue = queue
        self._journal = journal
        self._listener = listener
        self._on_partial = on_partial
        self.correct: Correct | None = None
        """Corrects final utterances, if it is set."""
        self._max_waiting = int(max_lag_s * BYTES_PER_S)
        self._running: dict[tuple[str, str], RunningTranscript] = {}
        self._past: dict[tuple[str, str], RunningTranscript] = {}
        self._skipped: dict[str, float] = {}

    def start(self, transcript: RunningTranscript) -> None:
        """Start a transcript, unless one with its stream and engine is running."""
        key = (transcript.stream_id, transcript.engine)
        if key not in self._running:
            self._running[key] = transcript
            self._tasks.start_soon(self._work, transcript)

    async def stop(self, stream_id: str, engine: str) -> None:
        """Stop a transcript after the audio received so far is transcribed, or after ``FINISH_TIMEOUT_S``."""
        transcript = self._running.pop((stream_id, engine), None)
        if transcript is None:
            return
        transcript.stopping = True
        transcript.arrived.set()
        with anyio.move_on_after(FINISH_TIMEOUT_S):
            await transcript.ended.wait()
            return
        transcript.scope.cancel()

    def of_stream(self, stream_id: str) -> list[RunningTranscript]:
        """Return the running transcripts of a stream."""
        return [transcript for (owner, _), transcript in self._running.items() if owner == stream_id]

    def find(self, stream_id: str, engine: str) -> RunningTranscript | None:
        """Return a transcript that is running, or that is of the past only. None if it is neither."""
        return self._running.get((stream_id, engine)) or self._past.get((stream_id, engine))

    def open_past(self, transcript: RunningTranscript) -> None:
        """Let the past be transcribed with a transcript that is not running, until ``close_past``."""
        self._past[transcript.stream_id, transcript.engine] = transcript

    def close_past(self, stream_id: str, engine: str) -> None:
        """End ``open_past``."""
        self._past.pop((stream_id, engine), None)

    def skipped_s(self, stream_id: str) -> float:
        """Return the seconds of a stream's audio that were not transcribed since the engine started."""
        return self._skipped.get(stream_id, 0.0)

    def forget(self, stream_id: str) -> None:
        """Forget a deleted stream."""
        self._skipped.pop(stream_id, None)

    async def audio(self, stream_id: str, block: m.AudioTaken) -> None:
        """Queue audio of a stream for its transcripts."""
        for transcript in self.of_stream(stream_id):
            if transcript.resuming:
                self.end_gap(transcript, block.time)
            transcript.live_from = transcript.live_from or block.time
            hole = transcript.arrivals.add(block.time, block.time + len(block.payload) / BYTES_PER_S)
            if hole is not None and transcript.recorded:
                self._note_hole(transcript, hole)
            transcript.audio_at = time.monotonic()
            transcript.blocks.append(block)
            transcript.waiting += len(block.payload)
            transcript.arrived.set()
            while transcript.waiting > self._max_waiting:
                await self._skip(transcript)

    def end_gap(self, transcript: RunningTranscript, at: float) -> None:
        """End the open gap of a transcript. Its live audio begins at the Unix time ``at``."""
        transcript.resuming, transcript.live_from = False, at
        stream_id, engine = transcript.stream_id, transcript.engine
        self._queue.put(lambda conn: gap_rows.finish_open(conn, stream_id, None, engine, at))
        self._listener.gap_ended(stream_id, engine, at)

    def recording_ended(self, stream_id: str) -> None:
        """Note that the next audio of a stream belongs to another recording."""
        for transcript in self.of_stream(stream_id):
            transcript.arrivals.cut()

    def _note_hole(self, transcript: RunningTranscript, hole: Range) -> None:
        """Begin a gap for audio that has not arrived."""
        owner = (transcript.stream_id, None, transcript.engine)
        if hole[1] < hole[0] or hole[1] - hole[0] > CUT_S:
            self._queue.put(lambda conn: gap_rows.add_hole(conn, *owner, *hole))
            self._listener.speech_missed(transcript.stream_id, transcript.engine, *hole)

    async def transcribe_gap(self, transcript: RunningTranscript) -> None:
        """Transcribe a gap. Its audio is added to ``blocks`` until it is ``stopping``. Raises ProviderError."""
        while await self._wait_for_audio(transcript):
            await self._session(transcript)

    async def write_behind(self, write: Callable[[Connection], object]) -> None:
        """Carry out a write behind all results so far, and wait until both are stored."""
        stored = anyio.Event()
        while not self._queue.put(write, stored.set):  # noqa: ASYNC110
            await anyio.sleep(FULL_S)
        await stored.wait()

    @property
    def writing(self) -> bool:
        """Whether results are not written yet, so that the stored position in a gap is not complete."""
        return self._queue.waiting > 0

    @property
    def idle(self) -> bool:
        """Whether no transcript is running, and the past of none is transcribed."""
        return not self._running and not self._past

    @property
    def behind_s(self) -> float | None:
        """Seconds of audio that wait in the live transcript that is behind most. None if none is running."""
        return max((transcript.waiting_s for transcript in self._running.values()), default=None)

    def _note_heard(self, transcript: RunningTranscript, begin: float, until: float) -> None:
        """Store now and then how far a transcript is complete, so that the next engine knows where a gap begins.

        Its session began at the Unix time ``begin``.
        """
        grown_s = until - transcript.noted_until
        changed = grown_s >= NOTE_EVERY_S or grown_s < -SET_BACK_S
        if transcript.recorded and not transcript.gap_id and changed:
            transcript.noted_until = until
            stream_id, engine = transcript.stream_id, transcript.engine
            self._queue.put(lambda conn: rows.note_heard(conn, stream_id, engine, begin, until))

    async def _skip(self, transcript: RunningTranscript) -> None:
        """Drop half of the waiting audio, oldest first, as one gap, because the transcript is too far behind live."""
        reason = OVERLOADED if transcript.state is TranscriptState.RUNNING else transcript.reason
        begin, end = transcript.blocks[0].time, transcript.blocks[0].time
        seconds = 0.0
        while transcript.blocks and transcript.waiting > self._max_waiting // 2:
            block = transcript.blocks.popleft()
            transcript.waiting -= len(block.payload)
            seconds += len(block.payload) / BYTES_PER_S
            end = block.time + len(block.payload) / BYTES_PER_S
        if not self._later(transcript):
            self._count_skipped(transcript, seconds)
        if transcript.gap is not None and 0 <= begin - transcript.gap[1] <= CUT_S and reason == transcript.gap[2]:
            transcript.gap = (transcript.gap[0], end, transcript.gap[2])
        else:
            await self._write_gap(transcript)
            transcript.gap = (begin, end, reason)
        if end - transcript.gap[0] >= MAX_GAP_S:
            await self._write_gap(transcript)

    async def _write_gap(self, transcript: RunningTranscript) -> None:
        gap, transcript.gap = transcript.gap, None
        if gap is None:
            return
        start, end, reason = gap
        if self._later(transcript):
            kind = GapReason.OVERLOADED if reason == OVERLOADED else GapReason.READER_UNAVAILABLE
            owner = transcript.stream_id, transcript.engine
            if await self._queue.write_then(
                lambda conn: gap_rows.add_skipped(conn, *owner, start, end, kind, time.time())
            ):
                self._listener.speech_missed(transcript.stream_id, transcript.engine, start, end)
                return
            self._count_skipped(transcript, end - start)
        await self._store(transcript, "gap", start, end, "", {"reason": reason})

    @staticmethod
    def _later(transcript: RunningTranscript) -> bool:
        """Return whether skipped audio is transcribed later, from the recording."""
        return transcript.recorded and not transcript.gap_id

    async def _work(self, transcript: RunningTranscript) -> None:
        try:
            with transcript.scope:
                while not transcript.stopping or transcript.blocks:
                    if not await self._wait_for_audio(transcript):
                        break
                    try:
                        await self._session(transcript)
                        transcript.state, transcript.reason, transcript.failures = TranscriptState.RUNNING, "", 0
                    except ProviderError as exc:
                        await self._fail(transcript, str(exc), exc.retry_after_s or 0.0)
                    except Exception as exc:  # noqa: BLE001 - logged
                        log_failure(log, f"transcript of {transcript.stream_id} failed", exc)
                        await self._fail(transcript, "Transcription failed inside the engine. See its log.")
                await self._write_gap(transcript)
        finally:
            key = (transcript.stream_id, transcript.engine)
            if self._running.get(key) is transcript:  # another may have been started while this one ended
                del self._running[key]
            transcript.ended.set()

    async def _fail(self, transcript: RunningTranscript, reason: str, wait_s: float = 0.0) -> None:
        transcript.state, transcript.reason = TranscriptState.ERROR, reason
        pause = min(REOPEN_MAX_S, max(wait_s, REOPEN_S * 2**transcript.failures))
        transcript.failures = min(transcript.failures + 1, 10)
        await self._pause(transcript, pause)

    async def _pause(self, transcript: RunningTranscript, seconds: float) -> None:
        """Wait after a failure, but no longer than until a stop. Meanwhile, ``_skip`` bounds the waiting audio."""
        with anyio.move_on_after(seconds):
            while not transcript.stopping:
                transcript.arrived = anyio.Event()
                await transcript.arrived.wait()
        if transcript.stopping:
            transcript.blocks.clear()
            transcript.waiting = 0

    async def _wait_for_audio(self, transcript: RunningTranscript) -> bool:
        """Wait for audio. Returns False when the transcript is stopping and no audio is left."""
        while not transcript.blocks:
            if transcript.stopping:
                return False
            transcript.arrived = anyio.Event()
            await transcript.arrived.wait()
        return True

    async def _session(self, transcript: RunningTranscript) -> None:
        """Run one speech session, from the first block until a cut in the audio or the stop."""
        session = await transcript.provider.open(language=transcript.language)
        clock = SpeechClock()
        failure: ProviderError | None = None
        try:
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    nonlocal failure
                    try:
                        async for utterance in session.utterances():
                            await self._utterance(transcript, clock, utterance)
                    except ProviderError as exc:
                        failure = exc
                        tasks.cancel_scope.cancel()

                tasks.start_soon(read)
                await self._feed(transcript, session, clock)
                with anyio.fail_after(FINISH_TIMEOUT_S):
                    await session.finish()
        except* ProviderError as group:
            failure = first_error(group)
        finally:
            with anyio.CancelScope(shield=True):
                await session.aclose()
            if not transcript.gap_id:
                owner = transcript.stream_id, transcript.engine
                await self._listener.transcript_ended(*owner, paused=not transcript.stopping)
        if failure is not None:
            if not transcript.gap_id:
                self._lose(transcript, clock, str(failure))
            raise failure
        self._note_heard(transcript, clock.begin, clock.reached)
        if transcript.recorded and not transcript.gap_id:
            owner = transcript.stream_id, transcript.engine
            self._queue.put(lambda conn: speech_ranges.add(conn, *owner, clock.begin, clock.reached))

    def _lose(self, transcript: RunningTranscript, clock: SpeechClock, reason: str) -> None:
        """Count the audio that a broken session did not transcribe as a gap."""
        begin, end = max(clock.begin, clock.final_until, clock.reached - MAX_LOST_S), clock.reached
        if end > begin:
            if not self._later(transcript):
                self._count_skipped(transcript, end - begin)
            later = transcript.gap
            transcript.gap = (begin, max(end, later[1]) if later else end, reason)

    async def give_up(self, transcript: RunningTranscript, start: float, end: float, reason: str) -> None:
        """Count recorded audio that cannot be transcribed, and write a gap to the transcript."""
        self._count_skipped(transcript, end - start)
        await self._store(transcript, "gap", start, end, "", {"reason": reason})

    def _count_skipped(self, transcript: RunningTranscript, seconds: float) -> None:
        transcript.skipped_s += seconds
        self._skipped[transcript.stream_id] = self.skipped_s(transcript.stream_id) + seconds

    async def _feed(self, transcript: RunningTranscript, session: SpeechSession, clock: SpeechClock) -> None:
        """Feed audio to the session until a cut, a pause of the stream, or the stop."""
        while True:
            with anyio.move_on_after(math.inf if transcript.gap_id else SILENT_S) as silent:
                if not await self._wait_for_audio(transcript):
                    return
            if silent.cancelled_caught:
                return  # the stream may be lost, so finish its last utterance now and not when it returns
            block = transcript.blocks[0]
            if not clock.fits(block.time):
                return
            transcript.blocks.popleft()
            transcript.waiting -= len(block.payload)
            if transcript.gap is not None and transcript.gap[1] <= block.time:
                await self._write_gap(transcript)
            clock.feed(block.time, len(block.payload) / BYTES_PER_S)
            await session.feed(block.payload)
            # Utterances are shorter than this, so all earlier speech has been transcribed.
            settled = block.time - SETTLED_S
            self._note_heard(transcript, clock.begin, max(settled, clock.begin, clock.final_until))
            if not transcript.gap_id:
                await self._listener.clock(transcript.stream_id, transcript.engine, settled)

    async def _utterance(self, transcript: RunningTranscript, clock: SpeechClock, utterance: Utterance) -> None:
        transcript.state, transcript.reason, transcript.failures = TranscriptState.RUNNING, "", 0
        text = clean(utterance.text, MAX_TEXT).strip()
        if not text:
            return
        start, end = clock.unix(utterance.start), clock.unix(utterance.end)
        if not utterance.is_final:
            if transcript.gap_id:
                return
            data = {"text": text, "is_final": False, "start": start, "end": end, "engine": transcript.engine}
            self._on_partial(
                Entry("transcript", data, stream_id=transcript.stream_id, stream_name=transcript.stream_name)
            )
            return
        words = [
            {**word, "start": round(clock.unix(word["start"]), 3), "end": round(clock.unix(word["end"]), 3)}
            for word in utterance.words
        ]
        heard = ""
        if self.correct is not None:
            text, words, heard = await self.correct(transcript.stream_id, start, end, text, words)
        detail = {
            "confidence": utterance.confidence,
            "low_confidence": utterance.low_confidence,
            "words": words,
            "language": transcript.language,
            **{name: value for name, value in (("heard", heard), ("speaker", utterance.speaker)) if value},
        }
        clock.final_until = end
        await self._store(transcript, "speech", start, end, text, detail)

    async def _store(
        self, transcript: RunningTranscript, kind: str, start: float, end: float, text: str, detail: JsonObject
    ) -> None:
        """Store a final segment or a gap and its journal entry in one transaction."""
        values, entry = segment(transcript, kind, start, end, text, detail)

        def write(conn: Connection) -> None:
            journal_rows.append(conn, entry)
            rows.add(conn, **values)
            if transcript.gap_id:
                rows.note_gap(conn, transcript.gap_id, transcript.stream_id, transcript.engine, start, end)

        size = 2000 + 2 * len(text) + 200 * len(detail.get("words") or ())
        while not await self._queue.write_then(write, self._journal.wake, size):
            if not transcript.gap_id:
                self._count_skipped(transcript, end - start)
                break
            await anyio.sleep(FULL_S)
        if kind == "speech" and not transcript.gap_id:
            await self._listener.segment_heard(transcript.stream_id, transcript.engine, values)
