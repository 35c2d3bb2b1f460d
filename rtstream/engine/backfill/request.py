"""Plans backfills: checks a request, finds the missing parts of its range, and forecasts the work."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from rtstream.engine.backfill import gaps as parts
from rtstream.engine.backfill.forecast import ExpectedCalls, Forecasts, PlannedIndex
from rtstream.engine.backfill.gaps import LiveWork, MissingParts
from rtstream.engine.backfill.sample import FootageSamples, SampledWindows
from rtstream.engine.indexes import IndexService, NewIndex
from rtstream.engine.recordings import FootageReader
from rtstream.engine.transcripts import TranscriptService
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import BackfillForecast, CreateIndex
from rtstream.rules.model_cost import is_paid
from rtstream.rules.playlist import describe_nearest
from rtstream.store import gaps as gap_rows
from rtstream.store import indexes as index_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow
from rtstream.store.streams import StreamRow


@dataclass(frozen=True)
class Plan:
    """A checked request: the missing parts of the index and of the transcript, and their forecast.

    ``row`` is an index that exists already.
    """

    stream: StreamRow
    span: tuple[float, float | None]
    forecast: BackfillForecast
    new: NewIndex | None = None
    row: IndexRow | None = None
    windows: MissingParts | None = None
    speech: MissingParts | None = None
    engine: str = ""
    language: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether live analysis follows the range."""
        return self.span[1] is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to do."""
        return all(part is None or part.is_empty for part in (self.windows, self.speech))


class Plans:
    """Plans backfills.

    Args:
        db: The database.
        footage: Knows the recorded ranges.
        indexes: The indexes.
        transcripts: The transcripts.
        forecasts: Forecasts the work.
    """

    def __init__(
        self,
        db: Database,
        footage: FootageReader,
        indexes: IndexService,
        transcripts: TranscriptService,
        forecasts: Forecasts,
    ) -> None:
        self._db = db
        self._footage = footage
        self._indexes = indexes
        self._transcripts = transcripts
        self._forecasts = forecasts
        self._samples = FootageSamples(footage)

    async def _span(self, stream: StreamRow, span: tuple[float, float | None]) -> tuple[float, float | None]:
        """Return a checked range, without an end if that is the present."""
        start, end = span
        now = time.time()
        if not stream.store:
            raise InvalidRequest("This stream is not recorded, so its past cannot be analysed.")
        if not all(math.isfinite(each) for each in (start, end if end is not None else now)):
            raise InvalidRequest("start and end must be Unix timestamps in seconds.")
        if start > now:
            raise InvalidRequest("start is in the future. Without start, analysis begins now.")
        if end is not None and end <= start:
            raise InvalidRequest("The end of the range is not after its start. Swap them.")
        return start, end

    async def of_index(self, stream_id: str, request: CreateIndex, span: tuple[float, float | None]) -> Plan:
        """Return the plan for a range of an index. Raises InvalidRequest, NotFound."""
        new = await self._indexes.prepare(stream_id, request)
        span = await self._span(new.stream, span)
        kind, config = new.values["extraction_type"], new.values["extraction_config"]
        engine = self._transcripts.engine(None) if kind == "transcript" else ""
        model = self._indexes.model_named(kind, request.model_name)

        def query(conn: Connection) -> tuple[Plan, ExpectedCalls]:
            row = index_rows.find_same(conn, stream_id, new.values)
            planned = PlannedIndex(new.stream, row, kind, config, str(new.values["prompt"] or ""), model)
            index_id = row.id if row is not None else ""
            live = self._live_of_index(conn, row, wanted=span[1] is None)
            if kind == "time":
                found = parts.missing_pictures(
                    conn, self._footage, stream_id, index_id, float(config["time"]), span, live
                )
                calls = self._forecasts.of_pictures(conn, planned, found.windows)
                forecast = _forecast(span, found, windows=found.windows, known=found.known)
                return Plan(new.stream, span, forecast, new, row, found), calls
            found = parts.missing_summaries(conn, self._footage, stream_id, index_id, span, live)
            speech = self._missing_speech(conn, stream_id, engine, span)
            open_part = [] if found.open_from is None else [(found.open_from, found.now)]
            calls = self._forecasts.of_summaries(conn, planned, engine, [*found.ranges, *open_part], speech.seconds)
            forecast = _forecast(span, found, windows=calls.calls, audio_s=speech.seconds)
            return Plan(new.stream, span, forecast, new, row, found, speech, engine), calls

        plan, calls = await self._db.read(query)
        if kind == "time":
            calls = await self._without_unchanged(plan, model, calls)
        return await self._shown(plan, model, calls)

    async def _without_unchanged(self, plan: Plan, model: str, calls: ExpectedCalls) -> ExpectedCalls:
        """Return the calls of a paid model without those of windows that show nothing new."""
        new, windows = plan.new, plan.windows
        if new is None or windows is None or not windows.windows or not is_paid(model):
            return calls
        if new.values["model_config"].get("skip_unchanged") is False:
            return calls
        config, stream = new.values["extraction_config"], new.stream
        frames = self._forecasts.frames(stream, config)
        wanted = SampledWindows(stream.id, float(config["time"]), frames, self._forecasts.max_side)
        return calls.share(await self._samples.changed_share(wanted, windows))

    async def of_transcript(
        self, stream_id: str, engine: str | None, language: str | None, span: tuple[float, float | None]
    ) -> Plan:
        """Return the plan for a range of a transcript. Raises InvalidRequest, NotFound."""
        stream = await self._db.read(stream_rows.get, stream_id)
        name, language = self._transcripts.checked(stream, engine, language)
        span = await self._span(stream, span)

        def query(conn: Connection) -> Plan:
            speech = self._missing_speech(conn, stream_id, name, span)
            forecast = _forecast(span, speech, audio_s=speech.seconds)
            return Plan(stream, span, forecast, speech=speech, engine=name, language=language)

        return await self._shown(await self._db.read(query), "", None)

    async def _shown(self, plan: Plan, model: str, calls: ExpectedCalls | None) -> Plan:
        """Return a plan with its forecast. Raises NotFound if nothing is recorded in the range."""
        if not plan.forecast.recorded_s and not plan.is_live:
            start, end = plan.span[0], plan.span[1] or time.time()
            near = await self._db.read(recording_rows.ranges, plan.stream.id, 3, (start + end) / 2)
            raise NotFound(describe_nearest(near, start, end, storing=plan.stream.store))
        billed_s = await self._billed_s(plan.stream.id, plan.engine, plan.speech) if plan.speech is not None else 0.0
        forecast = await self._forecasts.shown(plan.forecast, model, calls, plan.engine, billed_s)
        return replace(plan, forecast=forecast)

    async def _billed_s(self, stream_id: str, engine: str, speech: MissingParts) -> float:
        """Return the seconds of audio that a paid speech engine bills, from some samples if too little was heard."""
        if not is_paid(engine) or not speech.seconds:
            return 0.0
        share = await self._db.read(self._forecasts.billed_share, stream_id, engine)
        if share is None:
            share = await self._samples.speech_share(stream_id, speech)
        return speech.seconds * share

    def _missing_speech(
        self, conn: Connection, stream_id: str, engine: str, span: tuple[float, float | None]
    ) -> MissingParts:
        running = self._transcripts.find_running(stream_id, engine)
        gap = gap_rows.open_gap(conn, stream_id, None, engine)
        live = LiveWork(
            wanted=span[1] is None,
            begins=None if running is None else running.live_from,
            gap_start=None if gap is None else gap.start,
        )
        return parts.missing_speech(conn, self._footage, stream_id, engine, span, live)

    def _live_of_index(self, conn: Connection, row: IndexRow | None, *, wanted: bool) -> LiveWork:
        if row is None:
            return LiveWork(wanted)
        running = self._indexes.find_running(row)
        gap = gap_rows.open_gap(conn, row.stream_id, row.id)
        return LiveWork(wanted, None if running is None else running.live_from, None if gap is None else gap.start)


def _forecast(
    span: tuple[float, float | None], found: MissingParts, *, windows: int = 0, known: int = 0, audio_s: float = 0.0
) -> BackfillForecast:
    recorded = sum(end - start for start, end in found.recorded)
    return BackfillForecast(
        start=span[0],
        end=span[1],
        recorded_s=round(recorded, 1),
        windows=windows,
        windows_known=known,
        audio_s=round(audio_s, 1),
    )
