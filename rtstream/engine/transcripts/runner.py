"""Live transcripts: sound of a stream goes into a speech session, utterances come out, stored once and in order.

Falling behind is bounded: when more sound waits than ``max_lag_s``, the oldest is skipped, counted, and a gap is
written into the transcript. A cut in the sound (reconnect, skip) ends the sentence under way and opens a new session.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream import messages as m
from rtstream.engine.journal import Journal
from rtstream.json_types import JsonObject
from rtstream.perception.protocols import ProviderError, SpeechProvider, SpeechSession, Utterance
from rtstream.rules.text_safety import clean
from rtstream.states import TranscriptState
from rtstream.store import journal as journal_rows
from rtstream.store import transcripts as rows
from rtstream.store.database import Database
from rtstream.store.journal import Entry

log = logging.getLogger(__name__)

BYTES_PER_S = 32_000  # 16 kHz mono, 16 bit
CUT_S = 0.5
"""A hole in the sound from which on a sentence does not go on."""
FINISH_TIMEOUT_S = 20.0
REOPEN_S = 5.0
REOPEN_MAX_S = 60.0
"""Pause after a failure: the first, doubled with each further one up to the longest."""
MAX_GAP_S = 60.0
"""A gap is one record; while it goes on it is written this often."""
MAX_LOST_S = 30.0
"""Most of a broken session's last sound that counts as not heard: an utterance is shorter."""
SILENT_S = 2.0
"""Without sound for this long (a lost stream, not a silent one) a session ends."""
MAX_TEXT = 4000
SETTLED_S = 20.0
MAX_ANCHORS = 1000

OnPartial = Callable[[Entry], None]
"""Shows a partial utterance: it is delivered to who listens now, and kept nowhere."""


class UtteranceListener(Protocol):
    """Who goes on with what was said (the audio indexes)."""

    async def said(self, stream_id: str, engine: str, record: JsonObject) -> None:
        """A final segment was stored."""
        ...

    async def clock(self, stream_id: str, engine: str, reached: float) -> None:
        """All that was said before Unix time ``reached`` is final."""
        ...

    async def transcript_ended(self, stream_id: str, engine: str) -> None:
        """Nothing more comes for now."""
        ...


@dataclass
class RunningTranscript:
    """One running transcript of a stream."""

    stream_id: str
    stream_name: str
    engine: str
    """The name it is stored under."""
    provider: SpeechProvider
    language: str | None
    blocks: deque[m.AudioTaken] = field(default_factory=deque)
    waiting: int = 0  # bytes
    arrived: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    stopping: bool = False
    ended: anyio.Event = field(default_factory=anyio.Event)
    skipped_s: float = 0.0
    gap: tuple[float, float, str] | None = None
    """Start, end and reason of what was skipped and is not written yet."""
    state: TranscriptState = TranscriptState.RUNNING
    reason: str = ""
    failures: int = 0
    """In a row."""
    heard_at: float = field(default_factory=time.monotonic)
    """When sound came last."""


class _Clock:
    """Which Unix time a position in a session's sound is, also when small holes or drift make the two run apart."""

    def __init__(self) -> None:
        self._fed = 0.0
        self._positions: list[float] = []
        self._offsets: list[float] = []
        self.said = 0.0
        """Unix time of the end of the last final utterance."""

    def fits(self, at: float) -> bool:
        """Whether sound of Unix time ``at`` goes on from what was fed."""
        return not self._offsets or abs(self._offsets[-1] + self._fed - at) <= CUT_S

    def feed(self, at: float, seconds: float) -> None:
        """``seconds`` of sound of Unix time ``at`` are fed."""
        if not self._offsets or abs(self._offsets[-1] + self._fed - at) > 0.02:
            self._positions.append(self._fed)
            self._offsets.append(at - self._fed)
            del self._positions[:-MAX_ANCHORS], self._offsets[:-MAX_ANCHORS]
        self._fed += seconds

    @property
    def reached(self) -> float:
        """Unix time of the end of what was fed."""
        return self._offsets[-1] + self._fed if self._offsets else 0.0

    @property
    def begin(self) -> float:
        """Unix time of the session's first sound."""
        return self._offsets[0] + self._positions[0] if self._offsets else 0.0

    def unix(self, position: float) -> float:
        """Unix seconds of a position in the session's sound."""
        return self._offsets[max(0, bisect_right(self._positions, position) - 1)] + position


