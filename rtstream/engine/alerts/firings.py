"""Stores the results of an evaluated moment: decisions, alerts in the journal, and webhooks, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.alerts.matcher import MatchResult
from rtstream.engine.alerts.state import advanced
from rtstream.engine.journal import Journal
from rtstream.json_types import JsonObject
from rtstream.rules import alert_policy
from rtstream.rules.alert_policy import AlertState, JournalEvidence
from rtstream.rules.link_targets import LinkTarget, window_target
from rtstream.states import AlertStatus, DeliveryState, Outcome, PinKind
from rtstream.store import alerts as rows
from rtstream.store import deliveries as outbox
from rtstream.store import gap_alerts
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.database import Database
from rtstream.store.journal import Entry, utc

Links = Callable[[Connection, Sequence[LinkTarget]], list[dict[str, str]]]
"""``links(conn, windows)`` creates the links to the evidence in these windows and returns the URLs of each."""


@dataclass(frozen=True)
class EvaluatedMoment:
    """A moment on which alerts are evaluated: a scene, sentences of a transcript or a journal entry.

    ``start`` and ``end`` are in Unix seconds.
    """

    start: float
    end: float
    scene_id: int = 0
    """Number of the scene, or 0 if the moment is not a scene."""
    entry: JournalEvidence | None = None
    """The evaluated journal entry, or None if the moment is anything else."""
    gap_id: int = 0
    """The gap of a scene or of speech that was analysed later, else 0."""
    segment_id: int = 0
    """Number of the newest segment of the transcript, or 0 for any other moment."""
    seen: float | None = None
    """Unix time of the picture of a scene from which its text was read, if there is one."""

    @property
    def number(self) -> int:
        """Number of the scene or segment, or 0 if the moment is neither."""
        return self.scene_id or self.segment_id


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating one alert.

    ``result`` is None if the event was not evaluated. ``blocked`` is the reason for that.
    """

    alert: AlertRow
    result: MatchResult | None
    blocked: str = ""
    suppressed: bool = False
    """Whether it was not evaluated on purpose."""


