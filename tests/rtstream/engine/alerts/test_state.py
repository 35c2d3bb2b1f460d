"""The state of an alert when it is new or changed, and after each journal entry."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.engine.alerts.state import advanced, concerns_stream, evaluated, restart
from rtstream.rules.alert_policy import AlertState, JournalEvidence
from rtstream.store import alerts, indexes, journal, streams
from rtstream.store.journal import Entry
from tests.rtstream.store.conftest import conn

__all__ = ["conn"]


def lose(conn: Connection, state: str, when: str = "lost") -> None:
    alerts.update_event(conn, "event-1", rule={"stream": when})
    streams.update_stream(conn, "rts-1", health={"state": state})


def test_an_alert_evaluates_only_scenes_from_now_on(conn: Connection) -> None:
    values = {"text": "", "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": 0.0}
    newest = indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=0.0, end=1.0, **values)
    alerts.set_state(conn, "alert-1", AlertState(hits=3, reported=True, fired_at=5.0), 0)
    restart(conn, "alert-1", changed=True)
    alert = alerts.get_alert(conn, "alert-1")
    assert (alert.state, alert.judged_scene) == (AlertState(), newest)
    assert not concerns_stream(alert)
    assert evaluated(alert) == 0


@pytest.mark.parametrize(
    ("state", "present"), [("connected", True), ("reconnecting", False), ("error", False), ("stopped", None)]
)
def test_an_alert_on_the_connection_begins_with_its_present_state(
    conn: Connection, state: str, present: bool | None
) -> None:
    lose(conn, state)
    seq = journal.append(conn, Entry("health", {"state": state}, "rts-1"))
    restart(conn, "alert-1")
    alert = alerts.get_alert(conn, "alert-1")
    assert concerns_stream(alert)
    assert (alert.state.present, evaluated(alert)) == (present, seq)


def test_an_alert_on_speech_does_not_begin_with_the_connection(conn: Connection) -> None:
    alerts.update_event(conn, "event-1", rule={"speech": "stopped"})
    streams.update_stream(conn, "rts-1", health={"state": "connected"})
    restart(conn, "alert-1")
    assert alerts.get_alert(conn, "alert-1").state.present is None


def test_an_entry_is_remembered_and_a_scene_changes_nothing() -> None:
    state = AlertState(hits=1, journal=5)
    assert advanced(state, None) is state
    after = advanced(state, JournalEvidence(9, spoken=100.0, late_s=2.0))
    assert (after.journal, after.spoken, after.late_s, after.hits) == (9, 100.0, 2.0, 1)
