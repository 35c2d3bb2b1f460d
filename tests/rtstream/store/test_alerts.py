"""Queries on events, alerts and their decisions."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.errors import NotFound
from rtstream.models import Page
from rtstream.rules.alert_policy import AlertState
from rtstream.states import AlertStatus
from rtstream.store import alerts, indexes


def decide(conn: Connection, at: float, outcome: str, scene_id: int = 0) -> None:
    shared = {"alert_id": "alert-1", "reason": "", "confidence": None, "explanation": "", "seq": None}
    alerts.add_decisions(conn, [{**shared, "scene_id": scene_id, "at": at, "outcome": outcome}])


def scene(conn: Connection, start: float) -> int:
    values = {"text": "a door", "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": start}
    return indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=start, end=start + 2, **values)


def test_an_event_is_found_with_and_without_its_prefix(conn: Connection) -> None:
    assert alerts.get_event(conn, "1") == alerts.get_event(conn, "event-1")
    with pytest.raises(NotFound, match="event-9"):
        alerts.get_event(conn, "event-9")


def test_an_alert_comes_with_its_event_and_belongs_to_its_index_only(conn: Connection) -> None:
    alert = alerts.get_alert(conn, "alert-1", "one")
    assert (alert.event_label, alert.status, alert.state) == ("l", AlertStatus.ENABLED, AlertState())
    with pytest.raises(NotFound):
        alerts.get_alert(conn, "alert-1", "two")
    assert [row.id for row in alerts.of_streams(conn, "rts-1")] == ["alert-1", "alert-2"]
    assert alerts.of_streams(conn, "rts-2") == alerts.of_index(conn, "two") == []
    assert alerts.indexes_with_alerts(conn) == ["one"]


def test_an_evaluated_scene_is_not_evaluated_again(conn: Connection) -> None:
    change = {"alert_id": "alert-1", "judged_scene": 7, "state": AlertState(hits=2).to_json(), "fires": 1}
    alerts.store_evaluations(conn, [change])
    alerts.store_evaluations(conn, [change | {"judged_scene": 8}])
    alert = alerts.get_alert(conn, "alert-1")
    assert (alert.judged_scene, alert.state.hits, alert.fired) == (8, 2, 2)
    both = ["alert-1", "alert-2", "alert-gone"]
    assert set(alerts.unevaluated(conn, both, 8)) == {"alert-2"}
    assert set(alerts.unevaluated(conn, both, 0)) == {"alert-1", "alert-2"}


def test_decisions_are_listed_by_the_times_of_their_scenes(conn: Connection) -> None:
    seen = scene(conn, 100.0)
    decide(conn, 900.0, "no_match", seen)
    decide(conn, 500.0, "fired")  # without a scene, the time of the decision counts
    newest, more = alerts.list_decisions(conn, "alert-1", None, None, Page(page_size=1))
    assert ([row.at for row in newest], more) == ([500.0], True)
    (row,) = alerts.list_decisions(conn, "alert-1", 101.0, 102.0, Page())[0]
    assert (row.start, row.end, row.text, row.at) == (100.0, 102.0, "a door", 900.0)
    assert alerts.list_decisions(conn, "alert-1", 102.0, 400.0, Page())[0] == []


def test_old_decisions_are_removed_except_those_that_fired(conn: Connection) -> None:
    for at, outcome in ((1.0, "no_match"), (2.0, "fired"), (3.0, "no_match"), (99.0, "no_match")):
        decide(conn, at, outcome)
    assert alerts.trim_decisions(conn, 50.0, 10) == 2
    left, _ = alerts.list_decisions(conn, "alert-1", None, None, Page())
    assert [row.at for row in left] == [99.0, 2.0]


def test_an_event_takes_its_alerts_and_their_decisions_with_it(conn: Connection) -> None:
    decide(conn, 1.0, "fired")
    alerts.delete_event(conn, "event-1")
    assert alerts.of_index(conn, "one") == alerts.list_events(conn) == []
    assert alerts.list_decisions(conn, "alert-1", None, None, Page()) == ([], False)
