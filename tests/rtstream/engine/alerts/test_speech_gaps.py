"""Alerts on speech over a gap of a transcript: with real times, marked late, once, and apart from the live state."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.engine.alerts import stream_evaluator
from rtstream.engine.engine import Engine
from rtstream.models import CreateAlert, CreateEvent, Decision, Page
from rtstream.states import AlertStatus, GapReason, Outcome
from rtstream.store import alerts, gaps, indexes, streams, transcripts
from rtstream.store.journal import Entry, Filter
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

STREAM = {"media_types": ["audio"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
INDEX = {"extraction_type": "transcript", "extraction_config": {}, "model_config": {}, "status": "stopped"}
REASON = GapReason.ENGINE_ENDED


class Speech:
    """An engine with an audio index whose speech the test writes. Times are seconds after ``start``, a minute ago."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.start = time.time() - 60

    async def alert(self, created: float = -100, **wanted: Any) -> str:
        """A new alert on speech that starts, or as its options say; returns its id."""
        rule = {"speech": wanted.pop("speech", "started"), "for_s": wanted.pop("for_s", 5)}
        event = await self.engine.alerts.create_event(CreateEvent(event_prompt="x", label="x", rule=rule))
        made = await self.engine.alerts.create_alert("rts-1", "idx", CreateAlert(event_id=event.event_id, **wanted))
        at = self.start + created
        await self.engine.db.write(lambda conn: alerts.update_alert(conn, made.alert_id, created_at=at))
        return made.alert_id

    async def say(self, start: float, end: float) -> None:
        """Live speech, which all alerts have evaluated on return."""
        data = {"text": "hello", "is_final": True, "start": self.start + start, "end": self.start + end}
        seq = (await self.engine.journal.append(Entry("transcript", data | {"kind": "speech"}, "rts-1", "s")))[0]
        await self._add("fake", [(start, end)], {})

        def evaluated(conn: Connection) -> bool:
            return all((alert.state.journal or 0) >= seq for alert in alerts.of_streams(conn))

        await eventually(lambda: self.engine.db.read(evaluated))

    async def _add(self, engine: str, speech: Sequence[tuple[float, float]], detail: dict[str, Any]) -> None:
        def write(conn: Connection) -> None:
            for start, end in speech:
                values = {"text": "hello", "kind": "speech", "detail": detail, "created_at": time.time()}
                at = {"start": self.start + start, "end": self.start + end}
                transcripts.add(conn, stream_id="rts-1", engine=engine, **at, **values)

        await self.engine.db.write(write)

    async def gap(self, start: float, end: float | None, engine: str = "fake") -> int:
        """A gap; returns its id."""
        until = None if end is None else self.start + end
        at = {"start": self.start + start, "end": until, "reason": REASON, "now": time.time(), "engine": engine}
        return await self.engine.db.write(lambda conn: gaps.insert(conn, stream_id="rts-1", **at))

    async def transcribed(self, gap_id: int, *speech: tuple[float, float], engine: str = "fake") -> None:
        """End a gap in which there was speech."""
        await self._add(engine, speech, {"late": True})
        listener = self.engine.evaluator.speech_gaps

        def finish(conn: Connection) -> None:
            found = gaps.get(conn, gap_id)
            gaps.finish_until(conn, gap_id, found.end if found else None, listener.evaluate)

        await self.engine.db.write(finish)
        listener.announce()

    async def told(self) -> list[tuple[float, float, bool]]:
        """Start and end of each firing, and whether it is late, in the order of the journal."""
        page = await self.engine.journal.read(0, Filter(channels=["alert"]), limit=100)
        found = [one.data for one in page.entries]
        return [
            (round(one["start"] - self.start, 2), round(one["end"] - self.start, 2), bool(one.get("late")))
            for one in found
        ]

    async def decisions(self, alert_id: str) -> list[Decision]:
        return (await self.engine.alerts.list_decisions("rts-1", "idx", alert_id, Page()))[0][::-1]


@pytest.fixture
async def speech(tmp_path: Path) -> AsyncIterator[Speech]:
    async with Engine(EngineConfig(data_dir=tmp_path, local_vision=False, embedding_model="none")) as engine:
        now = time.time()
        common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
        await engine.db.write(lambda conn: streams.insert(conn, id="rts-1", created_at=now, **common, **STREAM))
        index = {"stream_id": "rts-1", "name": "x", "counters": {}, "created_at": now, "prompt": "p"}
        await engine.db.write(lambda conn: indexes.insert(conn, id="idx", model_name=None, **index, **INDEX))
        await engine.db.write(transcripts.start_job, "rts-1", "fake", None, now)
        await engine.db.write(transcripts.start_job, "rts-1", "second", None, now + 1)
        yield Speech(engine)


