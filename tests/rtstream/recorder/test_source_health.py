"""The health of a connection: problems stay until they are solved, notes disappear."""

from __future__ import annotations

import pytest

from rtstream.messages import HealthNote, Message, RecorderHealth
from rtstream.recorder import source_health
from rtstream.recorder.source_health import SourceHealth
from rtstream.rules.track_flow import Lack
from rtstream.states import HealthCode


@pytest.fixture
def sent() -> list[RecorderHealth]:
    return []


@pytest.fixture
def health(sent: list[RecorderHealth]) -> SourceHealth:
    def send(message: Message) -> None:
        assert isinstance(message, RecorderHealth)
        sent.append(message)

    return SourceHealth(send, lambda: {"width": 320})


def test_a_note_disappears_by_itself(
    health: SourceHealth, sent: list[RecorderHealth], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_health, "NOTE_S", 0.0)
    health.note(HealthCode.FORMAT_CHANGED, "the video changed")
    health.expire()
    health.expire()
    assert [message.reasons for message in sent] == [[HealthNote("format_changed", "note", "the video changed")], []]
    assert {message.state for message in sent} == {"connected"}


def test_a_note_is_shown_for_a_minute(health: SourceHealth, sent: list[RecorderHealth]) -> None:
    health.note(HealthCode.FORMAT_CHANGED, "the video changed")
    health.expire()
    assert len(sent) == 1
    assert source_health.NOTE_S == 60


def test_a_problem_is_shown_until_it_is_solved(health: SourceHealth, sent: list[RecorderHealth]) -> None:
    silent = Lack(HealthCode.TRACK_SILENT, "no audio")
    health.problem("audio", silent)
    health.problem("audio", silent)
    health.problem("audio", None)
    assert [(message.code, message.reason) for message in sent] == [("track_silent", "no audio"), ("", "")]


def test_the_first_problem_is_the_reason_and_the_others_are_listed(
    health: SourceHealth, sent: list[RecorderHealth]
) -> None:
    health.problem("video", Lack(HealthCode.NO_KEYFRAME, "no keyframe"))
    health.problem("audio", Lack(HealthCode.TRACK_SILENT, "no audio"))
    assert (sent[-1].code, sent[-1].reason) == ("no_keyframe", "no keyframe")
    assert sent[-1].reasons == [HealthNote("track_silent", "problem", "no audio")]


def test_a_paused_recording_hides_the_other_sentences(health: SourceHealth, sent: list[RecorderHealth]) -> None:
    health.problem("audio", Lack(HealthCode.TRACK_SILENT, "no audio"))
    health.pause("recording is paused", "disk_full")
    health.problem("audio", None)
    health.resume()
    health.resume()
    health.pause("recording is paused")
    assert [(message.reason, message.code, message.reasons) for message in sent] == [
        ("no audio", "track_silent", []),
        ("recording is paused", "disk_full", []),
        ("recording is paused", "disk_full", []),
        ("", "", []),
        ("recording is paused", "recording_stalled", []),
    ]
