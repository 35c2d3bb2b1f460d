"""Evaluates alerts on late scenes, which were looked at after a gap.

An alert evaluates a gap with a state of its own. It begins with the state that the alert had at the beginning of the
gap, and never changes the live one. Decisions, firings and this state are written in one transaction, so each alert
evaluates each late scene once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, Firings
from rtstream.store import alerts as alert_rows
from rtstream.store import gap_alerts as rows
from rtstream.store import gaps as gap_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow
from rtstream.store.indexes import SceneRow

log = logging.getLogger(__name__)

RETRY_S = 5.0
WAIT_S = 1.0
"""Pause before a gap is tried again whose live scenes before it are not evaluated yet."""
IDLE_S = 60.0
BEFORE = "the scene is older than the alert"


@dataclass(frozen=True)
class _LateScene:
    """A late scene, and the alerts that evaluate it, with their state in the gap."""

    gap: GapRow
    scene: SceneRow
    alerts: list[AlertRow]


class GapEvaluator:
    """Evaluates late scenes, one at a time.

    Args:
        db: The database.
        firings: Stores decisions and firings.
        concerned: Returns whether an alert is evaluated on scenes.
        evaluate: Evaluates alerts on a scene.
    """

    def __init__(
        self,
        db: Database,
        firings: Firings,
        concerned: Callable[[AlertRow], bool],
        evaluate: Callable[[list[AlertRow], SceneRow], Awaitable[list[Evaluation]]],
    ) -> None:
        self._db = db
        self._firings = firings
        self._concerned = concerned
        self._evaluate = evaluate
        self._changed = anyio.Event()

    def wake(self) -> None:
        """Announce a late scene, or an end of the analysis of a gap."""
        self._changed.set()

    async def run(self) -> None:
        """Evaluate late scenes until cancelled."""
        while True:
            self._changed = anyio.Event()
            try:
                if not await self._db.read(gap_rows.all_gaps):
                    found, waiting = None, False
                else:
                    found, waiting = await self._db.write(self._next)
                if found is not None:
                    await self._evaluate_scene(found)
                    continue
                pause_s = WAIT_S if waiting else IDLE_S
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "alerts could not be evaluated on a late scene", exc)
                pause_s = RETRY_S
            with anyio.move_on_after(pause_s):
                await self._changed.wait()

    def _next(self, conn: Connection) -> tuple[_LateScene | None, bool]:
        """Return the next late scene, and whether a gap waits for live scenes. Removes gaps that are done."""
        waiting = False
        for gap in gap_rows.all_gaps(conn):
            if gap.index_id is None:
                continue
            alerts = [alert for alert in alert_rows.of_index(conn, gap.index_id) if self._concerned(alert)]
            states = [(alert, self._state(conn, gap, alert)) for alert in alerts]
            waiting |= any(state is None for _, state in states)
            scenes = [
                (scene, replace(alert, state=state.state))
                for alert, state in states
                if state is not None and state.state is not None
                if (scene := rows.next_late_scene(conn, gap, state.judged_scene)) is not None
            ]
            if scenes:
                first = min((scene for scene, _ in scenes), key=lambda scene: scene.id)
                return _LateScene(gap, first, [alert for scene, alert in scenes if scene.id == first.id]), waiting
            if gap.analysed and all(state is not None for _, state in states):
                gap_rows.remove(conn, [gap.id])
        return None, waiting

    def _state(self, conn: Connection, gap: GapRow, alert: AlertRow) -> rows.GapAlert | None:
        """Return the state of an alert in a gap. None if live scenes before the gap are not evaluated yet."""
        known = rows.get(conn, gap.id, alert.id)
        if known is None and rows.reaches_gap(conn, alert.index_id, alert.judged_scene, gap.start):
            rows.insert(conn, gap.id, alert.id, alert.state)
            known = rows.get(conn, gap.id, alert.id)
        return known

    async def _evaluate_scene(self, late: _LateScene) -> None:
        scene = late.scene
        moment = EvaluatedMoment(scene.start, scene.end, scene.id, gap_id=late.gap.id)
        # A new alert evaluates only later scenes, even in a gap that began before it.
        due = [alert for alert in late.alerts if alert.created_at < scene.end]
        before = [
            Evaluation(alert, None, BEFORE, suppressed=True) for alert in late.alerts if alert.created_at >= scene.end
        ]
        evaluations: Sequence[Evaluation] = [*before, *(await self._evaluate(due, scene) if due else [])]
        await self._firings.store(moment, evaluations)