async def test_speech_that_stops_and_starts_in_a_gap_fires_late_with_its_own_times(speech: Speech) -> None:
    started, stopped = await speech.alert(), await speech.alert(speech="stopped")
    await speech.say(0, 2)
    before = await speech.told()
    gap_id = await speech.gap(3, 40)
    await speech.transcribed(gap_id, (4, 6), (20, 22), (24, 25))
    assert before == [(0, 2, False)]
    assert sorted((await speech.told())[1:]) == [(6, 11, True), (20, 22, True), (25, 30, True)]
    for alert_id, count in ((started, 1), (stopped, 2)):
        late = [one for one in await speech.decisions(alert_id) if one.late]
        assert [one.outcome for one in late].count(Outcome.FIRED) == count
        listed = await speech.engine.alerts.list_alerts("rts-1", "idx")
        assert next(one.fired_late for one in listed if one.alert_id == alert_id) == count


async def test_the_live_state_stays_and_live_speech_is_evaluated_apart_from_the_gap(speech: Speech) -> None:
    alert_id = await speech.alert()
    await speech.say(0, 2)
    gap_id = await speech.gap(3, 30)
    await speech.say(31, 32)  # evaluated before the gap
    state = (await speech.engine.db.read(alerts.get_alert, alert_id)).state
    await speech.transcribed(gap_id, (15, 16))
    after = (await speech.engine.db.read(alerts.get_alert, alert_id)).state
    assert (after.present, after.spoken, after.fired_at) == (state.present, state.spoken, state.fired_at)
    assert await speech.told() == [(0, 2, False), (15, 16, True)]


@pytest.mark.long
async def test_a_silence_that_reaches_into_a_gap_waits_until_the_gap_is_transcribed(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_evaluator, "UTTERANCE_S", 0.1)
    speech.start = time.time() - 20
    gap_id = await speech.gap(2, 19)
    stopped = await speech.alert(speech="stopped", for_s=3)
    await speech.say(0, 1)
    await speech.transcribed(gap_id, *[(at, at + 1.5) for at in range(2, 19, 2)])
    assert await speech.told() == []  # there was speech all the time
    fired = await eventually(speech.told)
    assert fired == [(19, 22, False)]
    assert (await speech.decisions(stopped))[-1].outcome == "fired"


async def test_an_alert_may_skip_late_speech_and_one_that_is_newer_ignores_it(speech: Speech) -> None:
    skips = await speech.alert(late="skip")
    newer = await speech.alert(created=30)
    disabled = await speech.alert()
    off = {"status": AlertStatus.DISABLED}
    await speech.engine.db.write(lambda conn: alerts.update_alert(conn, disabled, **off))
    gap_id = await speech.gap(3, 20)
    await speech.transcribed(gap_id, (10, 12))
    assert await speech.told() == []
    assert [one.outcome for one in await speech.decisions(skips)] == ["suppressed", "no_match"]
    assert "later" in (await speech.decisions(skips))[0].reason
    assert await speech.decisions(newer) == []
    assert [one.outcome for one in await speech.decisions(disabled)] == ["suppressed", "no_match"]


async def test_the_cooldown_counts_in_the_time_of_the_speech(speech: Speech) -> None:
    await speech.alert(cooldown_s=20)
    gap_id = await speech.gap(0, 50)
    await speech.transcribed(gap_id, (1, 2), (15, 16), (40, 41))
    assert await speech.told() == [(1, 2, True), (40, 41, True)]


async def test_a_gap_is_evaluated_once_whatever_happens_and_for_one_of_several_transcripts(speech: Speech) -> None:
    await speech.alert()
    gap_id, second = await speech.gap(3, 20), await speech.gap(3, 20, "second")
    evaluate = speech.engine.evaluator.speech_gaps.evaluate

    def killed(conn: Connection) -> None:
        found = gaps.get(conn, gap_id)
        assert found is not None
        evaluate(conn, found)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await speech.engine.db.write(killed)
    await speech.transcribed(second, (10.2, 12), engine="second")
    await speech.transcribed(gap_id, (10, 12))
    await speech.transcribed(gap_id)
    assert await speech.told() == [(10, 12, True)]