class TranscriptRunner:
    """All running transcripts. One per stream and engine."""

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        journal: Journal,
        listener: UtteranceListener,
        on_partial: OnPartial,
        max_lag_s: float,
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._journal = journal
        self._listener = listener
        self._on_partial = on_partial
        self._max_waiting = int(max_lag_s * BYTES_PER_S)
        self._running: dict[tuple[str, str], RunningTranscript] = {}
        self._skipped: dict[str, float] = {}

    def start(self, transcript: RunningTranscript) -> None:
        """Begin; nothing happens when it runs already."""
        key = (transcript.stream_id, transcript.engine)
        if key not in self._running:
            self._running[key] = transcript
            self._tasks.start_soon(self._work, transcript)

    async def stop(self, stream_id: str, engine: str) -> None:
        """End a transcript after what was said so far is final."""
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
        """The running transcripts of a stream."""
        return [transcript for (owner, _), transcript in self._running.items() if owner == stream_id]

    def skipped_s(self, stream_id: str) -> float:
        """Seconds of the stream's sound that no transcript heard, since the engine began."""
        return self._skipped.get(stream_id, 0.0)

    def forget(self, stream_id: str) -> None:
        """The stream was removed."""
        self._skipped.pop(stream_id, None)

    async def audio(self, stream_id: str, block: m.AudioTaken) -> None:
        """Sound arrived."""
        for transcript in self.of_stream(stream_id):
            transcript.heard_at = time.monotonic()
            transcript.blocks.append(block)
            transcript.waiting += len(block.payload)
            transcript.arrived.set()
            while transcript.waiting > self._max_waiting:
                await self._skip(transcript)

    async def _skip(self, transcript: RunningTranscript) -> None:
        """Too far behind live: drop half of what waits, oldest first, as one gap."""
        reason = "transcribing fell behind live" if transcript.state is TranscriptState.RUNNING else transcript.reason
        begin, end = transcript.blocks[0].time, transcript.blocks[0].time
        seconds = 0.0
        while transcript.blocks and transcript.waiting > self._max_waiting // 2:
            block = transcript.blocks.popleft()
            transcript.waiting -= len(block.payload)
            seconds += len(block.payload) / BYTES_PER_S
            end = block.time + len(block.payload) / BYTES_PER_S
        self._count_skipped(transcript, seconds)
        if transcript.gap is not None and begin - transcript.gap[1] <= CUT_S:
            transcript.gap = (transcript.gap[0], end, transcript.gap[2])
        else:
            await self._write_gap(transcript)
            transcript.gap = (begin, end, reason)
        if end - transcript.gap[0] >= MAX_GAP_S:
            await self._write_gap(transcript)

    async def _write_gap(self, transcript: RunningTranscript) -> None:
        gap, transcript.gap = transcript.gap, None
        if gap is not None:
            await self._store(transcript, "gap", gap[0], gap[1], "", {"reason": gap[2]})

    async def _work(self, transcript: RunningTranscript) -> None:
        try:
            with transcript.scope:
                while not transcript.stopping or transcript.blocks:
                    if not await self._sound(transcript):
                        break
                    try:
                        await self._session(transcript)
                        transcript.state, transcript.reason, transcript.failures = TranscriptState.RUNNING, "", 0
                    except ProviderError as exc:
                        await self._failed(transcript, str(exc), exc.retry_after_s or 0.0)
                    except Exception:
                        log.exception("transcript of %s failed", transcript.stream_id)
                        await self._failed(transcript, "Transcribing failed inside the engine; its log has details.")
                await self._write_gap(transcript)
        finally:
            key = (transcript.stream_id, transcript.engine)
            if self._running.get(key) is transcript:  # it may have been started anew while this one ended
                del self._running[key]
            transcript.ended.set()

    async def _failed(self, transcript: RunningTranscript, reason: str, wait_s: float = 0.0) -> None:
        transcript.state, transcript.reason = TranscriptState.ERROR, reason
        pause = min(REOPEN_MAX_S, max(wait_s, REOPEN_S * 2**transcript.failures))
        transcript.failures = min(transcript.failures + 1, 10)
        await self._set_aside(transcript, pause)

    async def _set_aside(self, transcript: RunningTranscript, seconds: float) -> None:
        """After a failure wait; sound goes on being bounded by ``_skip``. A stop is not kept waiting."""
        with anyio.move_on_after(seconds):
            while not transcript.stopping:
                transcript.arrived = anyio.Event()
                await transcript.arrived.wait()
        if transcript.stopping:
            transcript.blocks.clear()
            transcript.waiting = 0

    async def _sound(self, transcript: RunningTranscript) -> bool:
        """Wait for sound; False when the transcript stops and there is none left."""
        while not transcript.blocks:
            if transcript.stopping:
                return False
            transcript.arrived = anyio.Event()
            await transcript.arrived.wait()
        return True

    async def _session(self, transcript: RunningTranscript) -> None:
        """One speech session: from the first block to a cut in the sound or the stop."""
        session = await transcript.provider.open(language=transcript.language)
        clock = _Clock()
        failure: ProviderError | None = None
        try:
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    nonlocal failure
                    try:
                        async for utterance in session.utterances():
                            await self._heard(transcript, clock, utterance)
                    except ProviderError as exc:
                        failure = exc
                        tasks.cancel_scope.cancel()

                tasks.start_soon(read)
                await self._feed(transcript, session, clock)
                with anyio.fail_after(FINISH_TIMEOUT_S):
                    await session.finish()
        except* ProviderError as group:
            failure = group.exceptions[0]  # pyright: ignore[reportAssignmentType]
        finally:
            with anyio.CancelScope(shield=True):
                await session.aclose()
            await self._listener.transcript_ended(transcript.stream_id, transcript.engine)
        if failure is not None:
            self._lose(transcript, clock, str(failure))
            raise failure

    def _lose(self, transcript: RunningTranscript, clock: _Clock, reason: str) -> None:
        """The session broke: what was fed and did not become text was not heard."""
        begin, end = max(clock.begin, clock.said, clock.reached - MAX_LOST_S), clock.reached
        if end > begin:
            self._count_skipped(transcript, end - begin)
            later = transcript.gap
            transcript.gap = (begin, max(end, later[1]) if later else end, reason)

    def _count_skipped(self, transcript: RunningTranscript, seconds: float) -> None:
        transcript.skipped_s += seconds
        self._skipped[transcript.stream_id] = self.skipped_s(transcript.stream_id) + seconds

    async def _feed(self, transcript: RunningTranscript, session: SpeechSession, clock: _Clock) -> None:
        """Give the session its sound until a cut, a pause of the stream, or the stop."""
        while True:
            with anyio.move_on_after(SILENT_S) as silent:
                if not await self._sound(transcript):
                    return
            if silent.cancelled_caught:
                return  # the stream was lost: what was said until then is final now, not when it comes back
            block = transcript.blocks[0]
            if not clock.fits(block.time):
                return
            transcript.blocks.popleft()
            transcript.waiting -= len(block.payload)
            if transcript.gap is not None and transcript.gap[1] <= block.time:
                await self._write_gap(transcript)
            clock.feed(block.time, len(block.payload) / BYTES_PER_S)
            await session.feed(block.payload)
            # Utterances are shorter than this, so what was said before is final.
            await self._listener.clock(transcript.stream_id, transcript.engine, block.time - SETTLED_S)

    async def _heard(self, transcript: RunningTranscript, clock: _Clock, utterance: Utterance) -> None:
        transcript.state, transcript.reason, transcript.failures = TranscriptState.RUNNING, "", 0
        text = clean(utterance.text, MAX_TEXT).strip()
        if not text:
            return
        start, end = clock.unix(utterance.start), clock.unix(utterance.end)
        if not utterance.is_final:
            data = {"text": text, "is_final": False, "start": start, "end": end, "engine": transcript.engine}
            self._on_partial(
                Entry("transcript", data, stream_id=transcript.stream_id, stream_name=transcript.stream_name)
            )
            return
        words = [
            {**word, "start": round(clock.unix(word["start"]), 3), "end": round(clock.unix(word["end"]), 3)}
            for word in utterance.words
        ]
        detail = {
            "confidence": utterance.confidence,
            "low_confidence": utterance.low_confidence,
            "words": words,
            "language": transcript.language,
        }
        clock.said = end
        await self._store(transcript, "speech", start, end, text, detail)

    async def _store(
        self, transcript: RunningTranscript, kind: str, start: float, end: float, text: str, detail: JsonObject
    ) -> None:
        """A final segment or a gap, with its journal entry, in one transaction."""
        values = {
            "stream_id": transcript.stream_id,
            "engine": transcript.engine,
            "start": start,
            "end": end,
            "text": text,
            "kind": kind,
            "detail": detail,
            "created_at": time.time(),
        }
        data = {
            "text": text,
            "is_final": True,
            "start": start,
            "end": end,
            "engine": transcript.engine,
            "kind": kind,
            **{key: detail[key] for key in ("confidence", "low_confidence", "words", "reason") if detail.get(key)},
        }
        entry = Entry("transcript", data, stream_id=transcript.stream_id, stream_name=transcript.stream_name)

        def write(conn: Connection) -> int:
            journal_rows.append(conn, entry)
            return rows.add(conn, **values)

        segment_id = await self._db.write(write)
        self._journal.wake()
        if kind == "speech":
            await self._listener.said(transcript.stream_id, transcript.engine, {**values, "id": segment_id})
