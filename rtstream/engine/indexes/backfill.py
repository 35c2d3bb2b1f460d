"""Looks at the windows of gaps, one at a time and only while no live window needs the model.

The newest gap of the engine is first, then the gaps of backfills in the order of their requests, and within a gap the
oldest window. Which windows are missing follows from the stored scenes and the recorded footage, so a restart continues
where the last engine was.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.indexes.audio import AudioIndexes
from rtstream.engine.indexes.audio_backfill import AudioBackfill
from rtstream.engine.indexes.gaps import GapLog, persist
from rtstream.engine.indexes.runner import IndexRunner, skipped
from rtstream.engine.indexes.visual import RunningVisualIndex, VisualIndexes, job_of, past_of
from rtstream.engine.jobs import MOST_FAILURES, BackfillStates
from rtstream.engine.model_calls import Capped
from rtstream.engine.recordings import FootageReader
from rtstream.errors import DatabaseUnavailable, RTStreamError
from rtstream.perception.protocols import Picture
from rtstream.rules.gaps import MAX_AGE_S, has_time, in_turn, missing_windows, too_many
from rtstream.rules.windows import Window, Windows
from rtstream.states import SkipReason
from rtstream.store import backfills as backfill_rows
from rtstream.store import gaps as rows
from rtstream.store import indexes as index_rows
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow
from rtstream.store.indexes import IndexRow

log = logging.getLogger(__name__)

POLL_S = 0.5
"""Pause while no gap can be continued, because its footage is not complete yet."""
TURN_S = 0.05
IDLE_S = 60.0
RETRY_S = 2.0
AHEAD_S = 8.0
"""Footage that is decoded at once, in seconds."""
STRETCH_S = 600.0
"""Part of a gap whose missing windows are determined at once, in seconds."""
PATIENCE_S = 30.0
"""Seconds after a start at which a gap ends even if the stream has not sent a picture."""
FIRST_LOOK_S = 0.1
"""Expected duration of the first look into the past in seconds. A wrong guess delays one live window."""


@dataclass(frozen=True)
class _Step:
    """The next step in a gap.

    ``missing`` are the numbers of windows to look at. If there are none, everything before ``until`` is done.
    """

    gap: GapRow
    index: RunningVisualIndex
    missing: list[int]
    until: float


@dataclass
class _Prefetch:
    """The decoded windows of a gap that come next, by number, and the index with the state of this gap."""

    gap_id: int
    live: RunningVisualIndex
    past: RunningVisualIndex
    windows: dict[int, Window[Picture]]


class IndexBackfill:
    """Analyses the gaps of indexes.

    Args:
        db: The database.
        footage: Reads recorded footage.
        gaps: Announces gaps.
        visual: The running visual indexes.
        audio: The running audio indexes.
        runner: Looks at windows.
        states: Obstacles of backfills.
    """

    def __init__(
        self,
        db: Database,
        footage: FootageReader,
        gaps: GapLog,
        visual: VisualIndexes,
        audio: AudioIndexes,
        runner: IndexRunner,
        states: BackfillStates,
    ) -> None:
        self._db = db
        self._speech = AudioBackfill(db, gaps, audio, runner, states)
        self._footage = footage
        self._gaps = gaps
        self._visual = visual
        self._runner = runner
        self._states = states
        self._fetched: _Prefetch | None = None
        self._look_s = FIRST_LOOK_S
        self._delayed_at = 0  # number of live windows when a look last delayed one

    async def run(self) -> None:
        """Analyse gaps until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._speech.run)
            await self._follow()

    async def _follow(self) -> None:
        while True:
            try:
                pause_s = await self._step()
            except DatabaseUnavailable:
                pause_s = RETRY_S
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "a gap could not be analysed", exc)
                pause_s = RETRY_S
            if pause_s:
                with anyio.move_on_after(pause_s):
                    await self._gaps.changed.wait()

    async def drop(self, row: IndexRow) -> None:
        """Count the windows in the engine's gaps of an index that is stopped as skipped."""
        if row.extraction_type != "time":
            await self._speech.drop(row.id)
            return
        for gap in await self._db.read(rows.of_index, row.id):
            if not gap.requested:
                await self._give_up(row.id, float(row.extraction_config["time"]), gap, SkipReason.STOPPED)

    async def drop_requested(self, row: IndexRow, backfill_id: str, reason: SkipReason) -> None:
        """Count the windows of an index that are left of a backfill as skipped."""
        if row.extraction_type != "time":
            await self._speech.drop_requested(row.id, backfill_id, reason)
            return
        for gap in await self._db.read(backfill_rows.gaps_of, backfill_id):
            if gap.index_id == row.id and not gap.analysed:
                await self._give_up(row.id, float(row.extraction_config["time"]), gap, reason)

    async def _step(self) -> float:
        """Take the next step. Returns how long to wait for the one after it in seconds."""
        self._gaps.changed = anyio.Event()
        self._gaps.flush()
        if self._gaps.writing:
            return POLL_S
        pending, step = await self._db.read(self._next)
        if not pending:
            self._fetched = None
            return IDLE_S
        self._end_waiting(pending)
        await self._give_up_oldest(pending)
        if step is None:
            return POLL_S
        if step.missing:
            await self._look(step)
        elif step.until == step.gap.end:
            await self._finish(step)
        else:
            await self._db.write(rows.reach, step.gap.id, step.until)
        return 0.0

    async def _give_up_oldest(self, pending: list[GapRow]) -> None:
        """Skip the oldest gaps of indexes that have too many."""
        by_index: dict[str, list[GapRow]] = {}
        for gap in pending:
            if not gap.requested:
                by_index.setdefault(gap.index_id or "", []).append(gap)
        for index_id, gaps in by_index.items():
            index = self._visual.get(index_id)
            for gap in too_many(gaps):
                if index is not None:
                    await self._give_up(index_id, index.length, gap, SkipReason.TOO_MANY)

    async def _give_up(self, index_id: str, length: float, gap: GapRow, reason: SkipReason) -> None:
        """Skip the rest of a gap."""

        def write(conn: Connection) -> None:
            end = time.time() if gap.end is None else gap.end
            count = len(self._missing(conn, gap, length, gap.reached, end))
            index_rows.count(conn, index_id, **skipped(count, reason))
            backfill_rows.count(conn, gap.backfill_id, **skipped(count, reason))
            rows.remove(conn, [gap.id])

        await persist(self._db, write)

    def _end_waiting(self, pending: list[GapRow]) -> None:
        """End gaps whose streams have not sent a picture since the engine or the index started."""
        now = time.monotonic()
        for gap in pending:
            index = self._visual.get(gap.index_id or "")
            if gap.end is None and index is not None and index.resuming and now - index.since > PATIENCE_S:
                self._visual.resume_at(index, time.time())

    def _next(self, conn: Connection) -> tuple[list[GapRow], _Step | None]:
        """Return all gaps of running indexes and backfills, and the next step, if one is possible now."""
        pending = [gap for gap in rows.to_analyse(conn) if self._index_of(gap) is not None]
        for gap in in_turn(pending):
            step = None if self._states.holds(gap.backfill_id) else self._step_of(conn, gap)
            if step is not None:
                return pending, step
        return pending, None

    def _index_of(self, gap: GapRow) -> RunningVisualIndex | None:
        return (self._visual.find if gap.requested else self._visual.get)(gap.index_id or "")

    def _step_of(self, conn: Connection, gap: GapRow) -> _Step | None:
        index = self._index_of(gap)
        assert gap.end is not None
        assert index is not None
        length = index.length
        live = [job.start for job in (*index.waiting, *filter(None, [index.working]))]
        ready = min([gap.end, self._footage.settled(conn, gap.stream_id, gap.reached), *live])
        stretch = max(STRETCH_S, 10 * length)
        until = gap.end if ready == gap.end else math.floor(ready / length) * length
        until = min(until, (math.floor(gap.reached / length) + math.ceil(stretch / length)) * length)
        if until <= gap.reached:
            return _Step(gap, index, [], gap.end) if gap.reached >= gap.end else None
        return _Step(gap, index, self._missing(conn, gap, length, gap.reached, until), until)

    def _missing(self, conn: Connection, gap: GapRow, length: float, start: float, end: float) -> list[int]:
        recorded = self._footage.recorded(conn, gap.stream_id, start, end, gap.after_media)
        index_id = gap.index_id or ""
        if gap.requested:
            known = rows.described_at(conn, index_id, start, end)
        else:
            known = rows.looked_at(conn, index_id, start, end, gap.after_scene)
        return missing_windows(start, end, length, known, recorded)

    async def _look(self, step: _Step) -> None:
        """Look at the oldest missing window of a gap."""
        gap, index, number = step.gap, step.index, step.missing[0]
        start, end = number * index.length, (number + 1) * index.length
        if not gap.requested and end < time.time() - MAX_AGE_S:
            old = [one for one in step.missing if (one + 1) * index.length < time.time() - MAX_AGE_S]
            await self._skip(step, len(old), (old[-1] + 1) * index.length, SkipReason.TOO_OLD)
            return
        try:
            window = await self._window(step)
        except RTStreamError as exc:
            log.warning("a window of index %s at %.1f cannot be read: %s", index.id, start, exc)
            await self._skip(step, 1, end, SkipReason.NOT_DECODABLE)
            return
        if window is None:  # as live, because a window without a picture is not a scene
            await persist(self._db, lambda conn: self._note_empty(conn, gap, end))
            return
        await self._turn()
        if self._index_of(gap) is not index or self._fetched is None:
            return
        began, past = time.monotonic(), self._fetched.past
        try:
            store = await self._runner.look_back(past, await job_of(past, window), gap)
        except Capped as exc:
            if gap.backfill_id is not None:
                self._states.wait_for_cap(gap.backfill_id, str(exc), exc.until)
                return
            await self._db.write(rows.reach, gap.id, end)  # this window is counted
            await self._give_up(index.id, index.length, replace(gap, reached=end), SkipReason.BUDGET_SPENT)
            return
        finally:
            took_s = time.monotonic() - began
            self._look_s = max(took_s, (took_s + self._look_s) / 2)
        await persist(self._db, store)
        self._runner.announce_gap()
        if gap.backfill_id is not None and past.failures >= MOST_FAILURES:
            self._states.failures[gap.backfill_id] = past.failure

    @staticmethod
    def _note_empty(conn: Connection, gap: GapRow, end: float) -> None:
        backfill_rows.count(conn, gap.backfill_id, **skipped(1, SkipReason.NOT_RECORDED))
        rows.reach(conn, gap.id, end)

    async def _window(self, step: _Step) -> Window[Picture] | None:
        """Return the oldest missing window, or None if it has no picture. Raises RTStreamError."""
        number, index = step.missing[0], step.index
        fetched = self._fetched
        if fetched is None or fetched.gap_id != step.gap.id or fetched.live is not index:
            past = past_of(index, step.gap.id)
            fetched = self._fetched = _Prefetch(step.gap.id, index, past, {})
        if number in fetched.windows:
            return fetched.windows.pop(number)
        most = max(1, int(AHEAD_S / index.length))
        wanted = [one for one in step.missing if one < number + most]
        try:
            fetched.windows = await self._read(index, step.gap, wanted[0], wanted[-1] + 1)
        except RTStreamError:
            if len(wanted) == 1:
                raise
            fetched.windows = await self._read(
                index, step.gap, number, number + 1
            )  # the damage may be in another window
        return fetched.windows.pop(number, None)

    async def _read(self, index: RunningVisualIndex, gap: GapRow, first: int, last: int) -> dict[int, Window[Picture]]:
        start, end = first * index.length, last * index.length
        interval_s = index.length / index.frame_count
        size = self._visual.max_side
        pictures = await self._footage.pictures(index.stream_id, start, end, interval_s, size, gap.after_media)
        windows: Windows[Picture] = Windows(index.length, index.frame_count)
        found = [window for picture in pictures for window in windows.add(picture)] + windows.flush()
        return {round(window.start / index.length): window for window in found}

    async def _turn(self) -> None:
        """Wait until a look into the past delays no live window, or until it may delay one."""
        while True:
            running = [index for index in self._runner.running if not index.paused]
            busy = any(index.waiting or index.working for index in running)
            due_s = min((self._due_s(index) for index in self._visual.running), default=math.inf)
            live_windows = self._runner.live_windows - self._delayed_at
            if has_time(busy, due_s, self._look_s, live_windows, len(running)):
                if self._look_s > due_s:
                    self._delayed_at = self._runner.live_windows
                return
            await anyio.sleep(TURN_S)

    @staticmethod
    def _due_s(index: RunningVisualIndex) -> float:
        """Return the seconds until the next live window of an index. Infinite if the stream sends none."""
        due_s = index.put_at + index.length - time.monotonic()
        return math.inf if due_s < -index.length else max(0.0, due_s)

    async def _skip(self, step: _Step, count: int, until: float, reason: SkipReason) -> None:
        """Count windows that are never looked at."""

        def write(conn: Connection) -> None:
            index_rows.count(conn, step.index.id, **skipped(count, reason))
            backfill_rows.count(conn, step.gap.backfill_id, **skipped(count, reason))
            rows.skip(conn, step.gap.id, count, until)

        await persist(self._db, write)

    async def _finish(self, step: _Step) -> None:
        """End the analysis of a gap. Windows that were dropped live and not recorded are counted as skipped."""
        gap = step.gap
        assert gap.end is not None

        def write(conn: Connection) -> None:
            found = rows.get(conn, gap.id)
            if found is None or found.end != gap.end or found.reached < gap.reached:
                return  # more was added to it
            lost = found.dropped - rows.count_scenes(conn, step.index.id, gap.id, gap.start, gap.end or gap.start)
            if lost > 0:
                index_rows.count(conn, step.index.id, **skipped(lost, SkipReason.NOT_RECORDED))
            rows.finish(conn, gap.id)

        await persist(self._db, write)
        self._runner.announce_gap()
