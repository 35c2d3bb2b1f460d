"""A remark comes once per session."""

from __future__ import annotations

import pytest

from tools._framework import session
from tools._framework.session import SESSION_ID, SessionRemarks


def test_a_remark_comes_once_over_stdio_and_once_in_each_session_over_http() -> None:
    told = SessionRemarks()
    assert told.fresh(None, "No model is set.") == "No model is set."
    assert told.fresh(None, "No model is set.") is None
    for number in (1, 2):
        headers = {SESSION_ID: f"s{number}"}
        assert told.fresh(headers, "No model is set.") == "No model is set."
        assert told.fresh(headers, "No model is set.") is None
    assert told.fresh(None, "") is None
    assert told.fresh(None, None) is None


def test_only_the_new_sentences_of_a_remark_come_again() -> None:
    told = SessionRemarks()
    assert told.fresh(None, "No model is set. Port 8740 is taken.")
    assert told.fresh(None, "Port 8740 is taken. The disk is full.") == "The disk is full."


def test_without_a_session_id_a_client_is_told_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    told = SessionRemarks()
    one, other = (
        {"user-agent": "chat", "authorization": "Bearer a"},
        {"user-agent": "chat", "authorization": "Bearer b"},
    )
    assert [told.fresh(headers, "Note.") for headers in (one, other, one)] == ["Note.", "Note.", None]
    monkeypatch.setattr(session, "FORGET_S", 0.0)
    assert [told.fresh(one, "Note.") for _ in range(2)] == ["Note.", "Note."]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_SESSIONS", 2)
    monkeypatch.setattr(session, "MAX_REMARKS", 2)
    told = SessionRemarks()
    for name in ("a", "b", "a", "c"):
        told.fresh({SESSION_ID: name}, "Note.")
    assert told.fresh({SESSION_ID: "a"}, "Note.") is None
    assert told.fresh({SESSION_ID: "b"}, "Note.") == "Note."
    for text in ("One.", "Two.", "Three."):
        told.fresh(None, text)
    assert told.fresh(None, "One.") == "One."
