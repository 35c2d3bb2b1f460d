"""Runs indexes: queues windows of pictures or words for their model, and stores the results as scenes.

At most ``MAX_WAITING`` windows are queued per index, so that no index falls behind live. When another one arrives, the
oldest is left to be looked at later, in the recorded footage. If that is not possible, it is skipped and counted.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.indexes.gaps import GapLog
from rtstream.engine.journal import Journal
from rtstream.engine.model_calls import Capped, ModelCalls
from rtstream.json_types import JsonObject
from rtstream.perception.protocols import LanguageProvider, ProviderError, VisionAnswer, VisionProvider
from rtstream.rules.gaps import SET_BACK_S
from rtstream.rules.scene_detail import SceneDetail
from rtstream.rules.screen_changes import ScreenChanges
from rtstream.rules.text_safety import clean
from rtstream.states import AnalysisState, GapReason, SceneStatus, SkipReason
from rtstream.store import backfills as backfill_rows
from rtstream.store import gaps as gap_rows
from rtstream.store import indexes as rows
from rtstream.store import journal as journal_rows
from rtstream.store.gaps import GapRow
from rtstream.store.journal import Entry
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)

MAX_WAITING = 2
MAX_TEXT = 20_000
"""Maximum number of characters stored of a model's response."""
MAX_LINES = 500
MAX_NEWS = 60
"""Lines that a journal entry names as new, and as gone. The scene has all of them."""
SCENE_BYTES = 4000
"""Memory of a scene that waits for the database, besides its text."""
RESUME_SLACK_S = 0.1
"""Seconds added to a pause for the cap. Clocks and timers are inexact, and an early call would pause again."""
RESUME_MAX_S = 3600.0
"""Longest pause before the cap is checked again. It would last longer if the clock was set back."""


@dataclass
class WindowJob:
    """One window that waits for its model. ``detail`` is stored with the scene (frame times, number of words)."""

    start: float
    end: float
    ask: Callable[[], Awaitable[VisionAnswer]] | None
    detail: SceneDetail
    answer: VisionAnswer | None = None
    """The answer, if no model needs to be called (``ask`` is None)."""


@dataclass
class RunningIndex:
    """One running index."""

    id: str
    stream_id: str
    stream_name: str
    name: str
    channel: str
    """Journal channel of its scenes: ``scene_index`` or ``audio_index``."""
    provider: VisionProvider | LanguageProvider
    waiting: deque[WindowJob] = field(default_factory=deque)
    working: WindowJob | None = None
    """The window that is being looked at."""
    looked_at: float = -inf
    """Start of the last window that was looked at, in Unix seconds."""
    put_at: float = -inf
    """Monotonic time at which the last window arrived."""
    since: float = field(default_factory=time.monotonic)
    """Monotonic time of the last result, or of the start."""
    missed_at: float = -inf
    """Monotonic time at which a window was last left because too many waited."""
    failure: str = ""
    """Reason for which the last window failed, or empty."""
    recorded: bool = False
    """Whether windows that are not looked at live can be looked at later."""
    paused: bool = False
    """Whether the cap of model calls is reached. Dropped windows then count as capped, not as skipped."""
    paused_through: float = -inf
    """Start of the last window that arrived while paused, in Unix seconds."""
    failing: bool = False
    """Whether the last window failed. The index then shows the reason."""
    failures: int = 0
    """Number of windows of the past that failed since the last one that did not."""
    arrived: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    uncounted: dict[str, float] = field(default_factory=dict)
    """Counts that are not in the database yet."""
    counting: bool = False
    """Whether a write of ``uncounted`` is queued."""


class SceneListener(Protocol):
    """A consumer of scenes, such as the evaluation of alerts."""

    def scene_stored(self, index_id: str) -> None:
        """Handle a stored live scene."""
        ...

    def gap_changed(self) -> None:
        """Handle a stored late scene, or the end of the analysis of a gap."""
        ...


