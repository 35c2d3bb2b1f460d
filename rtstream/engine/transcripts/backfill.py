"""Transcribes the gaps of transcripts from the recorded audio, one at a time and slower than live audio has to be.

The speech before an interruption is stored up to its last sentence, so a gap begins there and no sentence is lost or
transcribed twice. The newest gap is first.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Protocol

import anyio
from sqlalchemy import Connection

from rtstream import messages as m
from rtstream.concurrency import first_error, log_failure
from rtstream.engine.recordings import FootageReader
from rtstream.engine.transcripts.runner import BYTES_PER_S, REOPEN_MAX_S, TranscriptRunner
from rtstream.engine.transcripts.state import RunningTranscript
from rtstream.errors import RTStreamError
from rtstream.perception.protocols import ProviderError
from rtstream.rules.gaps import MAX_AGE_S, newest_first, too_many
from rtstream.rules.speech_clock import CUT_S
from rtstream.states import GapReason, TranscriptState
from rtstream.store import gaps as rows
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow

log = logging.getLogger(__name__)

POLL_S = 2.0
READ_S = 20.0
"""Audio that is decoded at once, in seconds."""
AHEAD_S = 10.0
"""Audio that waits for the recogniser, in seconds."""
SPEED = 4.0
"""Seconds of audio that are transcribed per second at most. The rest of the time belongs to live audio."""
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


class TranscriptBackfill:
    """Transcribes gaps.

    Args:
        db: The database.
        footage: Reads recorded audio.
        runner: Runs the live transcripts, and the sessions for gaps.
        listener: Consumer of gaps that are transcribed.
    """

    def __init__(self, db: Database, footage: FootageReader, runner: TranscriptRunner, listener: GapListener) -> None:
        self._db = db
        self._footage = footage
        self._runner = runner
        self._listener = listener
        self._failures: dict[int, int] = {}
        self._next_try: dict[int, float] = {}  # monotonic, while the engine fails
        self._began = time.monotonic()

    async def run(self) -> None:
        """Transcribe gaps until cancelled."""
        while True:
            try:
                if not self._runner.writing and not self._runner.idle:
                    gap, excess = await self._db.read(self._next)
                    for one in excess:
                        await self._give_up(one, one.end or one.reached, TOO_MANY)
                        await self._finish(one)
                    if gap is not None:
                        await self._transcribe(gap)
                        continue
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "a gap could not be transcribed", exc)
            await anyio.sleep(POLL_S)

    def _live(self, gap: GapRow) -> RunningTranscript | None:
        return next((one for one in self._runner.of_stream(gap.stream_id) if one.engine == gap.engine), None)

    def _next(self, conn: Connection) -> tuple[GapRow | None, list[GapRow]]:
        """Return the newest gap whose audio is complete, and the gaps of transcripts that have too many."""
        pending = [gap for gap in rows.to_analyse(conn) if gap.index_id is None and self._live(gap) is not None]
        if time.monotonic() - self._began > PATIENCE_S:
            for gap in pending:
                live = self._live(gap)
                if gap.end is None and live is not None and live.resuming:
                    self._runner.end_gap(live, time.time())
        owners: dict[tuple[str, str], list[GapRow]] = {}
        for gap in pending:
            owners.setdefault((gap.stream_id, gap.engine), []).append(gap)
        excess = [gap for gaps in owners.values() for gap in too_many(gaps)]
        for gap in newest_first(pending):
            if (
                gap.end is not None
                and self._may_try(gap)
                and self._footage.settled(conn, gap.stream_id, gap.reached) >= gap.end
            ):
                return gap, excess
        return None, excess

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
        if gap.reached < oldest:
            until = min(oldest, gap.end)
            await self._give_up(gap, until, TOO_OLD)
            await self._db.write(rows.reach, gap.id, until)
            gap = replace(gap, reached=until)
        past = RunningTranscript(
            gap.stream_id, live.stream_name, gap.engine, live.provider, live.language, gap_id=gap.id
        )
        failures, reason = 0, ""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, past, gap)
                await self._runner.transcribe_gap(past)
                tasks.cancel_scope.cancel()
        except* ProviderError as group:
            failures = self._failures.get(gap.id, 0) + 1
            reason = str(first_error(group))
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
        await self._finish(gap)

    async def _finish(self, gap: GapRow) -> None:
        """Remove a gap behind its results, and wait until both are stored."""
        await self._runner.write_behind(lambda conn: rows.finish_until(conn, gap.id, gap.end, self._listener.evaluate))
        self._listener.announce()

    async def _give_up(self, gap: GapRow, end: float, reason: str) -> None:
        """Count the rest of a gap before ``end`` as not transcribed."""
        live = self._live(gap)
        if live is not None and end > gap.reached:
            await self._runner.give_up(live, gap.reached, end, reason)

    async def _read(self, past: RunningTranscript, gap: GapRow) -> None:
        """Add the recorded audio of a gap to a transcript, as fast as the recogniser may take it."""
        at = heard = gap.reached
        end = gap.end or at
        try:
            while at < end:
                until = min(end, at + READ_S)
                try:
                    blocks = await self._footage.audio(past.stream_id, at, until, gap.after_media)
                except RTStreamError as exc:
                    log.warning("audio of %s at %.1f cannot be read: %s", past.stream_id, at, exc)
                    blocks = []
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

    async def _hole(self, gap: GapRow, start: float, end: float) -> None:
        """Count audio that was skipped live and is not in the recording."""
        if gap.reason in SKIPPED and end - start > CUT_S:
            await self._give_up(replace(gap, reached=start), end, NOT_RECORDED)

    async def _wait(self, past: RunningTranscript, seconds: float) -> None:
        pause_s = seconds / SPEED
        await anyio.sleep(pause_s)
        while past.waiting > AHEAD_S * BYTES_PER_S or self._runner.behind_s > BEHIND_S:
            # Live audio arrives ten times per second, and an event would wake each time.
            pause_s = min(2 * pause_s, 0.5)
            await anyio.sleep(pause_s)