class FiringWriter:
    """Stores decisions and firings.

    Args:
        links: Creates the links to the evidence.
        pre_s: Seconds of evidence before a moment, unless the alert sets its own.
        post_s: Seconds of evidence after a moment, unless the alert sets its own.
    """

    def __init__(self, links: Links, pre_s: float, post_s: float) -> None:
        self._links = links
        self._pre_s = pre_s
        self._post_s = post_s

    def store(self, conn: Connection, moment: EvaluatedMoment, evaluations: Sequence[Evaluation]) -> list[str] | None:
        """Store decisions, alert states, firings and webhooks of an evaluated moment.

        Returns:
            The ids of the alerts that have a webhook to send, or None if no alert fired.
        """
        # Alerts that were deleted or whose event was changed during the evaluation are skipped.
        status = self._unevaluated(conn, moment, [evaluation.alert for evaluation in evaluations])
        evaluated = [evaluation.alert for evaluation in evaluations if evaluation.alert.id in status]
        if evaluated and not moment.gap_id:
            states = {alert.id: alert.state for alert in evaluated}
            if moment.scene_id:
                gap_alerts.begin(conn, evaluated[0].index_id, states, moment.start)
            else:
                gap_alerts.begin_speech(conn, evaluated[0].stream_id, states, moment.start)
        decisions: list[JsonObject] = []
        changes: list[JsonObject] = []
        fired: list[tuple[AlertRow, MatchResult, JsonObject]] = []
        for evaluation in evaluations:
            alert = evaluation.alert
            if alert.id not in status:
                continue
            decision, state, fires = _step(moment, evaluation, enabled=status[alert.id] is AlertStatus.ENABLED)
            decisions.append(decision)
            if moment.gap_id:
                gap_alerts.advance(conn, moment.gap_id, alert.id, state, moment.number, int(fires))
            else:
                changes.append(
                    {
                        "alert_id": alert.id,
                        "judged_scene": max(alert.judged_scene, moment.number),
                        "state": state.to_json(),
                        "fires": int(fires),
                    }
                )
            if fires and evaluation.result is not None:
                fired.append((alert, evaluation.result, decision))
        rows.store_evaluations(conn, changes)
        sent = self._fire(conn, moment, fired) if fired else None
        rows.add_decisions(conn, decisions)
        return sent

    @staticmethod
    def _unevaluated(conn: Connection, moment: EvaluatedMoment, alerts: Sequence[AlertRow]) -> dict[str, AlertStatus]:
        """Return the status of the alerts that still exist and have not evaluated a moment, by id."""
        if not moment.gap_id:
            return rows.unevaluated(conn, [alert.id for alert in alerts], moment.number)
        status = rows.unevaluated(conn, [alert.id for alert in alerts], 0)
        if not moment.number:  # a silence: evaluated in one transaction with the end of the gap
            return status
        states = {alert_id: gap_alerts.get(conn, moment.gap_id, alert_id) for alert_id in status}
        return {
            alert_id: status[alert_id]
            for alert_id, known in states.items()
            if known is not None and known.state is not None and known.judged_scene < moment.number
        }

    def _fire(
        self, conn: Connection, moment: EvaluatedMoment, fired: list[tuple[AlertRow, MatchResult, JsonObject]]
    ) -> list[str]:
        first = fired[0][0]
        stream = stream_rows.get(conn, first.stream_id)
        name = stream.name
        index_name = (index_rows.get(conn, first.index_id).name or "") if first.index_id else ""
        windows = [
            window_target(
                stream.id,
                moment.start - alert.options.get("pre_s", self._pre_s),
                moment.end + alert.options.get("post_s", self._post_s),
                alert.event_label,
            )
            for alert, _, _ in fired
        ]
        owners: dict[tuple[float, float], str] = {}
        for (alert, _, _), window in zip(fired, windows, strict=True):
            owners.setdefault((window.start, window.end), alert.id)
        for (start, end), alert_id in owners.items():
            recording_rows.pin(conn, stream.id, start, end, PinKind.ALERT, alert_id)
        now = time.time()
        links = self._links(conn, windows)
        entries = [
            Entry(
                "alert",
                _data(moment, alert, result, now, index_name) | urls,
                stream.id,
                name,
                alert.index_id,
                alert.id,
                at=now,
            )
            for (alert, result, _), urls in zip(fired, links, strict=True)
        ]
        webhooks: list[JsonObject] = []
        seqs = journal_rows.append_all(conn, entries)
        for (alert, result, decision), urls, seq in zip(fired, links, seqs, strict=True):
            decision["seq"] = seq
            if alert.callback_url:
                about = {"rtstream_id": stream.id, "rtstream_name": name, "seq": seq}
                webhooks.append(_webhook(alert, seq, now, _payload(moment, alert, result, now) | urls | about))
        outbox.insert(conn, *webhooks)
        return [webhook["alert_id"] for webhook in webhooks]


class Firings:
    """Stores evaluated moments, and announces the firings among them.

    Args:
        db: The database.
        journal: Journal that is notified of firings.
        writer: Stores decisions and firings.
        on_webhooks: Called with the ids of alerts that have a webhook to send.
    """

    def __init__(
        self, db: Database, journal: Journal, writer: FiringWriter, on_webhooks: Callable[[list[str]], None]
    ) -> None:
        self._db = db
        self._journal = journal
        self._writer = writer
        self._on_webhooks = on_webhooks

    async def store(self, moment: EvaluatedMoment, evaluations: Sequence[Evaluation]) -> None:
        """Store the evaluations of a moment. Raises DatabaseUnavailable."""
        sent = await self._db.write(self._writer.store, moment, evaluations)
        if sent is not None:
            self.announce(sent)

    def store_within(self, conn: Connection, moment: EvaluatedMoment, evaluations: Sequence[Evaluation]) -> list[str]:
        """Store the evaluations of a moment in a transaction of the caller.

        Returns:
            The ids of the alerts that have a webhook to send. The caller announces them after the commit.
        """
        return self._writer.store(conn, moment, evaluations) or []

    def announce(self, with_webhook: list[str]) -> None:
        """Announce firings that are stored."""
        self._on_webhooks(with_webhook)
        self._journal.wake()


