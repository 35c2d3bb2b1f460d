"""Starts, continues and cancels backfills: the analysis of recorded footage that a user asked for.

The gaps of a backfill are stored in one transaction with it. The services of gaps analyse them, and the job of the
backfill follows their progress, so that a backfill continues in the next engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import anyio
from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.backfill import gaps as parts
from rtstream.engine.backfill import progress
from rtstream.engine.backfill.forecast import Forecasts
from rtstream.engine.backfill.jobs import BackfillJobs
from rtstream.engine.backfill.request import Plan, Plans
from rtstream.engine.indexes import IndexService, NewIndex
from rtstream.engine.jobs import BackfillStates, Jobs
from rtstream.engine.recordings import FootageReader
from rtstream.engine.subscriptions import Subscriptions
from rtstream.engine.transcripts import TranscriptService
from rtstream.errors import ConfirmationNeeded, Conflict, InvalidRequest, RTStreamError
from rtstream.models import (
    Backfill,
    BackfillForecast,
    CreateIndex,
    ForecastRequest,
    PaidPart,
    SceneIndex,
    TranscriptStatus,
)
from rtstream.perception.prices import Prices
from rtstream.rules.model_cost import is_paid
from rtstream.store import backfills as rows
from rtstream.store import indexes as index_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow

log = logging.getLogger(__name__)

MARGIN = 1.2
"""Share of the expected cost at which a backfill ends, so that it costs hardly more than the user agreed to."""
ONLY_PAST = "It analyses a range of the past only."


class BackfillService:
    """The backfills of the engine.

    Args:
        db: The database.
        jobs: Runs the jobs.
        footage: Knows the recorded ranges.
        indexes: The indexes.
        transcripts: The transcripts.
        subscriptions: Connects results to WebSocket connections.
        prices: The prices of models.
        max_side: Longest side of the analysed pictures in pixels.
        states: Obstacles of backfills.
    """

    def __init__(
        self,
        db: Database,
        jobs: Jobs,
        footage: FootageReader,
        indexes: IndexService,
        transcripts: TranscriptService,
        subscriptions: Subscriptions,
        prices: Prices,
        max_side: int,
        states: BackfillStates,
    ) -> None:
        self._db = db
        self._indexes = indexes
        self._transcripts = transcripts
        self._subscriptions = subscriptions
        forecasts = Forecasts(prices, indexes.model_of, max_side)
        self._plans = Plans(db, footage, indexes, transcripts, forecasts)
        self._jobs = BackfillJobs(db, jobs, indexes, transcripts, forecasts, states)
        self._lock = anyio.Lock()
        indexes.before_stop(self._jobs.index_stops)
        transcripts.before_stop(self._jobs.transcript_stops)

    async def resume(self) -> None:
        """Continue the backfills that the end of the engine interrupted."""
        for row in await self._db.read(rows.all_backfills):
            try:
                self._jobs.begin(row, await self._db.read(stream_rows.get, row.stream_id))
            except RTStreamError as exc:
                log.warning("backfill %s does not continue: %s", row.id, exc.message)

    async def forecast(self, stream_id: str, request: ForecastRequest) -> BackfillForecast:
        """Return the expected work of a backfill, and its cost. Raises as the request itself would."""
        if request.index is None:
            plan = await self._plans.of_transcript(
                stream_id, request.engine, request.language, (request.start, request.end)
            )
        else:
            plan = await self._plans.of_index(stream_id, request.index, (request.start, request.end))
        return plan.forecast

    async def create_index(self, stream_id: str, request: CreateIndex) -> SceneIndex:
        """Analyse a range of the past, and without an end also what follows it.

        An index with the same properties is continued, so that no window is analysed twice.

        Raises:
            ConfirmationNeeded: A paid model is called, and ``confirm`` is not set.
            InvalidRequest: The request is invalid, or the stream is not recorded.
            NotFound: There is no such stream, or nothing is recorded in the range.
        """
        if request.start is None:
            raise InvalidRequest("A range of the past needs a start. Pass start as well.")
        async with self._lock:  # two equal requests at the same time are one
            plan = await self._plans.of_index(stream_id, request, (request.start, request.end))
            self._check_cost(plan, confirmed=bool(request.confirm))
            assert plan.new is not None
            backfill_id = ids.job_id()
            row = await self._add_range(plan, plan.new, backfill_id)
            await self._subscriptions.bind(request.ws_connection_id, "index", row.id)
            job_id = await self._started(plan, backfill_id)
        index = await self._indexes.get(stream_id, row.id)
        return index.model_copy(update={"backfill": Backfill(job_id=job_id, forecast=plan.forecast)})

    async def transcribe(
        self,
        stream_id: str,
        engine: str | None,
        span: tuple[float, float | None],
        *,
        language: str | None = None,
        vocabulary: Sequence[str] | None = None,
        ws_connection_id: str | None = None,
        confirm: bool = False,
    ) -> TranscriptStatus:
        """Transcribe a range of the past, and without an end also what follows it. Raises as ``create_index`` does."""
        async with self._lock:
            plan = await self._plans.of_transcript(stream_id, engine, language, span)
            self._check_cost(plan, confirmed=confirm)
            self._subscriptions.check(ws_connection_id)
            await self._transcripts.set_vocabulary(stream_id, vocabulary)
            backfill_id = ids.job_id()
            await self._db.write(self._store, plan, backfill_id, None)
            self._join_speech(plan)
            if plan.is_live:
                await self._transcripts.start(stream_id, plan.engine, language=plan.language)
            await self._subscriptions.bind(ws_connection_id, "transcript", stream_id)
            job_id = await self._started(plan, backfill_id)
        status = await self._transcripts.status(stream_id, plan.engine)
        return status.model_copy(update={"backfill": Backfill(job_id=job_id, forecast=plan.forecast)})

    @staticmethod
    def _check_cost(plan: Plan, *, confirmed: bool) -> None:
        if plan.forecast.paid and not confirmed:
            raise ConfirmationNeeded(
                f"{plan.forecast.text} Nothing was started. Ask the user, and repeat the request with confirm=true."
            )

    async def _add_range(self, plan: Plan, new: NewIndex, backfill_id: str) -> IndexRow:
        """Store a range of a new index or of one that exists, and start the index if live analysis is to follow."""
        if plan.row is None:
            row = await self._indexes.add(
                new,
                running=plan.is_live,
                reason="" if plan.is_live else ONLY_PAST,
                within=lambda conn, row: self._store(conn, plan, backfill_id, row),
            )
            self._join_speech(plan)
            if plan.is_live:
                await self._indexes.run(row, plan.stream, resuming=True)
            return row
        await self._db.write(self._store, plan, backfill_id, plan.row)
        self._join_speech(plan)
        if plan.is_live and self._indexes.find_running(plan.row) is None:
            await self._indexes.start(plan.stream.id, plan.row.id, resuming=True)
        elif plan.windows is not None and plan.windows.open_from is not None:
            self._indexes.join_live(plan.row)
        return plan.row

    def _join_speech(self, plan: Plan) -> None:
        """End an open part of the speech where a transcript begins that already runs."""
        running = self._transcripts.find_running(plan.stream.id, plan.engine)
        if running is not None and plan.speech is not None and plan.speech.open_from is not None:
            self._transcripts.join_live(running)

    @staticmethod
    def _store(conn: Connection, plan: Plan, backfill_id: str, row: IndexRow | None) -> None:
        """Store a backfill with its gaps, unless nothing is left to do."""
        if plan.is_empty:
            return
        index_id = None if row is None else row.id
        forecast = plan.forecast
        asked = (plan.span[1] or time.time()) - plan.span[0]
        counters = {
            "known": forecast.windows_known,
            "not_recorded_s": max(0.0, asked - forecast.recorded_s),
            progress.SPEECH_S: 0.0 if plan.speech is None else plan.speech.span_s,
            progress.SPAN_S: 0.0 if plan.windows is None else plan.windows.span_s,
            "gaps": sum(0 if part is None else part.count for part in (plan.speech, plan.windows)),
        }
        rows.insert(
            conn,
            id=backfill_id,
            stream_id=plan.stream.id,
            index_id=index_id,
            engine=plan.engine,
            language=plan.language,
            start=plan.span[0],
            end=plan.span[1],
            counters=counters,
            most_cost=forecast.cost * MARGIN if forecast.paid and forecast.cost else None,
            created_at=time.time(),
        )
        if plan.speech is not None:
            parts.store(conn, plan.speech, backfill_id, plan.stream.id, None, plan.engine)
        if plan.windows is not None:
            parts.store(conn, plan.windows, backfill_id, plan.stream.id, index_id)

    async def _started(self, plan: Plan, backfill_id: str) -> str | None:
        """Start the job of a stored backfill. Returns its id, or None if nothing is left to do."""
        row = await self._db.read(rows.get, backfill_id)
        if row is None:
            return None
        try:
            self._jobs.begin(row, plan.stream)
        except Conflict:
            await self._db.write(rows.end, backfill_id)
            raise
        return row.id

    async def list_paid(self, stream_id: str) -> list[PaidPart]:
        """Return the backfills of a stream that call a paid model."""
        found: list[PaidPart] = []
        for row in self._jobs.list(stream_id):
            model = (
                ""
                if row.index_id is None
                else self._indexes.model_of(await self._db.read(index_rows.get, row.index_id))
            )
            paid = [name for name in (model, row.engine) if is_paid(name)]
            if paid:
                index_id = row.index_id or ""
                found.append(PaidPart(kind="backfill", id=row.id, rtstream_index_id=index_id, model=paid[0]))
        return found

    async def cancel(self, backfill_id: str) -> None:
        """Cancel a backfill, and wait until it has ended."""
        await self._jobs.cancel(backfill_id)
