"""Alerts on the stream itself: lost or back, speech begun or ended, judged from the entries of the journal.

Each such alert remembers the newest entry it has judged, in the same transaction that writes what follows from it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection

from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, FiringWriter
from rtstream.engine.alerts.matcher import EventMatcher
from rtstream.engine.alerts.state import CONNECTED, concerns_stream, evaluated
from rtstream.engine.journal import Journal
from rtstream.models import Message
from rtstream.rules.alert_policy import JournalEvidence
from rtstream.rules.detection import Connection as Connected
from rtstream.rules.detection import Facts, Rule, Speech
from rtstream.rules.event_rules import rule_for_event
from rtstream.store import alerts as rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.journal import Filter

log = logging.getLogger(__name__)

WATCHED = Filter(channels=("health", "transcript"))
UTTERANCE_S = 20.0
"""Longest utterance: what was said is known to be said this much later."""
RETRY_S = 5.0
IDLE_S = 3600.0


class StreamEvaluator:
    """Judges while there are alerts on streams themselves."""

    def __init__(
        self,
        tasks: TaskGroup,
        db: Database,
        journal: Journal,
        judge: EventMatcher,
        firing: FiringWriter,
        on_webhooks: Callable[[list[str]], None],
    ) -> None:
        self._tasks = tasks
        self._db = db
        self._journal = journal
        self._judge = judge
        self._firing = firing
        self._on_webhooks = on_webhooks
        self._running = False
        self._asked = False

    def start(self) -> None:
        """There may be such alerts, or new ones: follow the journal as long as there are."""
        self._asked = True
        if not self._running:
            self._running = True
            self._tasks.start_soon(self._run)

    async def _run(self) -> None:
        cursor: int | None = None
        while True:
            self._asked = False
            try:
                alerts = await self._db.read(_watching)
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
            except Exception:
                log.exception("alerts on streams could not be judged")
                await anyio.sleep(RETRY_S)

    async def _entry(self, message: Message) -> None:
        """Judge one entry with the alerts of its stream that have not."""
        kind, facts, entry = _facts(message)
        if kind is None:
            return

        def due(conn: Connection) -> list[AlertRow]:
            found = _watching(conn, message.rtstream_id)
            return [alert for alert in found if evaluated(alert) < message.seq]

        alerts = [alert for alert in await self._db.read(due) if isinstance(_rule(alert).conditions[0], kind)]
        data = message.data
        start, end = (data["start"], data["end"]) if kind is Speech else (data["since"], data["since"])
        await self._record(alerts, facts, EvaluatedMoment(start, end, entry=entry))

    async def _silences(self, alerts: Iterable[AlertRow]) -> float:
        """Judge the alerts on speech whose silence is long enough; gives when the next one may be."""
        following = float("inf")
        now = time.time()
        for alert in alerts:
            condition = _rule(alert).conditions[0]
            if not isinstance(condition, Speech) or not alert.state.present:
                continue
            ended = alert.state.spoken or 0.0
            heard_s = UTTERANCE_S + alert.state.late_s
            due = ended + condition.for_s + heard_s
            if due <= now:
                silence = Facts(speech=False, silence_s=max(condition.for_s, now - heard_s - ended))
                await self._record([alert], silence, EvaluatedMoment(ended, ended + condition.for_s))
            else:
                following = min(following, due)
        return following

    async def _record(self, alerts: list[AlertRow], facts: Facts, moment: EvaluatedMoment) -> None:
        judged = [Evaluation(alert, self._judge.by_rule(_rule(alert), facts, alert.state.present)) for alert in alerts]
        for _, of_index in groupby(judged, key=lambda one: one.alert.index_id):
            sent = await self._db.write(self._firing.record, moment, list(of_index))
            if sent is not None:
                self._on_webhooks(sent)
                self._journal.wake()


def _watching(conn: Connection, stream_id: str | None = None) -> list[AlertRow]:
    """The alerts on streams themselves, by index."""
    found = rows.of_streams(conn, stream_id)
    found = [alert for alert in found if alert.state.journal is not None and concerns_stream(alert)]
    return sorted(found, key=lambda alert: alert.index_id)


def _rule(alert: AlertRow) -> Rule:
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    assert rule is not None
    return rule


def _facts(message: Message) -> tuple[type[Speech | Connected] | None, Facts, JournalEvidence]:
    """What kind of rule an entry speaks to, what it says, and what to keep of it."""
    data = message.data
    if message.channel == "transcript":
        if data.get("kind") == "gap":
            return None, Facts(), JournalEvidence(message.seq)
        # HLS comes half a minute late and more, and speech may wait to be transcribed: so does what follows it.
        late_s = datetime.fromisoformat(message.timestamp).timestamp() - data["end"]
        return Speech, Facts(speech=True), JournalEvidence(message.seq, data["end"], max(0.0, late_s))
    connected = CONNECTED.get(data["state"])
    if connected is None:
        return None, Facts(), JournalEvidence(message.seq)
    return Connected, Facts(connected=connected, reason=data.get("reason") or ""), JournalEvidence(message.seq)