def _step(moment: EvaluatedMoment, evaluation: Evaluation, *, enabled: bool) -> tuple[JsonObject, AlertState, bool]:
    """Return the decision to log, the alert state after it, and whether the alert fires."""
    alert, result = evaluation.alert, evaluation.result
    decision = {
        "alert_id": alert.id,
        "scene_id": moment.scene_id or -moment.gap_id,
        "segment_id": moment.segment_id or None,
        "at": time.time(),
        "outcome": Outcome.FAILED if enabled and not evaluation.suppressed else Outcome.SUPPRESSED,
        "reason": evaluation.blocked,
        "confidence": None,
        "explanation": "",
        "seq": None,
    }
    if result is None:
        return decision, advanced(alert.state, moment.entry), False
    if result.outcome is Outcome.FAILED:
        return (
            decision | {"outcome": Outcome.FAILED, "reason": result.reason},
            advanced(alert.state, moment.entry),
            False,
        )
    after, fires, reason = alert_policy.step(
        alert_policy.options(alert.options),
        alert.state,
        result.confidence if result.outcome is Outcome.MATCH else None,
        moment.end,
        enabled,
        late=moment.gap_id > 0,
    )
    outcome = Outcome.FIRED if fires else Outcome.SUPPRESSED if reason else result.outcome
    decision |= {
        "outcome": outcome,
        "reason": alert_policy.IN_WORDS[reason] or result.reason,
        "confidence": result.confidence,
        "explanation": result.explanation,
    }
    return decision, advanced(replace(after, present=result.present), moment.entry), fires


def _data(moment: EvaluatedMoment, alert: AlertRow, result: MatchResult, now: float, index_name: str) -> JsonObject:
    """Return the alert in the form stored in the journal and sent over the WebSocket."""
    return {
        "alert_id": alert.id,
        "event_id": alert.event_id,
        "label": alert.event_label,
        "event_label": alert.event_label,
        "triggered": True,
        "confidence": result.confidence,
        "explanation": result.explanation,
        "text": result.explanation,
        "timestamp": now,
        "start": moment.start,
        "end": moment.end,
        "scene_id": moment.scene_id or None,
        "rtstream_index_id": alert.index_id,
        "index_name": index_name,
        **({} if moment.seen is None else {"seen": moment.seen}),
        **_late(moment),
    }


def _late(moment: EvaluatedMoment) -> JsonObject:
    """Return the mark of a firing on a scene that was looked at later. Its times are those of the scene."""
    return {"late": True} if moment.gap_id else {}


def _payload(moment: EvaluatedMoment, alert: AlertRow, result: MatchResult, now: float) -> JsonObject:
    """Return the alert in the form sent to its webhook."""
    return {
        "event_id": alert.event_id,
        "label": alert.event_label,
        "confidence": result.confidence,
        "explanation": result.explanation,
        "timestamp": utc(now, "seconds"),
        "start_time": moment.start,
        "end_time": moment.end,
        "start_at": utc(moment.start),
        "end_at": utc(moment.end),
        "rtstream_index_id": alert.index_id,
        "alert_id": alert.id,
        **_late(moment),
    }


def _webhook(alert: AlertRow, seq: int, now: float, payload: JsonObject) -> JsonObject:
    return {
        "id": ids.delivery_id(),
        "alert_id": alert.id,
        "seq": seq,
        "url": alert.callback_url,
        "payload": payload,
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }
