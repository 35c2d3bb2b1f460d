"""An evaluated moment is stored with its decisions, its firings and their webhooks, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection

from rtstream.engine.alerts.firings import EvaluatedMoment, Evaluation, FiringWriter
from rtstream.engine.alerts.matcher import MatchResult
from rtstream.models import Page
from rtstream.rules.link_targets import LinkTarget
from rtstream.states import Outcome
from rtstream.store import alerts, deliveries, indexes, journal, recordings
from rtstream.store.journal import Filter
from tests.rtstream.store.conftest import conn

__all__ = ["conn"]

MATCH = MatchResult(Outcome.MATCH, 0.9, "It opened.", present=True)
NO_MATCH = MatchResult(Outcome.NO_MATCH, 0.8, "It is shut.", present=False)


def links(_: Connection, targets: Sequence[LinkTarget]) -> list[dict[str, str]]:
    return [{"player_url": f"http://h/{target.start:g}-{target.end:g}"} for target in targets]


WRITER = FiringWriter(links, pre_s=3.0, post_s=2.0)


def moment(conn: Connection, start: float) -> EvaluatedMoment:
    values = {"text": "", "status": "ok", "model": "m", "data": None, "detail": {}, "created_at": start}
    scene = indexes.add_scene(conn, index_id="one", stream_id="rts-1", start=start, end=start + 2, **values)
    return EvaluatedMoment(start, start + 2, scene)


def evaluate(conn: Connection, at: EvaluatedMoment, result: MatchResult | None, **options: object) -> list[str] | None:
    alert = alerts.get_alert(conn, "alert-1")
    return WRITER.store(conn, at, [Evaluation(alert, result, **options)])  # pyright: ignore[reportArgumentType]


def outcomes(conn: Connection) -> list[str]:
    """The decisions of the alert, oldest first."""
    rows, _ = alerts.list_decisions(conn, "alert-1", None, None, Page())
    return [row.outcome for row in reversed(rows)]


def test_a_firing_has_its_entry_its_evidence_and_its_webhook(conn: Connection) -> None:
    alerts.update_alert(conn, "alert-1", callback_url="http://receiver/", options={"pre_s": 10.0})
    at = moment(conn, 100.0)
    assert evaluate(conn, at, MATCH) == ["alert-1"]
    [(entry, _)] = journal.after(conn, 0, Filter(channels=("alert",)), 9)
    assert (entry.data["label"], entry.data["confidence"], entry.data["scene_id"]) == ("l", 0.9, at.scene_id)
    assert entry.data["player_url"] == "http://h/90-104"
    assert recordings.pinned(conn, "rts-1", 1e9) == [(90.0, 104.0)]
    [webhook] = deliveries.pending(conn, ["alert-1"], 9)
    assert (webhook.seq, webhook.url) == (entry.seq, "http://receiver/")
    assert webhook.payload["start_time"] == at.start
    assert webhook.payload["start_at"] == "1970-01-01T00:01:40.000Z"
    assert webhook.payload["timestamp"].endswith("Z")
    alert = alerts.get_alert(conn, "alert-1")
    assert (alert.fired, alert.judged_scene, alert.state.present) == (1, at.scene_id, True)


def test_a_scene_is_stored_once_and_an_episode_fires_once(conn: Connection) -> None:
    first = moment(conn, 100.0)
    assert evaluate(conn, first, MATCH) == []  # it fired, and has no webhook
    assert evaluate(conn, first, MATCH) is None
    assert evaluate(conn, moment(conn, 102.0), MATCH) is None
    assert evaluate(conn, moment(conn, 104.0), NO_MATCH) is None
    assert evaluate(conn, moment(conn, 106.0), MATCH) == []
    assert outcomes(conn) == ["fired", "suppressed", "no_match", "fired"]
    assert alerts.get_alert(conn, "alert-1").fired == 2


@pytest.mark.parametrize("gone", ["deleted", "disabled"])
def test_an_alert_that_went_away_meanwhile_does_not_fire(conn: Connection, gone: str) -> None:
    at, alert = moment(conn, 100.0), alerts.get_alert(conn, "alert-1")
    if gone == "deleted":
        alerts.delete_alert(conn, "alert-1")
    else:
        alerts.update_alert(conn, "alert-1", status="disabled")
    assert WRITER.store(conn, at, [Evaluation(alert, MATCH)]) is None
    assert journal.latest(conn) == 0
    assert outcomes(conn) == ([] if gone == "deleted" else ["suppressed"])


def test_a_moment_that_could_not_be_decided_is_logged_with_the_reason(conn: Connection) -> None:
    evaluate(conn, moment(conn, 100.0), None, blocked="the cap is reached")
    evaluate(conn, moment(conn, 102.0), None, blocked="unlike the event", suppressed=True)
    evaluate(conn, moment(conn, 104.0), MatchResult(Outcome.FAILED, reason="no model"))
    assert outcomes(conn) == ["failed", "suppressed", "failed"]
    rows, _ = alerts.list_decisions(conn, "alert-1", None, None, Page())
    assert [row.reason for row in rows] == ["no model", "unlike the event", "the cap is reached"]
