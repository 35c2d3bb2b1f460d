"""Failures of alerts are counted for each alert and stream, and shown once they are repeated."""

from __future__ import annotations

import pytest

from rtstream.engine.alerts import failures
from rtstream.engine.alerts.failures import AlertFailures
from rtstream.errors import Unavailable
from rtstream.states import AlertStatus
from rtstream.store.alert_groups import AlertGroupRow

GROUP = AlertGroupRow("alert-1", "event-1", None, None, AlertStatus.ENABLED, {}, 0.0, "?", "door", None)


def test_failures_are_shown_once_they_are_repeated_and_until_they_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(failures.time, "monotonic", lambda: now)
    found = AlertFailures()
    assert found.wait_s is None
    reason = found.add(GROUP, "rts-1", Unavailable("The recorder does not respond."))
    assert reason == "The recorder does not respond. It is tried again by itself."
    assert not found.due(("alert-1", "rts-1"))
    assert found.due(("alert-1", "rts-2"))
    assert found.problems() == []
    assert found.wait_s is not None
    assert 2.5 <= found.wait_s <= 5.0
    now += 5.0
    assert found.due(("alert-1", "rts-1"))
    for exc, said in ((TimeoutError(), "within 60 s"), (KeyError("x"), "Internal error")):
        reason = found.add(GROUP, "rts-1", exc)
        assert said in reason
        assert found.problems() == [("rts-1", f"alert 'door' does not watch this stream: {reason}")]
    found.add(GROUP, "rts-2", KeyError())
    found.keep({("alert-1", "rts-1")})
    assert found.due(("alert-1", "rts-2"))
    found.forget(("alert-1", "rts-1"))
    assert (found.problems(), found.wait_s) == ([], None)
