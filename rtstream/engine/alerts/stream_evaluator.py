"""Evaluates alerts on the stream itself (connection lost or restored, speech started or ended) on journal entries.

Each of these alerts stores the number of the newest entry it has evaluated, in the same transaction that writes the
results.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.concurrency import log_failure
from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, Firings
from rtstream.engine.alerts.matcher import EventMatcher
from rtstream.engine.alerts.state import CONNECTED, concerns_stream, evaluated, hears_speech
from rtstream.engine.journal import Journal
from rtstream.models import Message
from rtstream.rules.alert_policy import CLOCK_SET_BACK_S, JournalEvidence
from rtstream.rules.detection import Connection as Connected
from rtstream.rules.detection import Facts, Rule, Speech
from rtstream.rules.event_rules import rule_for_event
from rtstream.store import alerts as rows
from rtstream.store import gaps as gap_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.journal import Filter

log = logging.getLogger(__name__)

WATCHED = Filter(channels=("health", "transcript"))
UTTERANCE_S = 20.0
"""Longest utterance, and therefore the longest delay until speech appears in the transcript."""
RETRY_S = 5.0
IDLE_S = 3600.0


class StreamEvaluator:
    """Evaluates alerts on streams as long as there are any. The arguments are those of ``SceneEvaluator``."""

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        journal: Journal,
        matcher: EventMatcher,
        firings: Firings,
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._journal = journal
        self._matcher = matcher
        self._firings = firings
        self._running = False
        self._asked = False
        self._set_back: dict[str, float] = {}  # by alert: Unix seconds at which the clock was found to be set back

    def start(self) -> None:
        """Follow the journal as long as there are alerts on streams. Call it when one may have been added."""
        self._asked = True
        if not self._running:
            self._running = True
            self._tasks.start_soon(self._run)

    async def _run(self) -> None:
        cursor: int | None = None
        while True:
            self._asked = False
            try:
                alerts = await self._db.read(_alerts_on_streams)
                if not alerts:
                    if self._asked:
                        continue
                    self._running = False
                    return
                if cursor is None:
                    cursor = min(evaluated(alert) for alert in alerts)
                silent_at = await self._silences(alerts)
                page = await self._journal.read(cursor, WATCHED, wait_s=max(0.0, min(IDLE_S, silent_at - time.time())))
                for message in page.entries:
                    await self._entry(message)
                cursor = page.cursor
            except Exception as exc:  # noqa: BLE001 - logged
                log_failure(log, "alerts on streams could not be evaluated", exc)
                await anyio.sleep(RETRY_S)

    async def _entry(self, message: Message) -> None:
        """Evaluate one entry with the alerts of its stream that have not evaluated it yet."""
        kind, facts, entry = _facts(message)
        if kind is None:
            return

        def due(conn: Connection) -> list[AlertRow]:
            found = _alerts_on_streams(conn, message.rtstream_id)
            return [alert for alert in found if evaluated(alert) < message.seq]

        alerts = [alert for alert in await self._db.read(due) if isinstance(_rule(alert).conditions[0], kind)]
        data = message.data
        start, end = (data["start"], data["end"]) if kind is Speech else (data["since"], data["since"])
        await self._store(alerts, facts, EvaluatedMoment(start, end, entry=entry))

    async def _silences(self, alerts: Iterable[AlertRow]) -> float:
        """Evaluate the alerts on speech whose silence is long enough.

        Returns:
            Unix time at which the next silence may be long enough, or infinity.
        """
        following = float("inf")
        now = time.time()
        gaps = await self._db.read(_speech_gaps)
        for alert in alerts:
            condition = _rule(alert).conditions[0]
            if not isinstance(condition, Speech) or not alert.state.present:
                continue
            spoken = max(alert.state.spoken or 0.0, alert.state.heard_from or 0.0)
            for start, end in gaps.get(alert.stream_id, ()):
                if start <= spoken + condition.for_s:  # the gap is evaluated once it is transcribed
                    spoken = max(spoken, now if end is None else end)
            ended = self._heard(alert.id, spoken, now)
            delay_s = UTTERANCE_S + alert.state.late_s
            due = ended + condition.for_s + delay_s
            if due <= now:
                silence = Facts(speech=False, silence_s=max(condition.for_s, now - delay_s - ended))
                await self._store([alert], silence, EvaluatedMoment(spoken, spoken + condition.for_s))
            else:
                following = min(following, due)
        return following

    def _heard(self, alert_id: str, spoken: float, now: float) -> float:
        """Return when the last speech ended, or the present time when the clock is found to be set back since."""
        if spoken <= now + CLOCK_SET_BACK_S:
            self._set_back.pop(alert_id, None)
            return spoken
        return self._set_back.setdefault(alert_id, now)

    async def _store(self, alerts: list[AlertRow], facts: Facts, moment: EvaluatedMoment) -> None:
        evaluations = [
            Evaluation(alert, self._matcher.match_rule(_rule(alert), facts, alert.state.present)) for alert in alerts
        ]
        for _, of_place in groupby(evaluations, key=lambda evaluation: _place(evaluation.alert)):
            await self._firings.store(moment, list(of_place))


def _place(alert: AlertRow) -> tuple[str, str]:
    return alert.stream_id, alert.index_id


def _alerts_on_streams(conn: Connection, stream_id: str | None = None) -> list[AlertRow]:
    """Return the alerts on streams, sorted by stream and index."""
    found = rows.of_streams(conn, stream_id)
    found = [alert for alert in found if alert.state.journal is not None and _can_fire(alert)]
    return sorted(found, key=_place)


def _can_fire(alert: AlertRow) -> bool:
    return hears_speech(alert) or (concerns_stream(alert) and isinstance(_rule(alert).conditions[0], Connected))


def _speech_gaps(conn: Connection) -> dict[str, list[tuple[float, float | None]]]:
    """Return start and end of the gaps of transcripts that are not transcribed yet, by their streams."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    for gap in gap_rows.of_speech(conn):
        found.setdefault(gap.stream_id, []).append((gap.start, gap.end))
    return found


def _rule(alert: AlertRow) -> Rule:
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    assert rule is not None
    return rule


def _facts(message: Message) -> tuple[type[Speech | Connected] | None, Facts, JournalEvidence]:
    """Return the kind of condition that an entry concerns, its facts, and the evidence to store.

    The kind is None if no alert can fire on the entry.
    """
    data = message.data
    if message.channel == "transcript":
        if data.get("kind") == "gap" or data.get("late"):  # speech of the past does not change the live state
            return None, Facts(), JournalEvidence(message.seq)
        # HLS arrives half a minute late or more, and speech waits to be transcribed. Silence is known equally late.
        late_s = datetime.fromisoformat(message.timestamp).timestamp() - data["end"]
        return Speech, Facts(speech=True), JournalEvidence(message.seq, data["end"], max(0.0, late_s))
    connected = CONNECTED.get(data["state"])
    if connected is None:
        return None, Facts(), JournalEvidence(message.seq)
    return Connected, Facts(connected=connected, reason=data.get("reason") or ""), JournalEvidence(message.seq)
