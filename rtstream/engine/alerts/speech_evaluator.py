"""Evaluates alerts on the transcript of a stream, sentence by sentence, exactly once, even after a crash.

Each alert stores the number of the newest segment that it has evaluated, in the transaction that writes the decision
and the firing. A model is asked about all sentences of ``BATCH_S`` together.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.alerts.evaluation import Way, evaluate, way_of
from rtstream.engine.alerts.firings import EvaluatedMoment, Firings
from rtstream.engine.alerts.matcher import EventMatcher, Evidence
from rtstream.engine.alerts.state import reads_transcript
from rtstream.engine.journal import Journal
from rtstream.store import alerts as rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.journal import Filter
from rtstream.store.transcripts import TranscriptSegmentRow

log = logging.getLogger(__name__)

SPEECH = Filter(channels=("transcript",))
LEAD_S = 2.0
"""Longest pause in seconds within a phrase that begins in one sentence and ends in the next."""
BATCH_S = 10.0
"""Seconds for which sentences are gathered before a model is asked about them."""
MAX_BATCH = 50
"""Most sentences that a model is asked about at once."""
RETRY_S = 5.0
IDLE_S = 3600.0


@dataclass(frozen=True)
class SpokenMoment:
    """Sentences of a transcript on which alerts are evaluated."""

    evidence: Evidence
    moment: EvaluatedMoment
    alerts: Sequence[AlertRow]


class SpeechEvaluator:
    """Evaluates alerts on transcripts as long as there are any. The arguments are those of ``SceneEvaluator``."""

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
        self._journal = journal
        self._matcher = matcher
        self._firings = firings
        self._engine_of = engine_of
        self._running: set[Way] = set()
        self._asked: set[Way] = set()

    def start(self) -> None:
        """Follow the transcripts as long as there are alerts on them. Call it when one may have been added."""
        ways: tuple[Way, ...] = ("rule", "model")
        for way in ways:
            self._asked.add(way)
            if way not in self._running:
                self._running.add(way)
                self._tasks.start_soon(self._run, way)

    async def _run(self, way: Way) -> None:
        cursor: int | None = None
        due: dict[str, float] = {}  # by stream: Unix time at which gathered sentences are shown to the model
        while True:
            self._asked.discard(way)
            try:
                streams = await self._db.read(self._streams, way)
                if not streams:
                    if way in self._asked:
                        continue
                    self._running.discard(way)
                    return
                if cursor is None:
                    cursor, changed = await self._journal.latest(), set(streams)
                else:
                    wait_s = max(0.0, min(IDLE_S, min(due.values(), default=math.inf) - time.time()))
                    page = await self._journal.read(cursor, SPEECH, wait_s=wait_s)
                    cursor, now = page.cursor, time.time()
                    changed = {entry.rtstream_id for entry in page.entries}
                    changed |= {stream_id for stream_id, at in due.items() if at <= now}
                for stream_id in changed:
                    due[stream_id] = await self._catch_up(stream_id, way)
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "alerts on transcripts could not be evaluated", exc)
                cursor = None
                await anyio.sleep(RETRY_S)

    def _streams(self, conn: Connection, way: Way) -> list[str]:
        return list(dict.fromkeys(alert.stream_id for alert in self._alerts(conn, way)))

    def _alerts(self, conn: Connection, way: Way, stream_id: str | None = None) -> list[AlertRow]:
        found = rows.without_index(conn, stream_id)
        return [alert for alert in found if reads_transcript(alert) and way_of(self._matcher, alert) == way]

    async def _catch_up(self, stream_id: str, way: Way) -> float:
        """Evaluate the sentences of a stream that some alerts have not evaluated.

        Returns:
            Unix time at which more sentences are due without a new one, or infinity.
        """
        while True:
            said, due = await self._db.read(self._next, stream_id, way)
            if said is None:
                return due
            evaluations = await evaluate(self._matcher, list(said.alerts), said.evidence)
            await self._firings.store(said.moment, evaluations)

    def _next(self, conn: Connection, stream_id: str, way: Way) -> tuple[SpokenMoment | None, float]:
        """Return the next sentences, or the time at which they are due."""
        alerts = self._alerts(conn, way, stream_id)
        engine = self._engine_of(stream_id)
        if not alerts or not engine:
            return None, math.inf
        since = min(alert.judged_scene for alert in alerts)
        found = transcript_rows.speech_after(conn, stream_id, engine, since, MAX_BATCH if way == "model" else 1)
        if not found:
            return None, math.inf
        # An alert that was created meanwhile evaluates only the sentences since then.
        later = [alert.judged_scene for alert in alerts if alert.judged_scene >= found[0].id]
        found = [one for one in found if one.id <= min(later, default=one.id)]
        due = found[0].created_at + BATCH_S
        if way == "model" and not later and len(found) < MAX_BATCH and 0 < due - time.time() <= BATCH_S:
            return None, due
        return spoken_moment(conn, found, [alert for alert in alerts if alert.judged_scene < found[0].id]), 0.0


def spoken_moment(
    conn: Connection, found: Sequence[TranscriptSegmentRow], alerts: Sequence[AlertRow], gap_id: int = 0
) -> SpokenMoment:
    """Return consecutive sentences as one moment. ``gap_id`` is the gap in which they were transcribed later."""
    lead = transcript_rows.speech_before(conn, found[0], LEAD_S)
    texts = [" ".join(one.text for one in found)]
    if any(one.heard for one in found):
        texts.append(" ".join(one.heard or one.text for one in found))
    moment = EvaluatedMoment(
        min(one.start for one in found), max(one.end for one in found), gap_id=gap_id, segment_id=found[-1].id
    )
    return SpokenMoment(Evidence.of_speech(texts, lead.text if lead else ""), moment, alerts)
