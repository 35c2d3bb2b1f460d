"""The state of alerts in gaps is stored once, when the gap begins for them."""

from __future__ import annotations

from sqlalchemy import Connection

from rtstream.rules.alert_policy import AlertState
from rtstream.states import GapReason
from rtstream.store import alerts, gap_alerts, gaps, indexes


def gap(conn: Connection, start: float, end: float) -> int:
    kind = {"reason": GapReason.OVERLOADED, "index_id": "one"}
    return gaps.insert(conn, stream_id="rts-1", start=start, end=end, now=end, **kind)


def scene(conn: Connection, start: float, gap_id: int | None = None) -> int:
    values = {"text": "", "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": start}
    return indexes.add_scene(
        conn, index_id="one", stream_id="rts-1", start=start, end=start + 2, gap_id=gap_id, **values
    )


def test_the_state_is_that_of_the_first_live_scene_after_the_beginning(conn: Connection) -> None:
    first, second = gap(conn, 100.0, 110.0), gap(conn, 200.0, 210.0)
    gap_alerts.begin(conn, "one", {"alert-1": AlertState(hits=1)}, 99.0)
    assert gap_alerts.get(conn, first, "alert-1") is None
    gap_alerts.begin(conn, "one", {"alert-1": AlertState(hits=2)}, 112.0)
    gap_alerts.begin(conn, "one", {"alert-1": AlertState(hits=3)}, 212.0)
    states = [gap_alerts.get(conn, one, "alert-1") for one in (first, second)]
    assert [state and state.state for state in states] == [AlertState(hits=2), AlertState(hits=3)]


def test_states_of_several_alerts_are_stored_for_the_gaps_that_lack_them(conn: Connection) -> None:
    first, second = gap(conn, 100.0, 110.0), gap(conn, 200.0, 210.0)
    gap_alerts.insert(conn, first, "alert-1", AlertState(hits=1))
    gap_alerts.begin(conn, "one", {"alert-1": AlertState(hits=2), "alert-2": AlertState(hits=3)}, 150.0)
    gap_alerts.begin(conn, "other", {"alert-1": AlertState(hits=4)}, 300.0)
    stored = [gap_alerts.get(conn, *key) for key in ((first, "alert-1"), (first, "alert-2"), (second, "alert-1"))]
    assert [known and known.state for known in stored] == [AlertState(hits=1), AlertState(hits=3), None]


def test_progress_in_a_gap_adds_firings_and_leaves_the_live_state(conn: Connection) -> None:
    one = gap(conn, 100.0, 110.0)
    gap_alerts.insert(conn, one, "alert-1", AlertState())
    late = scene(conn, 102.0, one)
    scene(conn, 104.0)
    row = gaps.get(conn, one)
    assert row is not None
    found = gap_alerts.next_late_scene(conn, row, 0)
    assert found is not None
    assert found.id == late
    gap_alerts.advance(conn, one, "alert-1", AlertState(hits=4), late, 1)
    assert gap_alerts.next_late_scene(conn, row, late) is None
    known = gap_alerts.get(conn, one, "alert-1")
    assert known is not None
    assert (known.state, known.judged_scene) == (AlertState(hits=4), late)
    alert = alerts.get_alert(conn, "alert-1")
    assert (alert.state, alert.judged_scene, alert.fired) == (AlertState(), 0, 1)


def test_live_scenes_before_a_gap_come_first(conn: Connection) -> None:
    before = scene(conn, 98.0)
    scene(conn, 120.0)
    assert not gap_alerts.reaches_gap(conn, "one", before - 1, 100.0)
    assert gap_alerts.reaches_gap(conn, "one", before, 100.0)


def test_a_changed_alert_evaluates_no_gap_that_exists(conn: Connection) -> None:
    first, second = gap(conn, 100.0, 110.0), gap(conn, 200.0, 210.0)
    gap_alerts.insert(conn, first, "alert-1", AlertState())
    gap_alerts.exclude(conn, "rts-1", "one", "alert-1")
    for one in (first, second):
        known = gap_alerts.get(conn, one, "alert-1")
        assert known is not None
        assert known.state is None
    gap_alerts.begin(conn, "one", {"alert-1": AlertState(hits=2)}, 300.0)
    known = gap_alerts.get(conn, second, "alert-1")
    assert known is not None
    assert known.state is None
