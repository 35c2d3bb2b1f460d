"""Summarises the speech of gaps of audio indexes, one batch at a time, once it is transcribed.

A batch belongs to a gap if its words are in no scene of the index. A restart therefore continues where the last engine
was, and a batch that was complete before the engine ended is not there twice.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import replace

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.indexes.audio import AudioIndexes, RunningAudioIndex, job_of
from rtstream.engine.indexes.gaps import GapLog, persist
from rtstream.engine.indexes.runner import IndexRunner, skipped
from rtstream.engine.jobs import MOST_FAILURES, BackfillStates
from rtstream.engine.model_calls import Capped
from rtstream.errors import DatabaseUnavailable
from rtstream.rules.batches import Batch, Batches, uncovered, words_of
from rtstream.rules.gaps import MAX_AGE_S, in_turn, too_many
from rtstream.rules.playlist import Range
from rtstream.states import SkipReason
from rtstream.store import backfills as backfill_rows
from rtstream.store import gaps as rows
from rtstream.store import indexes as index_rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow

log = logging.getLogger(__name__)

POLL_S = 1.0
TURN_S = 0.05
RETRY_S = 2.0
PATIENCE_S = 30.0
"""Seconds after a start at which a gap ends even if no transcript waits for live audio."""
SETTLED_S = 20.0
"""Seconds after which all speech is in the transcript, because sentences are shorter."""
STRETCH_S = 1200.0
"""Part of a gap whose words are read at once, in seconds, besides the length of a batch."""


class AudioBackfill:
    """Analyses the gaps of audio indexes.

    Args:
        db: The database.
        gaps: Announces gaps.
        audio: The running audio indexes.
        runner: Looks at batches.
        states: Obstacles of backfills.
    """

    def __init__(
        self, db: Database, gaps: GapLog, audio: AudioIndexes, runner: IndexRunner, states: BackfillStates
    ) -> None:
        self._db = db
        self._gaps = gaps
        self._audio = audio
        self._runner = runner
        self._states = states
        self._past: tuple[int, RunningAudioIndex, RunningAudioIndex] | None = None
        self._began = time.monotonic()

    async def run(self) -> None:
        """Analyse gaps until cancelled."""
        while True:
            pause_s = POLL_S
            try:
                gap = None if self._gaps.writing or self._audio.idle else await self._next()
                if gap is not None:
                    await self._analyse(gap)
                    continue
            except DatabaseUnavailable:
                pause_s = RETRY_S
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "a gap of an audio index could not be analysed", exc)
                pause_s = RETRY_S
            await anyio.sleep(pause_s)

    async def drop(self, index_id: str) -> None:
        """Count the batches in the engine's gaps of an index that is stopped as skipped."""
        index = self._audio.get(index_id)
        for gap in await self._db.read(rows.of_index, index_id):
            if not gap.requested:
                await self._give_up(index, gap, SkipReason.STOPPED)

    async def drop_requested(self, index_id: str, backfill_id: str, reason: SkipReason) -> None:
        """Count the batches that are left of a backfill as skipped, as far as their speech is transcribed."""
        index = self._audio.find(index_id)
        for gap in await self._db.read(backfill_rows.gaps_of, backfill_id):
            if gap.index_id == index_id and not gap.analysed:
                await self._give_up(index, gap, reason)

    async def _next(self) -> GapRow | None:
        """Return the next gap whose speech is transcribed. Ends open gaps and gives up those beyond the limits."""
        pending, ready = await self._db.read(self._pending)
        for gap in pending:
            if gap.end is None and gap in ready:
                self._end_waiting(gap)
        by_index: dict[str, list[GapRow]] = {}
        own = [gap for gap in pending if not gap.requested]
        for gap in own:
            by_index.setdefault(gap.index_id or "", []).append(gap)
        excess = [gap for gaps in by_index.values() for gap in too_many(gaps)]
        old = [gap for gap in own if gap.end is not None and gap.end < time.time() - MAX_AGE_S]
        for gap in (*excess, *(gap for gap in old if gap not in excess)):
            reason = SkipReason.TOO_MANY if gap in excess else SkipReason.TOO_OLD
            await self._give_up(self._audio.get(gap.index_id or ""), gap, reason)
        left = [gap for gap in ready if gap not in excess and gap not in old]
        return next((gap for gap in in_turn(left) if not self._states.holds(gap.backfill_id)), None)

    def _end_waiting(self, gap: GapRow) -> None:
        """End a gap before live speech, if none has been heard since the engine or the index started."""
        index = self._audio.get(gap.index_id or "")
        if index is not None and index.resuming:
            if time.monotonic() - index.since > PATIENCE_S:
                self._audio.resume_at(index, time.time() - SETTLED_S)
        elif time.monotonic() - self._began > PATIENCE_S:
            self._gaps.end(gap.stream_id, gap.index_id or "", time.time())

    def _index_of(self, gap: GapRow) -> RunningAudioIndex | None:
        return (self._audio.find if gap.requested else self._audio.get)(gap.index_id or "")

    def _pending(self, conn: Connection) -> tuple[list[GapRow], list[GapRow]]:
        """Return the gaps of running audio indexes and backfills, and those for which no transcript is to come."""
        pending = [gap for gap in rows.to_analyse(conn) if self._index_of(gap) is not None]
        return pending, [gap for gap in pending if not self._speech_waits(conn, gap)]

    def _speech_waits(self, conn: Connection, gap: GapRow) -> bool:
        index = self._index_of(gap)
        waiting = rows.of_transcript(conn, gap.stream_id, index.engine) if index else []
        return any(
            (gap.end is None or one.start < gap.end) and (one.end is None or one.end > gap.start) for one in waiting
        )

    async def _analyse(self, gap: GapRow) -> None:
        """Look at the first batch of a gap, or end the gap if there is none."""
        index = self._index_of(gap)
        assert gap.end is not None
        if index is None:
            return
        until = gap.reached + STRETCH_S + (2 * index.value if index.segmenter == "time" else 0.0)
        batches = await self._db.read(self._batches, index, gap, min(gap.end, until))
        if until < gap.end and len(batches) < 2:  # the last one may continue behind the stretch
            batches = await self._db.read(self._batches, index, gap, gap.end)
        if not batches:
            await persist(self._db, lambda conn: rows.finish(conn, gap.id, until=gap.end))
            self._runner.announce_gap()
            return
        await self._turn()
        if self._index_of(gap) is not index:
            return
        past = self._past_of(index, gap)
        try:
            store = await self._runner.look_back(past, job_of(past, batches[0]), gap)
        except Capped as exc:
            if gap.backfill_id is not None:
                self._states.wait_for_cap(gap.backfill_id, str(exc), exc.until)
                return
            # This batch is counted.
            await persist(self._db, lambda conn: rows.reach(conn, gap.id, batches[0].end))
            await self._give_up(index, gap, SkipReason.BUDGET_SPENT, done=1)
            return
        await persist(self._db, store)
        self._runner.announce_gap()
        if gap.backfill_id is not None and past.failures >= MOST_FAILURES:
            self._states.failures[gap.backfill_id] = past.failure

    def _past_of(self, index: RunningAudioIndex, gap: GapRow) -> RunningAudioIndex:
        """Return a copy of an index that summarises a gap, with a state of its own."""
        if self._past is None or self._past[0] != gap.id or self._past[1] is not index:
            self._past = gap.id, index, replace(index, waiting=deque(), uncounted={}, counting=False)
        return self._past[2]

    async def _give_up(self, index: RunningAudioIndex | None, gap: GapRow, reason: SkipReason, done: int = 0) -> None:
        """Skip the rest of a gap. Its first ``done`` batches are counted already."""

        def write(conn: Connection) -> None:
            end = time.time() if gap.end is None else gap.end
            left = max(0, len(self._batches(conn, index, gap, end)) - done) if index is not None else 0
            index_rows.count(conn, gap.index_id or "", **skipped(left, reason))
            backfill_rows.count(conn, gap.backfill_id, **skipped(left, reason))
            rows.remove(conn, [gap.id])

        await persist(self._db, write)

    @staticmethod
    def _batches(conn: Connection, index: RunningAudioIndex, gap: GapRow, end: float) -> list[Batch]:
        """Return the batches of a gap before ``end`` that are still to be looked at, oldest first."""
        said = transcript_rows.speech_between(conn, gap.stream_id, index.engine, gap.reached, end)
        words = [word for one in said for word in words_of(one.text, one.start, one.end, one.detail.get("words") or ())]
        within = [word for word in words if gap.reached <= (word.start + word.end) / 2 < end]
        found: list[Batch] = []
        for run in uncovered(within, _summarised(conn, index.id, gap, end)):
            batches = Batches(index.segmenter, index.value, whole_sentences=True)
            found += [*batches.add(run), *batches.flush()]
        return found

    async def _turn(self) -> None:
        """Wait until no live window needs a model."""
        while any(index.waiting or index.working for index in self._runner.running if not index.paused):  # noqa: ASYNC110
            await anyio.sleep(TURN_S)


def _summarised(conn: Connection, index_id: str, gap: GapRow, end: float) -> list[Range]:
    """Return the ranges of a gap that have scenes. In a backfill, batches whose summary failed are tried again."""
    return rows.scene_ranges(conn, index_id, gap.reached, end, gap.after_scene, failed=not gap.requested)
