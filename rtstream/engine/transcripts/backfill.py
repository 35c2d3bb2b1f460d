"""Transcribes the gaps of transcripts from the recorded audio, one at a time, while live audio does not wait.

The speech before an interruption is stored up to its last sentence, so a gap begins there and no sentence is lost or
transcribed twice. The newest gap of the engine is first, then those of backfills in the order of their requests. A gap
of the engine interrupts a backfill.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Protocol

import anyio
from sqlalchemy import Connection

from rtstream import messages as m
from rtstream.concurrency import first_error, log_failure
from rtstream.engine.jobs import BackfillStates
from rtstream.engine.recordings import FootageReader
from rtstream.engine.transcripts.runner import BYTES_PER_S, REOPEN_MAX_S, TranscriptRunner
from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.errors import RTStreamError
from rtstream.extract.footage import AudioBlock
from rtstream.perception.protocols import ProviderError
from rtstream.rules.gaps import MAX_AGE_S, in_turn, too_many
from rtstream.rules.speech_clock import CUT_S
from rtstream.states import GapReason, SkipReason, TranscriptState
from rtstream.store import backfills as backfill_rows
from rtstream.store import gaps as rows
from rtstream.store import speech_ranges
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow

log = logging.getLogger(__name__)

POLL_S = 2.0
READ_S = 20.0
"""Audio that is decoded at once, in seconds."""
AHEAD_S = 10.0
"""Audio that waits for the recogniser, in seconds."""
SPEED = 8.0
"""Seconds of audio that are transcribed per second at most. The rest of the time belongs to live audio."""
FASTEST = 100.0
"""The same while no stream is transcribed live."""
BEHIND_S = 1.5
"""A gap waits while more live audio than this waits, in seconds."""
ATTEMPTS = 3
SKIPPED = (GapReason.OVERLOADED, GapReason.READER_UNAVAILABLE)
"""Reasons of gaps whose audio arrived live."""
PATIENCE_S = 30.0
"""Seconds after a start at which a gap ends even if the stream has not sent audio."""
TOO_MANY = "too many parts wait to be transcribed"
TOO_OLD = "the recording was older than a day before there was time to transcribe it"
NOT_RECORDED = "transcription fell behind live, and this part is not in the recording"


class GapListener(Protocol):
    """Consumer of gaps that are transcribed."""

    def evaluate(self, conn: Connection, gap: GapRow) -> bool:
        """Handle a gap in the transaction that removes it, which may be tried again. Returns whether it stays."""
        ...

    def announce(self) -> None:
        """Announce the results of the last call of ``evaluate``, which are stored."""
        ...


@dataclass
class _Work:
    """The transcription of a gap. It is ``interrupted`` if it continues later from where it has come."""

    past: RunningTranscript
    gap: GapRow
    interrupted: bool = False


class TranscriptBackfill:
    """Transcribes gaps.

    Args:
        db: The database.
        footage: Reads recorded audio.
        runner: Runs the live transcripts, and the sessions for gaps.
        listener: Consumer of gaps that are transcribed.
        states: Obstacles of backfills.
    """

    def __init__(
        self,
        db: Database,
        footage: FootageReader,
        runner: TranscriptRunner,
        listener: GapListener,
        states: BackfillStates,
    ) -> None:
        self._db = db
        self._footage = footage
        self._runner = runner
        self._listener = listener
        self._states = states
        self._failures: dict[int, int] = {}
        self._next_try: dict[int, float] = {}  # monotonic, while the engine fails

    async def run(self) -> None:
        """Transcribe gaps until cancelled."""
        while True:
            try:
                if not self._runner.writing and not self._runner.idle:
                    gap, pending = await self._db.read(self._next)
                    self._end_waiting(pending)
                    for one in self._excess(pending):
                        await self._give_up(one, one.end or one.reached, TOO_MANY)
                        await self._finish(one, heard=False)
                    if gap is not None:
                        await self._transcribe(gap)
                        continue
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "a gap could not be transcribed", exc)
            await anyio.sleep(POLL_S)

    def _live(self, gap: GapRow) -> RunningTranscript | None:
        if gap.requested:
            return self._runner.find(gap.stream_id, gap.engine)
        return next((one for one in self._runner.of_stream(gap.stream_id) if one.engine == gap.engine), None)

    def _next(self, conn: Connection) -> tuple[GapRow | None, list[GapRow]]:
        """Return the next gap whose audio is complete, and all gaps that may be transcribed."""
        pending = [gap for gap in rows.to_analyse(conn) if gap.index_id is None and self._live(gap) is not None]
        return next((gap for gap in in_turn(pending) if self._is_ready(conn, gap)), None), pending

    def _end_waiting(self, pending: list[GapRow]) -> None:
        """End gaps whose streams have not sent audio since the engine or the transcript started."""
        for gap in pending:
            live = self._live(gap)
            waits = gap.end is None and live is not None and live.resuming
            if live is not None and waits and time.monotonic() - live.audio_at > PATIENCE_S:
                self._runner.end_gap(live, time.time())

    @staticmethod
    def _excess(pending: list[GapRow]) -> list[GapRow]:
        """Return the gaps of transcripts that have too many."""
        owners: dict[tuple[str, str], list[GapRow]] = {}
        for gap in pending:
            if not gap.requested:
                owners.setdefault((gap.stream_id, gap.engine), []).append(gap)
        return [gap for gaps in owners.values() for gap in too_many(gaps)]

    def _is_ready(self, conn: Connection, gap: GapRow) -> bool:
        if gap.end is None or self._states.holds(gap.backfill_id) or not self._may_try(gap):
            return False
        return self._footage.settled(conn, gap.stream_id, gap.reached) >= gap.end

    def _may_try(self, gap: GapRow) -> bool:
        """Return whether the speech engine may work. Live audio shows that; without any, it is tried now and then."""
        live = self._live(gap)
        if live is None or live.state is not TranscriptState.ERROR:
            return True
        now = time.monotonic()
        return now - live.audio_at > REOPEN_MAX_S and now >= self._next_try.get(gap.id, 0.0)

    async def _transcribe(self, gap: GapRow) -> None:
        live = self._live(gap)
        assert gap.end is not None
        if live is None:
            return
        oldest = time.time() - MAX_AGE_S
        if gap.reached < oldest and not gap.requested:
            until = min(oldest, gap.end)
            await self._give_up(gap, until, TOO_OLD)
            await self._db.write(rows.reach, gap.id, until)
            gap = replace(gap, reached=until)
        past = RunningTranscript(
            gap.stream_id, live.stream_name, gap.engine, live.provider, live.language, gap_id=gap.id
        )
        failures, reason, permanent = 0, "", False
        work = _Work(past, gap)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, work)
                await self._runner.transcribe_gap(past)
                tasks.cancel_scope.cancel()
        except* ProviderError as group:
            failures = self._failures.get(gap.id, 0) + 1
            error = first_error(group)
            reason, permanent = str(error), isinstance(error, ProviderError) and error.permanent
        if not failures and work.interrupted:
            await self._runner.write_behind(lambda conn: None)  # the results so far, which the rest continues
            return
        if failures and gap.backfill_id is not None:
            await self._note_failure(gap, gap.backfill_id, reason, permanent=permanent)
            return
        if failures and live.state is TranscriptState.ERROR:  # the engine fails, whatever the audio is
            self._next_try[gap.id] = time.monotonic() + REOPEN_MAX_S
            return
        if failures and failures < ATTEMPTS:
            self._failures[gap.id] = failures
            await anyio.sleep(POLL_S * failures)
            return
        if failures:
            found = await self._db.read(rows.get, gap.id)
            await self._give_up(found or gap, gap.end or gap.reached, reason)
        self._failures.pop(gap.id, None)
        self._next_try.pop(gap.id, None)
        await self._finish(gap, heard=not failures)

    async def _note_failure(self, gap: GapRow, backfill_id: str, reason: str, *, permanent: bool) -> None:
        """Try a part of a backfill again, unless the speech engine has failed too often without any progress."""
        await self._runner.write_behind(lambda conn: None)
        now = await self._db.read(rows.get, gap.id)
        failures = 1 if now is not None and now.reached > gap.reached else self._failures.get(gap.id, 0) + 1
        self._failures[gap.id] = failures
        if permanent or failures >= ATTEMPTS:
            del self._failures[gap.id]
            self._states.failures[backfill_id] = reason
        else:
            await anyio.sleep(POLL_S * failures)

    async def _finish(self, gap: GapRow, *, heard: bool) -> None:
        """Remove a gap behind its results, and wait until both are stored. ``heard``: its speech was transcribed."""

        def write(conn: Connection) -> None:
            if heard and gap.end is not None and rows.get(conn, gap.id) is not None:
                speech_ranges.add(conn, gap.stream_id, gap.engine, gap.reached, gap.end)
            rows.finish_until(conn, gap.id, gap.end, self._listener.evaluate)

        await self._runner.write_behind(write)
        self._listener.announce()

    async def _give_up(self, gap: GapRow, end: float, reason: str) -> None:
        """Count the rest of a gap before ``end`` as not transcribed."""
        live = self._live(gap)
        if live is not None and end > gap.reached:
            await self._runner.give_up(live, gap.reached, end, reason)

    async def _read(self, work: _Work) -> None:
        """Add the recorded audio of a gap to a transcript, as fast as the recogniser may take it."""
        past, gap = work.past, work.gap
        at = heard = gap.reached
        end = gap.end or at
        try:
            while at < end:
                if gap.requested and await self._is_interrupted(gap):
                    work.interrupted = True
                    return
                until = min(end, at + READ_S)
                blocks = await self._audio(gap, at, until)
                for block in blocks:
                    await self._hole(gap, heard, block.time)
                    heard = block.time + len(block.samples) / BYTES_PER_S
                    await self._wait(past, len(block.samples) / BYTES_PER_S)
                    past.blocks.append(m.AudioTaken(block.time, block.samples))
                    past.waiting += len(block.samples)
                    past.arrived.set()
                at = until
            await self._hole(gap, heard, end)
        finally:
            past.stopping = True
            past.arrived.set()

    async def _is_interrupted(self, gap: GapRow) -> bool:
        """Return whether a part of a backfill has to wait for a gap of the engine, or was cancelled."""

        def query(conn: Connection) -> bool:
            if rows.get(conn, gap.id) is None:
                return True
            first, _ = self._next(conn)
            return first is not None and not first.requested

        return await self._db.read(query)

    async def _audio(self, gap: GapRow, start: float, end: float) -> list[AudioBlock]:
        """Return the recorded audio of a part of a gap. What cannot be read is counted in the backfill."""
        try:
            return await self._footage.audio(gap.stream_id, start, end, gap.after_media)
        except RTStreamError as exc:
            log.warning("audio of %s at %.1f cannot be read: %s", gap.stream_id, start, exc)
        if gap.backfill_id is not None:
            lost = {f"skipped_{SkipReason.NOT_DECODABLE}": end - start}
            await self._db.write(lambda conn: backfill_rows.count(conn, gap.backfill_id, **lost))
        return []

    async def _hole(self, gap: GapRow, start: float, end: float) -> None:
        """Count audio that was skipped live and is not in the recording."""
        if gap.reason in SKIPPED and end - start > CUT_S:
            await self._give_up(replace(gap, reached=start), end, NOT_RECORDED)

    async def _wait(self, past: RunningTranscript, seconds: float) -> None:
        pause_s = seconds / (FASTEST if self._runner.behind_s is None else SPEED)
        await anyio.sleep(pause_s)
        while past.waiting > AHEAD_S * BYTES_PER_S or (self._runner.behind_s or 0.0) > BEHIND_S:
            # Live audio arrives ten times per second, and an event would wake each time.
            pause_s = min(2 * pause_s, 0.5)
            await anyio.sleep(pause_s)
