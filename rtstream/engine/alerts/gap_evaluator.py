"""Evaluates alerts on late scenes and sentences, which were looked at or transcribed after a gap.

An alert evaluates a gap with a state of its own. It begins with the state that the alert had at the beginning of the
gap, and never changes the live one. Decisions, firings and this state are written in one transaction, so each alert
evaluates each of them once.

In a range whose analysis a user asked for, only alerts that want that are evaluated, each with a new state, even on
moments that are older than the alert.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.alerts.evaluation import NO_DESCRIPTION, evaluate_late, way_of
from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, Firings
from rtstream.engine.alerts.matcher import EventMatcher, Evidence
from rtstream.engine.alerts.speech_evaluator import BATCH_S, MAX_BATCH, spoken_moment
from rtstream.engine.alerts.state import reads_transcript
from rtstream.rules import alert_policy
from rtstream.rules.alert_policy import AlertState
from rtstream.states import SceneStatus
from rtstream.store import alerts as alert_rows
from rtstream.store import gap_alerts as rows
from rtstream.store import gaps as gap_rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.gaps import GapRow
from rtstream.store.transcripts import TranscriptSegmentRow

log = logging.getLogger(__name__)

RETRY_S = 5.0
WAIT_S = 1.0
"""Pause before a gap is tried again whose live scenes before it are not evaluated yet."""
IDLE_S = 60.0
BEFORE = "it is older than the alert"


@dataclass(frozen=True)
class _LateMoment:
    """A late scene or late sentences, and the alerts that evaluate it, with their state in the gap.

    ``evidence`` is None if a scene could not be described. ``requested``: a user asked for its analysis.
    """

    moment: EvaluatedMoment
    evidence: Evidence | None
    alerts: Sequence[AlertRow]
    requested: bool = False


class GapEvaluator:
    """Evaluates late scenes and sentences, one moment at a time.

    Args:
        db: The database.
        firings: Stores decisions and firings.
        matcher: Decides events.
        engine_of: Returns the speech engine whose transcript alerts of a stream read, or an empty string.
    """

    def __init__(self, db: Database, firings: Firings, matcher: EventMatcher, engine_of: Callable[[str], str]) -> None:
        self._db = db
        self._firings = firings
        self._matcher = matcher
        self._engine_of = engine_of
        self._changed = anyio.Event()

    def wake(self) -> None:
        """Announce a late scene, late sentences, or an end of the analysis of a gap."""
        self._changed.set()

    async def run(self) -> None:
        """Evaluate late scenes and sentences until cancelled."""
        while True:
            self._changed = anyio.Event()
            try:
                if not await self._db.read(gap_rows.all_gaps):
                    found, waiting = None, False
                else:
                    found, waiting = await self._db.write(self._next)
                if found is not None:
                    await self._evaluate(found)
                    continue
                pause_s = WAIT_S if waiting else IDLE_S
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "alerts could not be evaluated on the past", exc)
                pause_s = RETRY_S
            with anyio.move_on_after(pause_s):
                await self._changed.wait()

    def _next(self, conn: Connection) -> tuple[_LateMoment | None, bool]:
        """Return the next late moment, and whether a gap waits for live ones. Removes gaps that are done."""
        waiting = False
        for gap in gap_rows.all_gaps(conn):
            if gap.index_id is None and not gap.analysed:  # its sentences are stored in any order until then
                continue
            alerts = self._concerned(conn, gap)
            states = [(alert, self._state(conn, gap, alert)) for alert in alerts]
            waiting |= any(state is None for _, state in states)
            known = [
                replace(alert, state=state.state, judged_scene=state.judged_scene)
                for alert, state in states
                if state is not None and state.state is not None
            ]
            late = self._late_scene(conn, gap, known) if gap.index_id else self._late_speech(conn, gap, known)
            if late is not None:
                return late, waiting
            if gap.analysed and all(state is not None for _, state in states):
                gap_rows.remove(conn, [gap.id])
        return None, waiting

    def _concerned(self, conn: Connection, gap: GapRow) -> list[AlertRow]:
        """Return the alerts that evaluate a gap."""
        if gap.index_id is not None:
            found = alert_rows.of_index(conn, gap.index_id)
        elif gap.engine == self._engine_of(gap.stream_id):
            found = [alert for alert in alert_rows.without_index(conn, gap.stream_id) if reads_transcript(alert)]
        else:
            found = []
        if gap.requested:
            found = [alert for alert in found if alert_policy.options(alert.options).fires_on_past]
        return [alert for alert in found if way_of(self._matcher, alert) is not None]

    @staticmethod
    def _late_scene(conn: Connection, gap: GapRow, alerts: Sequence[AlertRow]) -> _LateMoment | None:
        scenes = [
            (scene, alert)
            for alert in alerts
            if (scene := rows.next_late_scene(conn, gap, alert.judged_scene)) is not None
        ]
        if not scenes:
            return None
        first = min((scene for scene, _ in scenes), key=lambda scene: scene.id)
        evidence = Evidence.of_scene(first) if first.status is SceneStatus.OK else None
        moment = EvaluatedMoment(first.start, first.end, first.id, gap_id=gap.id, seen=first.detail.seen)
        return _LateMoment(moment, evidence, [alert for scene, alert in scenes if scene.id == first.id], gap.requested)

    def _late_speech(self, conn: Connection, gap: GapRow, alerts: Sequence[AlertRow]) -> _LateMoment | None:
        """Return the next sentence for rules, or the next sentences that a model is asked about together."""
        found = [(sentences, alert) for alert in alerts if (sentences := self._sentences(conn, gap, alert))]
        if not found:
            return None
        first = min((sentences for sentences, _ in found), key=lambda one: (one[0].id, one[-1].id))
        same = [alert for sentences, alert in found if [one.id for one in sentences] == [one.id for one in first]]
        late = spoken_moment(conn, first, same, gap.id)
        return _LateMoment(late.moment, late.evidence, same, gap.requested)

    def _sentences(self, conn: Connection, gap: GapRow, alert: AlertRow) -> list[TranscriptSegmentRow]:
        of_model = way_of(self._matcher, alert) == "model"
        end = time.time() if gap.end is None else gap.end
        found = transcript_rows.late_speech(
            conn, gap.stream_id, gap.engine, gap.start, end, alert.judged_scene, MAX_BATCH if of_model else 1
        )
        return [one for one in found if one.start - found[0].start < BATCH_S]

    def _state(self, conn: Connection, gap: GapRow, alert: AlertRow) -> rows.GapAlert | None:
        """Return the state of an alert in a gap. None if live moments before the gap are not evaluated yet."""
        known = rows.get(conn, gap.id, alert.id)
        if known is None and gap.requested:
            rows.insert(conn, gap.id, alert.id, AlertState())
            known = rows.get(conn, gap.id, alert.id)
        elif known is None and _reaches(conn, gap, alert):
            rows.insert(conn, gap.id, alert.id, alert.state)
            known = rows.get(conn, gap.id, alert.id)
        return known

    async def _evaluate(self, late: _LateMoment) -> None:
        moment = late.moment
        # A new alert evaluates only later moments, even in a gap of the engine that began before it.
        due = [alert for alert in late.alerts if late.requested or alert.created_at < moment.end]
        evaluations = [Evaluation(alert, None, BEFORE, suppressed=True) for alert in late.alerts if alert not in due]
        if late.evidence is None:
            evaluations += [Evaluation(alert, None, NO_DESCRIPTION) for alert in due]
        elif due:
            evaluations += await evaluate_late(self._matcher, due, late.evidence)
        await self._firings.store(moment, evaluations)


def _reaches(conn: Connection, gap: GapRow, alert: AlertRow) -> bool:
    if gap.index_id is None:
        return rows.speech_reaches_gap(conn, gap, alert.judged_scene)
    return rows.reaches_gap(conn, gap.index_id, alert.judged_scene, gap.start)
