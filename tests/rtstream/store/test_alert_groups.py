"""Queries on alerts on several streams."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from rtstream.errors import NotFound
from rtstream.states import AlertStatus
from rtstream.store import alert_groups, alerts


def group(conn: Connection, group_id: str, streams: list[str] | None = None) -> None:
    values = {"event_id": "event-1", "callback_url": None, "status": "enabled", "options": {}}
    alert_groups.insert(conn, id=group_id, streams=streams, created_at=1.0, **values)


def missing(conn: Connection, group_id: str) -> list[str]:
    return alert_groups.missing_streams(conn, alert_groups.get(conn, group_id))


def test_a_group_lacks_the_streams_without_an_alert_until_one_is_stored_or_was_deleted(conn: Connection) -> None:
    group(conn, "everywhere")
    group(conn, "named", ["rts-1"])
    assert missing(conn, "named") == ["rts-1"]
    assert "rts-1" in missing(conn, "everywhere")
    alert_groups.set_stream(conn, "everywhere", "rts-1", None, "no audio")
    assert "rts-1" in missing(conn, "everywhere")
    alert_groups.set_stream(conn, "everywhere", "rts-1", "alert-1")
    assert "rts-1" not in missing(conn, "everywhere")
    assert alert_groups.memberships(conn) == {"alert-1": "everywhere"}
    alerts.delete_alert(conn, "alert-1")
    assert "rts-1" not in missing(conn, "everywhere")
    [left] = alert_groups.streams_of(conn, "everywhere")
    assert (left.alert_id, left.note) == (None, "")


def test_a_group_is_changed_and_deleted_with_its_alerts(conn: Connection) -> None:
    group(conn, "everywhere")
    alert_groups.set_stream(conn, "everywhere", "rts-1", "alert-1")
    alert_groups.update_group(conn, "everywhere", status=AlertStatus.DISABLED, options={"dedupe": False})
    assert alert_groups.get(conn, "everywhere").options == alerts.get_alert(conn, "alert-1").options
    assert alerts.get_alert(conn, "alert-1").status is AlertStatus.DISABLED
    assert alerts.get_alert(conn, "alert-2").status is AlertStatus.ENABLED
    assert alert_groups.delete_group(conn, "everywhere") == ["one"]
    assert [row.id for row in alerts.of_streams(conn)] == ["alert-2"]
    assert alert_groups.all_groups(conn) == []
    with pytest.raises(NotFound, match="everywhere"):
        alert_groups.get(conn, "everywhere")


def test_a_deleted_event_takes_its_groups_along(conn: Connection) -> None:
    group(conn, "everywhere")
    alert_groups.set_stream(conn, "everywhere", "rts-1", "alert-1")
    alerts.delete_event(conn, "event-1")
    assert (alert_groups.all_groups(conn), alert_groups.memberships(conn)) == ([], {})
