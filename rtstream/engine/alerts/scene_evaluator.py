"""Evaluates every stored scene against the alerts of its index exactly once, even after a crash.

The decision, the alert, its journal entry and its webhook are written in one transaction, and each alert stores the
number of the newest scene it has evaluated. A kill at any moment therefore neither loses an alert nor fires it twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import every, log_failure
from rtstream.engine.alerts.evaluation import NO_DESCRIPTION, Way, evaluate, way_of
from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, Firings
from rtstream.engine.alerts.gap_evaluator import GapEvaluator
from rtstream.engine.alerts.matcher import EventMatcher, Evidence
from rtstream.engine.alerts.speech_evaluator import SpeechEvaluator
from rtstream.engine.alerts.speech_gaps import SpeechGaps
from rtstream.engine.alerts.stream_evaluator import StreamEvaluator
from rtstream.engine.journal import Journal
from rtstream.states import SceneStatus
from rtstream.store import alerts as rows
from rtstream.store import indexes as index_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.indexes import SceneRow

log = logging.getLogger(__name__)

RETRY_S = 5.0
"""Pause after an unexpected failure before the same scene is tried again."""
MAX_BEHIND = 10
"""Number of scenes that a language model may lag behind. Beyond it, scenes are skipped and logged as failed."""
KEEP_DECISIONS_S = 7 * 86400.0
TRIM_EVERY_S = 600.0
TRIM_LIMIT = 2000
TOO_SLOW = "the language model is slower than the scenes, so this scene was skipped"


@dataclass
class _Lane:
    """The alerts of one index that are decided in the same way, so that alerts with rules never wait for a model."""

    index_id: str
    way: Way
    wake: anyio.Event = field(default_factory=anyio.Event)


class SceneEvaluator:
    """Evaluates alerts on scenes, and starts the evaluators of alerts on streams and on transcripts.

    Args:
        tasks: Task group in which the evaluation runs.
        db: The database.
        journal: Journal whose entries are evaluated by alerts on streams.
        matcher: Decides events.
        firings: Stores decisions and firings.
        engine_of: Returns the speech engine whose transcript alerts of a stream read, or an empty string.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        journal: Journal,
        matcher: EventMatcher,
        firings: Firings,
        engine_of: Callable[[str], str],
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._matcher = matcher
        self._firings = firings
        self._lanes: dict[tuple[str, Way], _Lane] = {}
        self._stream_evaluator = StreamEvaluator(tasks, db, journal, matcher, firings)
        self._speech_evaluator = SpeechEvaluator(tasks, db, journal, matcher, firings, engine_of)
        self._gap_evaluator = GapEvaluator(db, firings, matcher, engine_of)
        self.speech_gaps = SpeechGaps(matcher, firings, engine_of, self._gap_evaluator.wake)
        """Evaluates alerts on speech over gaps of transcripts."""

    async def start(self) -> None:
        """Resume every index that has alerts, each alert after the newest scene it has evaluated."""
        for index_id in await self._db.read(rows.indexes_with_alerts):
            self.start_index(index_id)
        self._tasks.start_soon(self._gap_evaluator.run)
        self._tasks.start_soon(every, TRIM_EVERY_S, self._trim_decisions, "old decisions could not be removed")

    def start_index(self, index_id: str) -> None:
        """Evaluate the scenes of an index, which has a new alert or one that is now decided in another way."""
        ways: tuple[Way, ...] = ("rule", "model")
        for way in ways:
            if (index_id, way) not in self._lanes:
                lane = self._lanes[index_id, way] = _Lane(index_id, way)
                self._tasks.start_soon(self._run, lane)
        self.scene_stored(index_id)
        self._stream_evaluator.start()

    def start_stream(self) -> None:
        """Evaluate the alerts on streams themselves. Call it when one is new or has changed."""
        self._stream_evaluator.start()
        self._speech_evaluator.start()

    def gap_changed(self) -> None:
        """Evaluate a newly stored late scene, or end a gap."""
        self._gap_evaluator.wake()

    def scene_stored(self, index_id: str) -> None:
        """Evaluate a newly stored scene of an index."""
        for way in ("rule", "model"):
            lane = self._lanes.get((index_id, way))
            if lane is not None:
                lane.wake.set()

    async def _run(self, lane: _Lane) -> None:
        more = True
        while True:
            lane.wake = wake = anyio.Event()
            try:
                alerts, scene, behind = await self._db.read(self._next, lane)
                if not alerts and not wake.is_set():
                    del self._lanes[lane.index_id, lane.way]
                    return
                more = scene is not None
                if scene is not None:
                    due = [alert for alert in alerts if alert.judged_scene < scene.id]
                    await self._evaluate_scene(due, scene, skip=lane.way == "model" and behind)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, f"alerts of index {lane.index_id} could not be evaluated", exc)
                await anyio.sleep(RETRY_S)
                continue
            if not more:
                await wake.wait()

    def _next(self, conn: Connection, lane: _Lane) -> tuple[list[AlertRow], SceneRow | None, bool]:
        """Return the lane's alerts, the oldest scene that some have not evaluated, and whether too many scenes wait."""
        alerts = [alert for alert in rows.of_index(conn, lane.index_id) if way_of(self._matcher, alert) == lane.way]
        if not alerts:
            return [], None, False
        since = min(alert.judged_scene for alert in alerts)
        scenes = index_rows.scenes_after(conn, lane.index_id, since, 1)
        if not scenes:
            return alerts, None, False
        return alerts, scenes[0], index_rows.more_scenes_than(conn, lane.index_id, scenes[0].id, MAX_BEHIND)

    async def _evaluate_scene(self, due: list[AlertRow], scene: SceneRow, *, skip: bool) -> None:
        if scene.status is not SceneStatus.OK:
            evaluations = [Evaluation(alert, None, NO_DESCRIPTION) for alert in due]
        elif skip:
            evaluations = [Evaluation(alert, None, TOO_SLOW) for alert in due]
        else:
            evaluations = await evaluate(self._matcher, due, Evidence.of_scene(scene))
        moment = EvaluatedMoment(scene.start, scene.end, scene.id, seen=scene.detail.seen)
        await self._firings.store(moment, evaluations)

    async def _trim_decisions(self) -> None:
        """Remove old decisions, except those that fired."""
        before = time.time() - KEEP_DECISIONS_S
        while await self._db.write(rows.trim_decisions, before, TRIM_LIMIT) == TRIM_LIMIT:
            pass  # in small steps, so that other writers get their turn
