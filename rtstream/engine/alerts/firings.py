"""What follows from a judged moment: decisions, alerts in the journal and webhooks, written in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.alerts.matcher import MatchResult
from rtstream.engine.alerts.state import advanced
from rtstream.json_types import JsonObject
from rtstream.rules import alert_policy as firing
from rtstream.rules.alert_policy import AlertState, JournalEvidence
from rtstream.states import AlertStatus, DeliveryState, Outcome
from rtstream.store import alerts as rows
from rtstream.store import deliveries as outbox
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import recordings as recording_rows
from rtstream.store import streams as stream_rows
from rtstream.store.alerts import AlertRow
from rtstream.store.journal import Entry

Links = Callable[[str, float, float, str], dict[str, str]]
"""``links(stream_id, start, end, title)``: the URLs that play the evidence."""


@dataclass(frozen=True)
class EvaluatedMoment:
    """What alerts are judged on: a scene, or an entry of the journal. ``start`` and ``end`` in Unix seconds."""

    start: float
    end: float
    scene_id: int = 0
    """0: not a scene."""
    entry: JournalEvidence | None = None
    """The journal entry that is evaluated, if there is one."""


@dataclass(frozen=True)
class Evaluation:
    """An alert (a row with its event) and the answer to its event; ``blocked``: why nobody was asked."""

    alert: AlertRow
    judgement: MatchResult | None
    blocked: str = ""


class FiringWriter:
    """Writes alerts. ``pre_s`` and ``post_s``: seconds of evidence around a moment, where the alert has no own."""

    def __init__(self, links: Links, pre_s: float, post_s: float) -> None:
        self._links = links
        self._pre_s = pre_s
        self._post_s = post_s

    def record(self, conn: Connection, moment: EvaluatedMoment, judged: Sequence[Evaluation]) -> list[str] | None:
        """Write all that follows; gives the alerts that have a webhook to send, None when none fired at all."""
        # Alerts that were deleted, or given another event, while they were judged are left out.
        status = rows.unjudged(conn, [one.alert.id for one in judged], moment.scene_id)
        decisions: list[JsonObject] = []
        changes: list[JsonObject] = []
        fired: list[tuple[AlertRow, MatchResult, JsonObject]] = []
        for one in judged:
            alert = one.alert
            if alert.id not in status:
                continue
            decision, state, fires = _step(moment, one, enabled=status[alert.id] is AlertStatus.ENABLED)
            decisions.append(decision)
            changes.append(
                {
                    "alert_id": alert.id,
                    "judged_scene": max(alert.judged_scene, moment.scene_id),
                    "state": state.to_json(),
                    "fired": alert.fired + fires,
                }
            )
            if fires and one.judgement is not None:
                fired.append((alert, one.judgement, decision))
        rows.judged(conn, changes)
        sent = self._fire(conn, moment, fired) if fired else None
        rows.add_decisions(conn, decisions)
        return sent

    def _fire(
        self, conn: Connection, moment: EvaluatedMoment, fired: list[tuple[AlertRow, MatchResult, JsonObject]]
    ) -> list[str]:
        index = index_rows.get(conn, fired[0][0].index_id)
        name = stream_rows.get(conn, index.stream_id).name
        pins: set[tuple[float, float]] = set()
        webhooks: list[JsonObject] = []
        for alert, judgement, decision in fired:
            start = moment.start - alert.options.get("pre_s", self._pre_s)
            end = moment.end + alert.options.get("post_s", self._post_s)
            links = self._links(index.stream_id, start, end, alert.event_label)
            if (start, end) not in pins:
                pins.add((start, end))
                recording_rows.pin(conn, index.stream_id, start, end, alert.id)
            now = time.time()
            data = _data(moment, alert, judgement, now, index.name or "") | links
            seq = journal_rows.append(
                conn, Entry("alert", data, index.stream_id, name, alert.index_id, alert.id, at=now)
            )
            decision["seq"] = seq
            if alert.callback_url:
                about = {"rtstream_id": index.stream_id, "rtstream_name": name, "seq": seq}
                webhooks.append(_webhook(alert, seq, now, _payload(moment, alert, judgement, now) | links | about))
        outbox.insert(conn, *webhooks)
        return [webhook["alert_id"] for webhook in webhooks]


def _step(moment: EvaluatedMoment, one: Evaluation, *, enabled: bool) -> tuple[JsonObject, AlertState, bool]:
    """The decision to log, the alert's state after it, and whether it fires."""
    alert, judgement = one.alert, one.judgement
    decision = {
        "alert_id": alert.id,
        "scene_id": moment.scene_id,
        "at": time.time(),
        "outcome": Outcome.FAILED if enabled else Outcome.SUPPRESSED,
        "reason": one.blocked,
        "confidence": None,
        "explanation": "",
        "seq": None,
    }
    if judgement is None:
        return decision, advanced(alert.state, moment.entry), False
    if judgement.outcome is Outcome.FAILED:
        return (
            decision | {"outcome": Outcome.FAILED, "reason": judgement.reason},
            advanced(alert.state, moment.entry),
            False,
        )
    after, fires, reason = firing.step(
        firing.options(alert.options),
        alert.state,
        judgement.confidence if judgement.outcome is Outcome.MATCH else None,
        moment.end,
        enabled,
    )
    outcome = Outcome.FIRED if fires else Outcome.SUPPRESSED if reason else judgement.outcome
    decision |= {
        "outcome": outcome,
        "reason": firing.IN_WORDS[reason] or judgement.reason,
        "confidence": judgement.confidence,
        "explanation": judgement.explanation,
    }
    return decision, advanced(replace(after, present=judgement.present), moment.entry), fires


def _data(moment: EvaluatedMoment, alert: AlertRow, judgement: MatchResult, now: float, index_name: str) -> JsonObject:
    """The alert as it stands in the journal and goes over the WebSocket."""
    return {
        "alert_id": alert.id,
        "event_id": alert.event_id,
        "label": alert.event_label,
        "event_label": alert.event_label,
        "triggered": True,
        "confidence": judgement.confidence,
        "explanation": judgement.explanation,
        "text": judgement.explanation,
        "timestamp": now,
        "start": moment.start,
        "end": moment.end,
        "scene_id": moment.scene_id or None,
        "rtstream_index_id": alert.index_id,
        "index_name": index_name,
    }


def _payload(moment: EvaluatedMoment, alert: AlertRow, judgement: MatchResult, now: float) -> JsonObject:
    """The alert as its webhook carries it."""
    return {
        "event_id": alert.event_id,
        "label": alert.event_label,
        "confidence": judgement.confidence,
        "explanation": judgement.explanation,
        "timestamp": _iso(now),
        "start_time": _iso(moment.start),
        "end_time": _iso(moment.end),
        "rtstream_index_id": alert.index_id,
        "alert_id": alert.id,
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


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
