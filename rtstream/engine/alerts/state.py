"""Alert state: the only code that decides how an alert's state begins and how it advances.

``FiringWriter`` stores the advanced states, in the transaction that writes what follows from them.
"""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.rules import detection
from rtstream.rules.alert_policy import AlertState, JournalEvidence
from rtstream.rules.event_rules import rule_for_event
from rtstream.store import alerts as rows
from rtstream.store import gap_alerts
from rtstream.store import indexes as index_rows
from rtstream.store import journal as journal_rows
from rtstream.store import streams as stream_rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store.alerts import AlertRow

CONNECTED = {"connected": True, "reconnecting": False, "error": False}
"""Health states that show whether a stream is connected. Other states do not show it."""


def restart(conn: Connection, alert_id: str, *, changed: bool = False) -> None:
    """Reset an alert that is new or whose event has ``changed``, so that it evaluates only what follows."""
    alert = rows.get_alert(conn, alert_id)
    newest = transcript_rows.last_segment_id if alert.of_stream else index_rows.last_scene_id
    rows.set_state(conn, alert_id, _initial(conn, alert), newest(conn, alert.index_id or alert.stream_id))
    if changed:  # of a new alert, the gap evaluator knows the age
        gap_alerts.exclude(conn, alert.stream_id, alert.index_id, alert_id)


def advanced(state: AlertState, entry: JournalEvidence | None) -> AlertState:
    """Return the state after a moment was evaluated. ``entry`` is the journal entry if the moment is one."""
    return state if entry is None else state.after_entry(entry)


def concerns_stream(alert: AlertRow) -> bool:
    """Return whether an alert is about the stream itself, not about scenes."""
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    return rule is not None and rule.concerns_stream


def hears_speech(alert: AlertRow) -> bool:
    """Return whether an alert is about speech as such, and where there is any. A scene index has none."""
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    return (
        rule is not None and isinstance(rule.conditions[0], detection.Speech) and (alert.of_speech or alert.of_stream)
    )


def reads_transcript(alert: AlertRow) -> bool:
    """Return whether an alert is decided on the sentences of the transcript of its stream."""
    return alert.of_stream and not concerns_stream(alert)


def evaluated(alert: AlertRow) -> int:
    """Return the number of the newest journal entry that an alert on a stream has evaluated."""
    return alert.state.journal or 0


def _initial(conn: Connection, alert: AlertRow) -> AlertState:
    """Return the initial state, which for an alert on a stream includes the current state of the stream."""
    rule = rule_for_event(alert.event_prompt, alert.event_rule)
    if rule is None or not rule.concerns_stream:
        return AlertState()
    stream = stream_rows.get(conn, alert.stream_id)
    connected = CONNECTED.get(stream.health.get("state", ""))
    of_connection = isinstance(rule.conditions[0], detection.Connection)
    return AlertState(present=connected if of_connection else None, journal=journal_rows.latest(conn))
