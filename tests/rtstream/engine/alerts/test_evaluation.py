"""Alerts on speech over a gap: each sentence once, marked late, apart from the live state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtstream.store import alerts, gaps
from tests.modelserver import KEY, ModelServer
from tests.rtstream.engine.alerts.spoken import Spoken, speaking
from tests.rtstream.engine.alerts.test_matcher import answering
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def speech_is_installed() -> None:
    pytest.importorskip("moonshine_voice", reason="an alert on speech needs a speech engine")


async def old(spoken: Spoken, alert: str) -> None:
    """Let an alert have been created before all speech."""
    await spoken.engine.db.write(lambda conn: alerts.update_alert(conn, alert, created_at=spoken.start - 100))


async def done(spoken: Spoken) -> None:
    await eventually(lambda: spoken.engine.db.read(gaps.all_gaps), lambda found: not found)


async def test_sentences_of_a_gap_fire_late_and_leave_the_live_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        alert, skipping = await spoken.watch('"budget" is said'), await spoken.watch('"budget" is said', late="skip")
        for one in (alert, skipping):
            await old(spoken, one)
        await spoken.say("hello", 1)
        await spoken.outcomes(alert, 1)
        await spoken.transcribe_gap(5, 20, ("the budget", 6), ("more", 8), ("the budget", 10))
        await done(spoken)
        await spoken.say("the budget", 30)
        assert await spoken.outcomes(alert, 5) == ["no_match", "fired", "no_match", "fired", "fired"]
        assert [one.late for one in await spoken.decisions(alert)] == [False, True, True, True, False]
        found = await spoken.decisions(skipping, 5)
        assert [one.outcome for one in found] == ["no_match", "suppressed", "no_match", "suppressed", "fired"]
        fired = await spoken.fired()
    assert sorted((round(one["start"] - spoken.start), bool(one.get("late"))) for one in fired) == [
        (6, True),
        (10, True),
        (30, False),
        (30, False),
    ]


async def test_a_gap_that_no_alert_reads_is_gone_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        await spoken.transcribe_gap(5, 20, ("the budget", 6))
        assert await spoken.engine.db.read(gaps.all_gaps) == []


async def test_an_alert_that_is_newer_than_the_gap_does_not_fire_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(tmp_path, monkeypatch) as spoken:
        alert = await spoken.watch('"budget" is said')
        await spoken.transcribe_gap(5, 20, ("the budget", 6))
        await done(spoken)
        [found] = await spoken.decisions(alert, 1)
    assert (found.outcome, found.reason) == ("suppressed", "it is older than the alert")


async def test_a_model_is_asked_about_late_sentences_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ModelServer
) -> None:
    model.reply = answering(lambda prompt: True)
    settings: dict[str, Any] = {
        "language_model": "openai:judge-1",
        "language_base_url": f"{model.url}/v1",
        "model_api_key": KEY,
    }
    async with speaking(tmp_path, monkeypatch, **settings) as spoken:
        alert = await spoken.watch("someone promises a date", dedupe=False)
        await old(spoken, alert)
        await spoken.transcribe_gap(0, 30, ("We deliver", 1), ("on Friday.", 3), ("Promised.", 20))
        await done(spoken)
        assert await spoken.outcomes(alert) == ["fired", "fired"]
    assert ["We deliver on Friday." in call.text for call in model.calls] == [True, False]
