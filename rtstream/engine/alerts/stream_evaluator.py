"""Alerts on the stream itself: lost or back, speech begun or ended, judged from the entries of the journal.

Each such alert remembers the newest entry it has judged, in the same transaction that writes what follows from it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

import anyio
from anyio.abc import TaskGroup
from sqlalchemy import Connection, Row

from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, FiringWriter
from rtstream.engine.alerts.matcher import EventMatcher
from rtstream.engine.journal import Journal
from rtstream.json_types import JsonObject
from rtstream.models import Message
from rtstream.rules.detection import Connection as Connected
from rtstream.rules.detection import Facts, Rule, Speech
from rtstream.rules.event_rules import rule_for_event
from rtstream.store import alerts as rows
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store.database import Database
from rtstream.store.journal import Filter

log = logging.getLogger(__name__)

WATCHED = Filter(channels=("health", "transcript"))
CONNECTED = {"connected": True, "reconnecting": False, "error": False}
"""What a stream's health says of its connection; its other states say nothing."""
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
                    cursor = min(alert.state["journal"] for alert in alerts)
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
        kind, facts, kept = _facts(message)
        if kind is None:
            return

        def due(conn: Connection) -> list[Row[Any]]:
            found = _watching(conn, message.rtstream_id)
            return [alert for alert in found if alert.state["journal"] < message.seq]

        alerts = [alert for alert in await self._db.read(due) if isinstance(_rule(alert).conditions[0], kind)]
        data = message.data
        start, end = (data["start"], data["end"]) if kind is Speech else (data["since"], data["since"])
        await self._record(alerts, facts, EvaluatedMoment(start, end, kept={"journal": message.seq, **kept}))

    async def _silences(self, alerts: Iterable[Row[Any]]) -> float:
        """Judge the alerts on speech whose silence is long enough; gives when the next one may be."""
        following = float("inf")
        now = time.time()
        for alert in alerts:
            condition = _rule(alert).conditions[0]
            if not isinstance(condition, Speech) or not alert.state.get("present"):
                continue
            ended = alert.state["spoken"]
            heard_s = UTTERANCE_S + alert.state.get("late_s", 0.0)
            due = ended + condition.for_s + heard_s
            if due <= now:
                silence = Facts(speech=False, silence_s=max(condition.for_s, now - heard_s - ended))
                await self._record([alert], silence, EvaluatedMoment(ended, ended + condition.for_s))
            else:
                following = min(following, due)
        return following

    async def _record(self, alerts: list[Row[Any]], facts: Facts, moment: EvaluatedMoment) -> None:
        judged = [
            Evaluation(alert, self._judge.by_rule(_rule(alert), facts, alert.state.get("present"))) for alert in alerts
        ]
        for _, of_index in groupby(judged, key=lambda one: one.alert.index_id):
            sent = await self._db.write(self._firing.record, moment, list(of_index))
            if sent is not None:
                self._on_webhooks(sent)
                self._journal.wake()


def begin(conn: Connection, alert: Row[Any]) -> None:
    """Let an alert on a stream itself look at what comes from now on; how the stream stands now is its last look."""
    if not _of_journal(alert):
        return
    state: JsonObject = {"journal": journal_rows.latest(conn)}
    stream = stream_rows.get(conn, index_rows.get(conn, alert.index_id).stream_id)
    connected = CONNECTED.get(stream.health.get("state"))
    if isinstance(_rule(alert).conditions[0], Connected) and connected is not None:
        state["present"] = connected
    rows.change_alert(conn, alert.id, state=state)


def _watching(conn: Connection, stream_id: str | None = None) -> list[Row[Any]]:
    """The alerts on streams themselves, by index."""
    found = [alert for alert in rows.with_stream(conn, stream_id) if "journal" in alert.state and _of_journal(alert)]
    return sorted(found, key=lambda alert: alert.index_id)


def _of_journal(alert: Row[Any]) -> bool:
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    return rule is not None and rule.concerns_stream


def _rule(alert: Row[Any]) -> Rule:
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    assert rule is not None
    return rule


def _facts(message: Message) -> tuple[type[Speech | Connected] | None, Facts, JsonObject]:
    """What kind of rule an entry speaks to, what it says, and what to keep of it."""
    data = message.data
    if message.channel == "transcript":
        if data.get("kind") == "gap":
            return None, Facts(), {}
        # HLS comes half a minute late and more, and speech may wait to be transcribed: so does what follows it.
        late_s = datetime.fromisoformat(message.timestamp).timestamp() - data["end"]
        return Speech, Facts(speech=True), {"spoken": data["end"], "late_s": max(0.0, late_s)}
    connected = CONNECTED.get(data["state"])
    if connected is None:
        return None, Facts(), {}
    return Connected, Facts(connected=connected, reason=data.get("reason") or ""), {}