class IndexRunner:
    """Runs all indexes.

    Args:
        tasks: Task group in which the indexes run.
        queue: Writes scenes and counters. They wait in it while the database is unavailable.
        gaps: Stores the windows that are to be looked at later.
        journal: Journal that is notified of scenes.
        calls: Calls the models.
        listener: Is told of each stored scene.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        queue: WriteQueue,
        gaps: GapLog,
        journal: Journal,
        calls: ModelCalls,
        listener: SceneListener,
    ) -> None:
        self._tasks = tasks
        self._queue = queue
        self._gaps = gaps
        self._journal = journal
        self._calls = calls
        self._listener = listener
        self._running: dict[str, RunningIndex] = {}
        self.live_windows = 0
        """Number of live windows that were looked at since the engine started."""

    @property
    def running(self) -> list[RunningIndex]:
        """The running indexes."""
        return list(self._running.values())

    def start(self, index: RunningIndex) -> None:
        """Process the windows added by ``put`` until ``index.scope`` is cancelled."""
        self._tasks.start_soon(self._work, index)

    def call_later(self, delay_s: float, call: Callable[[], Awaitable[None]]) -> None:
        """Call ``call`` after ``delay_s`` seconds."""

        async def wait() -> None:
            await anyio.sleep(delay_s)
            await call()

        self._tasks.start_soon(wait)

    async def put(self, index: RunningIndex, job: WindowJob) -> None:
        """Queue a complete window. The oldest one is dropped if too many wait."""
        index.waiting.append(job)
        index.put_at = time.monotonic()
        index.arrived.set()
        if index.paused:
            index.paused_through = job.start
        if len(index.waiting) > MAX_WAITING:
            dropped = index.waiting.popleft()
            # One that waited for the end of a pause is dropped because of the pause, even if that has just ended.
            if index.paused or dropped.start <= index.paused_through:
                self._count(index, capped=1)
            else:
                index.missed_at = time.monotonic()
                self._miss(index, dropped, GapReason.OVERLOADED)

    def _miss(self, index: RunningIndex, job: WindowJob, reason: GapReason) -> None:
        """Leave a window to be looked at later, or count it as skipped if that is not possible."""
        if index.recorded:
            self._gaps.drop(index.stream_id, index.id, job.start, job.end, reason)
        else:
            self._count(index, **skipped(1, SkipReason.NOT_RECORDED))

    def _count(self, index: RunningIndex, **add: float) -> None:
        """Add to the counters of an index. Counts that wait for the database are added up, so they need little room."""
        for name, amount in add.items():
            index.uncounted[name] = index.uncounted.get(name, 0) + amount
        if not index.counting:
            self._store_counts(index)

    def _store_counts(self, index: RunningIndex) -> None:
        taken: dict[str, float] = {}

        def write(conn: Connection) -> None:
            taken.clear()
            taken.update(index.uncounted)
            rows.count(conn, index.id, **taken)

        def written() -> None:
            left = {name: amount - taken.get(name, 0) for name, amount in index.uncounted.items()}
            index.uncounted = {name: amount for name, amount in left.items() if amount}
            index.counting = False
            if index.uncounted:
                self._store_counts(index)

        index.counting = self._queue.put(write, written)

    async def _work(self, index: RunningIndex) -> None:
        self._running[index.id] = index
        try:
            with index.scope:
                await self._load(index)
                while True:
                    while not index.waiting:
                        index.arrived = anyio.Event()
                        await index.arrived.wait()
                    index.working = index.waiting.popleft()
                    await self._live_scene(index, index.working)
                    index.working = None
        finally:
            if self._running.get(index.id) is index:  # it may have been restarted
                del self._running[index.id]

    async def _live_scene(self, index: RunningIndex, job: WindowJob) -> None:
        try:
            await self._scene(index, job)
            self.live_windows += 1
        except Capped as exc:
            await self._pause(index, exc)
        except Exception as exc:  # noqa: BLE001 - logged
            log_failure(log, f"a window of index {index.id} could not be indexed", exc)
            self._count(index, failed=1)

    async def _load(self, index: RunningIndex) -> None:
        """Load the model while the first window fills."""
        try:
            await index.provider.load()
        except ProviderError:
            pass  # the first window reports it
        except Exception as exc:  # noqa: BLE001 - logged
            log_failure(log, f"the model of index {index.id} could not be loaded", exc)

    async def _pause(self, index: RunningIndex, capped: Capped) -> None:
        """Pause the index until the cap allows another call. Windows dropped meanwhile are counted as capped."""
        index.paused = True
        await self._state(index, AnalysisState.PAUSED, str(capped))
        await anyio.sleep(min(max(0.0, capped.until - time.time()), RESUME_MAX_S) + RESUME_SLACK_S)
        index.paused = False
        await self._state(index, AnalysisState.RUNNING, "")

    async def _state(self, index: RunningIndex, status: AnalysisState, reason: str) -> None:
        index.failing = False
        await self._queue.write(rows.update_index, index.id, status=status, status_reason=reason)

    async def _scene(self, index: RunningIndex, job: WindowJob) -> None:
        values, counts = await self._answer(index, job, index.id)
        failed = values["status"] is SceneStatus.FAILED
        index.failure = values["detail"].get("failure", "")
        if not failed:
            index.since = time.monotonic()
        changed = failed or index.failing
        index.failing = failed
        set_back = job.start < index.looked_at - SET_BACK_S
        index.looked_at = job.start

        def stored() -> None:
            self._journal.wake()
            self._listener.scene_stored(index.id)

        def store(conn: Connection) -> None:
            if set_back:
                gap_rows.note_set_back(conn, index.id, job.start)
            self._store(conn, index, values, counts)
            if changed:
                failure = values["detail"].get("failure", "")
                reason = f"The last window failed: {failure}" if failure else ""
                rows.update_index(conn, index.id, status_reason=reason)

        size = (
            SCENE_BYTES + 2 * len(values["text"]) + sum(2 * len(line) for line in values["detail"].get("lines") or ())
        )
        if not await self._queue.write_then(store, stored, size):
            self._miss(index, job, GapReason.DATABASE_UNAVAILABLE)

    async def look_back(self, index: RunningIndex, job: WindowJob, gap: GapRow) -> Callable[[Connection], None]:
        """Look at a window of the past. Calls of models for a backfill have a cap of their own.

        Returns:
            The write that stores its scene, unless the window has one, and that the gap is done up to its end.

        Raises:
            Capped: The cap of model calls is reached.
        """
        values, counts = await self._answer(index, job, f"{index.id} past" if gap.requested else index.id)
        index.failure = values["detail"].get("failure", "")
        index.failures = index.failures + 1 if index.failure else 0

        def store(conn: Connection) -> None:
            start, end = job.start, job.start + 1e-3
            if gap.requested:
                known = gap_rows.described_at(conn, index.id, start, end)
            else:
                known = gap_rows.looked_at(conn, index.id, start, end, gap.after_scene)
            if not known:
                if gap.requested:
                    gap_rows.remove_failures(conn, index.id, start, job.end)
                self._store(conn, index, values | {"gap_id": gap.id}, counts | {"late": 1})
            backfill_rows.count(conn, gap.backfill_id, **counts)
            gap_rows.reach(conn, gap.id, job.end)

        return store

    def announce_gap(self) -> None:
        """Announce that a scene of the past was stored, or that a gap is analysed."""
        self._journal.wake()
        self._listener.gap_changed()

    async def _answer(self, index: RunningIndex, job: WindowJob, budget: str) -> tuple[JsonObject, dict[str, float]]:
        """Return the columns of the scene of a window, and the counts to add. Raises Capped.

        ``budget`` is the name of the cap besides that of the engine.
        """
        attempts = _Attempts(job)
        failure = ""
        answer = job.answer or VisionAnswer(text="", model=index.provider.name)
        if job.ask is not None:
            try:
                answer = await self._calls.call(index.provider, attempts, budget)
            except Capped:
                self._count(index, **({"capped": 1} if budget == index.id else {}), calls=attempts.count)
                raise
            except ProviderError as exc:
                failure = str(exc)
        detail = replace(
            job.detail,
            latency_s=round(attempts.latency_s, 3) if attempts.count else None,
            lines=[clean(line.text, 1000) for line in answer.lines[:MAX_LINES]],
            changes=answer.changes if job.ask is not None else ScreenChanges(changed=False),
            failure=failure,
            data_error=answer.data_error,
            unchanged=job.detail.unchanged or bool(answer.changes.repeated),
        )
        values = {
            "index_id": index.id,
            "stream_id": index.stream_id,
            "start": job.start,
            "end": job.end,
            "text": "" if failure else clean(answer.text, MAX_TEXT),
            "status": SceneStatus.FAILED if failure else SceneStatus.OK,
            "model": answer.model,
            "data": answer.data,
            "detail": detail.to_json(),
            "created_at": time.time(),
        }
        counts: dict[str, float] = {"failed": 1} if failure else {"done": 1}
        if job.ask is None:
            counts["unchanged"] = 1
        elif not self._calls.free(index.provider):
            counts |= {"calls": attempts.count, "tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out}
        return values, counts

    @staticmethod
    def _store(conn: Connection, index: RunningIndex, values: JsonObject, counts: dict[str, float]) -> None:
        """Store a scene, its journal entry and the index's counters in one transaction."""
        scene_id = rows.add_scene(conn, **values)
        detail = values["detail"]
        rows.count(conn, index.id, **counts)
        data = {
            "text": values["text"],
            "start": values["start"],
            "end": values["end"],
            "rtstream_index_id": index.id,
            "index_name": index.name,
            "scene_id": scene_id,
            "model": values["model"],
            "status": values["status"],
            **{key: detail[key] for key in ("failure", "data_error", "unchanged") if detail.get(key)},
            **_news(detail["changes"]),
            **({"seen": times[-1]} if (times := detail.get("frame_times")) else {}),
        }
        if values["data"] is not None:
            data["data"] = values["data"]
        if values.get("gap_id"):
            data["late"] = True
        entry = Entry(index.channel, data, index.stream_id, index.stream_name, index.id)
        journal_rows.append(conn, entry)


def _news(changes: JsonObject) -> JsonObject:
    """Return the lines that are new on the screen or gone from it, as far as a journal entry holds them."""
    names = {"new": "appeared", "gone": "disappeared"}
    return {name: lines[:MAX_NEWS] for name, stored in names.items() if (lines := changes.get(stored))}


class _Attempts:
    """Calls the model for one window. Counts the attempts and measures the last one."""

    def __init__(self, job: WindowJob) -> None:
        self._job = job
        self.count = 0
        self.latency_s = 0.0

    async def __call__(self) -> VisionAnswer:
        assert self._job.ask is not None
        self.count += 1
        began = time.monotonic()
        try:
            return await self._job.ask()
        finally:
            self.latency_s = time.monotonic() - began


def skipped(count: int, reason: SkipReason) -> dict[str, float]:
    """Return the counters of windows that are never looked at."""
    if reason is SkipReason.BUDGET_SPENT:
        return {"capped": count}
    return {"skipped": count, f"skipped_{reason}": count} if count else {}
