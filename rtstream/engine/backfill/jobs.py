"""The jobs of backfills, which follow the analysis of their gaps, report it, and end it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
from sqlalchemy import Connection

from rtstream.engine.backfill import progress
from rtstream.engine.backfill.forecast import Forecasts
from rtstream.engine.indexes import IndexService, persist
from rtstream.engine.jobs import BackfillStates, Job, Jobs, JobSubject
from rtstream.engine.transcripts import TranscriptService
from rtstream.errors import DatabaseUnavailable, NotFound, RTStreamError, Unavailable
from rtstream.models import BackfillReport
from rtstream.rules.model_cost import is_paid
from rtstream.states import JobKind, JobState, SkipReason
from rtstream.store import backfills as rows
from rtstream.store import indexes as index_rows
from rtstream.store.backfills import BackfillRow
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow
from rtstream.store.indexes import IndexRow
from rtstream.store.streams import StreamRow

POLL_S = 0.5
"""Interval in seconds at which a job looks for progress."""


@dataclass(frozen=True)
class _Found:
    """The stored parts of a backfill. ``failure`` is the reason for which its last window failed."""

    gaps: Sequence[GapRow] = ()
    index: IndexRow | None = None
    failure: str = ""


class _Ended(Unavailable):
    """A backfill ended before its work was done. The rest counts as skipped for ``reason``."""

    def __init__(self, message: str, reason: SkipReason) -> None:
        super().__init__(message)
        self.reason = reason


class BackfillJobs:
    """The backfills that are under way.

    Args:
        db: The database.
        jobs: Runs the jobs.
        indexes: The indexes.
        transcripts: The transcripts.
        forecasts: Knows prices.
        states: Obstacles of backfills.
    """

    def __init__(
        self,
        db: Database,
        jobs: Jobs,
        indexes: IndexService,
        transcripts: TranscriptService,
        forecasts: Forecasts,
        states: BackfillStates,
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._indexes = indexes
        self._transcripts = transcripts
        self._forecasts = forecasts
        self._states = states
        self._under_way: dict[str, BackfillRow] = {}

    def begin(self, row: BackfillRow, stream: StreamRow) -> None:
        """Start the job of a stored backfill. Raises Conflict."""
        subject = JobSubject(JobKind.BACKFILL, stream.name, stream.id)
        self._jobs.start(lambda job: self._follow(job, row, stream), subject, job_id=row.id)
        self._under_way[row.id] = row

    async def _follow(self, job: Job, row: BackfillRow, stream: StreamRow) -> str:
        """Follow a backfill until all its gaps are analysed. Returns the id of the index or the stream."""
        try:
            while True:
                if await self._look(job, row, stream):
                    break
                await anyio.sleep(POLL_S)
            await persist(self._db, lambda conn: rows.end(conn, row.id))
            self._close(row)
            return row.index_id or row.stream_id
        except anyio.get_cancelled_exc_class():
            if job.cancel_requested:  # otherwise, the engine ends, and the next one continues
                with anyio.CancelScope(shield=True):
                    await self._give_up(job, row, SkipReason.CANCELLED)
            raise
        except _Ended as exc:
            await self._give_up(job, row, exc.reason)
            raise
        except RTStreamError:
            await self._give_up(job, row, SkipReason.STOPPED)
            raise

    async def _look(self, job: Job, row: BackfillRow, stream: StreamRow) -> bool:
        """Report how far a backfill is. Returns whether it is done; False while the database is unavailable."""
        try:
            current, found = await self._read(row)
            self._ensure(current, found.index, stream)
            await self._report(job, current, found)
        except DatabaseUnavailable:
            return False
        if progress.is_done(found.gaps):
            return True
        if job.state is JobState.QUEUED and progress.has_begun(current, found.gaps):
            job.begin()
        job.progress(progress.percentage(current, found.gaps))
        self._check(current, job)
        return False

    async def _read(self, row: BackfillRow) -> tuple[BackfillRow, _Found]:
        def query(conn: Connection) -> tuple[BackfillRow | None, _Found]:
            current = rows.get(conn, row.id)
            if current is None:
                return None, _Found()
            index = None if row.index_id is None else index_rows.get(conn, row.index_id)
            failure = rows.last_failure(conn, row.id) if current.counters.get("failed") else ""
            return current, _Found(rows.gaps_of(conn, row.id), index, failure)

        current, found = await self._db.read(query)
        if current is None:
            raise NotFound("The stream or the index of this backfill was deleted.")
        return current, found

    async def _patiently(self, row: BackfillRow) -> tuple[BackfillRow, _Found]:
        while True:
            try:
                return await self._read(row)
            except DatabaseUnavailable:
                await anyio.sleep(POLL_S)

    def _ensure(self, row: BackfillRow, index: IndexRow | None, stream: StreamRow) -> None:
        """Let the past be analysed where nothing runs live. Raises InvalidRequest if the model cannot be used."""
        if index is not None and self._indexes.find_running(index) is None:
            self._indexes.open_past(index, stream)
        if row.engine and self._transcripts.find_running(row.stream_id, row.engine) is None:
            self._transcripts.open_past(stream, row.engine, row.language)

    def _close(self, row: BackfillRow) -> None:
        """End ``_ensure``, except for what other backfills need."""
        self._states.forget(row.id)
        self._under_way.pop(row.id, None)
        others = self._under_way.values()
        if row.index_id is not None and not any(other.index_id == row.index_id for other in others):
            self._indexes.close_past(row.index_id)
        owner = row.stream_id, row.engine
        if row.engine and not any((other.stream_id, other.engine) == owner for other in others):
            self._transcripts.close_past(*owner)

    async def _report(self, job: Job, row: BackfillRow, found: _Found) -> None:
        pause = self._states.pauses.get(row.id)
        note = pause[0] if pause is not None and self._states.holds(row.id) else ""
        report = progress.reported(row, found.gaps, found.failure, note)
        report.cost = await self._cost(report, found.index)
        job.backfill = report

    async def _cost(self, report: BackfillReport, index: IndexRow | None) -> float | None:
        """Return the cost of a backfill so far, or None if a price is not known."""
        model = "" if index is None else self._indexes.model_of(index)
        cost = 0.0
        if is_paid(model):
            price = await self._forecasts.price(model)
            if price is None:
                return None
            cost += price.of(report.tokens_in, report.tokens_out)
        if report.engine and is_paid(report.engine):
            price = await self._forecasts.price(report.engine)
            if price is None or not price.hour:
                return None
            share = await self._db.read(self._forecasts.billed_share, report.rtstream_id, report.engine)
            cost += price.of(audio_s=report.transcribed_s * (1.0 if share is None else share))
        return round(cost, 6)

    def _check(self, row: BackfillRow, job: Job) -> None:
        """Raise an error if a backfill cannot or must not continue."""
        failure = self._states.failures.get(row.id)
        if failure is not None:
            raise _Ended(f"The model failed again and again: {failure}", SkipReason.MODEL_FAILED)
        cost = job.backfill.cost if job.backfill is not None else None
        if row.most_cost is not None and cost is not None and cost > row.most_cost:
            raise _Ended(
                f"It has cost {cost:.2g} US dollars, more than was expected. Repeat the request for the rest.",
                SkipReason.BUDGET_SPENT,
            )

    async def _give_up(self, job: Job, row: BackfillRow, reason: SkipReason) -> None:
        """Count the rest of a backfill as skipped, and end it, however long the database is unavailable."""
        try:
            _, found = await self._patiently(row)
            if found.index is not None:
                await self._indexes.drop_requested(found.index, row.id, reason)
            lost = {f"{progress.LEFT_S}{reason}": progress.left_s(found.gaps, speech=True)}
            await persist(self._db, lambda conn: rows.count(conn, row.id, **lost))
            await persist(self._db, lambda conn: rows.remove_gaps(conn, row.id))
            current, found = await self._patiently(row)
            with suppress(DatabaseUnavailable):  # the report of the last look remains
                await self._report(job, current, found)
            await persist(self._db, lambda conn: rows.end(conn, row.id))
        except NotFound:
            pass  # it was deleted with its stream or index
        self._close(row)

    async def cancel(self, backfill_id: str) -> None:
        """Cancel a backfill, and wait until it has ended."""
        await self._jobs.cancel(backfill_id)

    def list(self, stream_id: str) -> list[BackfillRow]:
        """Return the backfills of a stream that are under way, oldest first."""
        return [row for row in self._under_way.values() if row.stream_id == stream_id]

    async def index_stops(self, index_id: str) -> None:
        """Cancel the backfills of an index that is stopped."""
        for row in list(self._under_way.values()):
            if row.index_id == index_id:
                await self.cancel(row.id)

    async def transcript_stops(self, stream_id: str, engine: str) -> None:
        """Cancel the backfills of a transcript that is stopped."""
        for row in list(self._under_way.values()):
            if row.index_id is None and (row.stream_id, row.engine) == (stream_id, engine):
                await self.cancel(row.id)
