"""Transcripts run while enabled alerts read them, and no longer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rtstream.engine.transcripts import TranscriptService
from rtstream.models import UpdateAlert
from tests.rtstream.engine.alerts.spoken import STREAM, Spoken, speaking

pytestmark = pytest.mark.anyio


class Calls:
    """The calls that start and stop transcripts."""

    def __init__(self) -> None:
        self.made: list[str] = []


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    pytest.importorskip("moonshine_voice", reason="an alert on speech needs a speech engine")
    found = Calls()

    async def need(self: TranscriptService, stream_id: str, engine: str, by: str) -> None:
        found.made.append(f"need {engine} for {by}")

    async def release(self: TranscriptService, stream_id: str, engine: str, by: str = "") -> None:
        found.made.append(f"release {engine} for {by}")

    monkeypatch.setattr(TranscriptService, "need", need)
    monkeypatch.setattr(TranscriptService, "release", release)
    return found


@pytest.fixture
async def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Calls) -> AsyncIterator[Spoken]:
    async with speaking(tmp_path, monkeypatch) as running:
        yield running


async def test_two_alerts_need_one_transcript_until_both_are_gone(spoken: Spoken, calls: Calls) -> None:
    first, second = await spoken.watch('"budget" is said'), await spoken.watch("speech stops")
    assert calls.made == ["need fake for alerts"]
    await spoken.engine.alert_groups.delete(first)
    assert calls.made == ["need fake for alerts"]
    await spoken.engine.alerts.delete_alert(STREAM, "", second)
    assert calls.made == ["need fake for alerts", "release fake for alerts"]


async def test_a_disabled_alert_needs_no_transcript(spoken: Spoken, calls: Calls) -> None:
    alert = await spoken.watch('"budget" is said')
    await spoken.engine.alert_groups.update(alert, UpdateAlert(enabled=False))
    await spoken.engine.alert_groups.update(alert, UpdateAlert(enabled=True))
    await spoken.engine.alerts.disable_alert(STREAM, "", alert)
    assert [one.split()[0] for one in calls.made] == ["need", "release", "need", "release"]


async def test_a_deleted_event_or_stream_leaves_no_transcript(spoken: Spoken, calls: Calls) -> None:
    alert = await spoken.watch('"budget" is said')
    await spoken.engine.alerts.delete_event((await spoken.engine.alert_groups.get(alert)).event_id)
    await spoken.watch('"budget" is said')
    await spoken.engine.delete_stream(STREAM)
    assert [one.split()[0] for one in calls.made] == ["need", "release", "need", "release"]


async def test_an_alert_on_the_connection_needs_none(spoken: Spoken, calls: Calls) -> None:
    await spoken.watch("the stream is lost")
    assert calls.made == []
