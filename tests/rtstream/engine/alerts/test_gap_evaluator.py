"""Alerts on late scenes: from the state at the beginning of the gap, once, and without a trace in the live state."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import CreateAlert, CreateEvent, Decision, Page, UpdateEvent
from rtstream.states import GapReason
from rtstream.store import alerts, gaps, indexes, streams
from rtstream.store import deliveries as outbox
from rtstream.store.alerts import AlertRow
from rtstream.store.journal import Filter
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

NOW = time.time()
STREAM = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
INDEX = {"extraction_type": "time", "extraction_config": {"time": 1}, "model_config": {}, "status": "stopped"}


class Past:
    """An engine with one index, whose scenes the test writes. Times are seconds after the first one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def alert(self, prompt: str = '"OPEN" is there', **options: Any) -> str:
        """A new alert; returns its id."""
        event = await self.engine.alerts.create_event(CreateEvent(event_prompt=prompt, label="open"))
        wanted = CreateAlert(event_id=event.event_id, **options)
        alert_id = (await self.engine.alerts.create_alert("rts-1", "idx", wanted)).alert_id
        created = {"created_at": NOW - 10}
        await self.engine.db.write(lambda conn: alerts.update_alert(conn, alert_id, **created))
        return alert_id

    async def look(self, at: float, text: str = "OPEN", gap_id: int | None = None) -> None:
        """A scene, live or of a gap."""

        def write(conn: Connection) -> None:
            values = {"text": text, "status": "ok", "model": "local", "data": None, "created_at": time.time()}
            detail = {"lines": [text], "changes": {"text_read": True}}
            indexes.add_scene(
                conn,
                index_id="idx",
                stream_id="rts-1",
                start=NOW + at,
                end=NOW + at + 1,
                detail=detail,
                gap_id=gap_id,
                **values,
            )

        await self.engine.db.write(write)
        if gap_id is None:
            self.engine.evaluator.scene_stored("idx")
        else:
            self.engine.evaluator.gap_changed()

    async def gap(self, start: float, end: float) -> int:
        """A gap; returns its id."""
        kind = {"reason": GapReason.ENGINE_ENDED, "index_id": "idx"}
        return await self.engine.db.write(
            lambda conn: gaps.insert(conn, stream_id="rts-1", start=NOW + start, end=NOW + end, now=NOW, **kind)
        )

    async def analysed(self, gap_id: int) -> None:
        """End the analysis of a gap, and wait until its alerts are evaluated."""
        await self.engine.db.write(gaps.finish, gap_id)
        self.engine.evaluator.gap_changed()
        await eventually(lambda: self.engine.db.read(gaps.get, gap_id), lambda gap: gap is None, what="the gap to end")

    async def decided(self, alert_id: str, count: int) -> list[Decision]:
        """The decisions of an alert, in the order of their moments."""

        async def read() -> list[Decision]:
            found, _ = await self.engine.alerts.list_decisions("rts-1", "idx", alert_id, Page(page_size=100))
            return sorted(found, key=lambda one: one.start or 0.0)

        return await eventually(read, lambda found: len(found) >= count, what=f"{count} decisions")

    async def row(self, alert_id: str) -> AlertRow:
        return await self.engine.db.read(alerts.get_alert, alert_id)

    async def told(self) -> list[tuple[float, bool]]:
        """Start of each firing, and whether it is late, in the order of the journal."""
        page = await self.engine.journal.read(0, Filter(channels=["alert"]), limit=100)
        return [(round(entry.data["start"] - NOW, 3), bool(entry.data.get("late"))) for entry in page.entries]


@pytest.fixture
async def past(tmp_path: Path) -> AsyncIterator[Past]:
    config = EngineConfig(
        data_dir=tmp_path, local_vision=False, embedding_model="none", webhook_allow_networks="loopback"
    )
    async with Engine(config) as engine:
        common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
        await engine.db.write(lambda conn: streams.insert(conn, id="rts-1", created_at=NOW, **common, **STREAM))
        index = {"stream_id": "rts-1", "name": "x", "counters": {}, "created_at": NOW}
        await engine.db.write(lambda conn: indexes.insert(conn, id="idx", **index, **INDEX))
        yield Past(engine)


def outcomes(decisions: list[Decision]) -> list[str]:
    return [decision.outcome for decision in decisions]


async def test_late_scenes_fire_with_their_own_times_and_leave_the_live_state_as_it_is(past: Past) -> None:
    alert_id = await past.alert(dedupe=False, callback_url="http://127.0.0.1:9/hook")
    await past.look(0, "SHUT")
    await past.decided(alert_id, 1)
    gap_id = await past.gap(1, 4)
    await past.look(4, "SHUT")
    await past.decided(alert_id, 2)
    live = (await past.row(alert_id)).state
    for at in (1, 2, 3):
        await past.look(at, "OPEN" if at != 2 else "SHUT", gap_id)
    await past.analysed(gap_id)
    decisions = await past.decided(alert_id, 5)
    assert outcomes(decisions) == ["no_match", "fired", "no_match", "fired", "no_match"]
    assert [decision.late for decision in decisions] == [False, True, True, True, False]
    (listed,) = await past.engine.alerts.list_alerts("rts-1", "idx")
    assert (listed.fired, listed.fired_late) == (2, 2)
    assert await past.told() == [(1.0, True), (3.0, True)]
    row = await past.row(alert_id)
    assert (row.state, row.fired) == (live, 2)
    deliveries = await past.engine.db.read(outbox.of_alert, alert_id, 10)
    assert [delivery.payload["late"] for delivery, _ in deliveries] == [True, True]


async def test_a_gap_begins_with_the_state_of_its_beginning_even_if_live_scenes_came_first(past: Past) -> None:
    alert_id = await past.alert()
    await past.look(0)  # an episode that has been reported
    await past.decided(alert_id, 1)
    gap_id = await past.gap(1, 3)
    await past.look(3, "SHUT")
    await past.look(4)
    await past.decided(alert_id, 3)
    await past.look(1, "OPEN", gap_id)
    await past.look(2, "SHUT", gap_id)
    await past.analysed(gap_id)
    decisions = await past.decided(alert_id, 5)
    assert outcomes(decisions) == ["fired", "suppressed", "no_match", "no_match", "fired"]
    assert "already been reported" in decisions[1].reason
    assert await past.told() == [(0.0, False), (4.0, False)]


async def test_late_scenes_that_come_before_the_first_live_one_do_not_change_what_it_finds(past: Past) -> None:
    alert_id = await past.alert()
    await past.look(0, "SHUT")
    await past.decided(alert_id, 1)
    gap_id = await past.gap(1, 3)
    await past.look(1, "OPEN", gap_id)
    await past.look(2, "OPEN", gap_id)
    await past.decided(alert_id, 3)
    await past.look(3, "OPEN")
    await past.analysed(gap_id)
    assert outcomes(await past.decided(alert_id, 4)) == ["no_match", "fired", "suppressed", "fired"]
    assert await past.told() == [(1.0, True), (3.0, False)]


async def test_the_cooldown_of_a_gap_is_measured_in_its_own_time(past: Past) -> None:
    alert_id = await past.alert(dedupe=False, cooldown_s=10)
    await past.look(0)
    await past.decided(alert_id, 1)
    gap_id = await past.gap(1, 30)
    await past.look(30)
    await past.decided(alert_id, 2)
    for at in (5, 12, 14, 25):
        await past.look(at, "OPEN", gap_id)
    await past.analysed(gap_id)
    decisions = await past.decided(alert_id, 6)
    assert outcomes(decisions) == ["fired", "suppressed", "fired", "suppressed", "fired", "fired"]
    assert "cooldown" in decisions[1].reason


async def test_alerts_that_skip_late_scenes_say_so_and_do_not_fire(past: Past) -> None:
    skips, fires = await past.alert(late="skip"), await past.alert(late="fire")
    gap_id = await past.gap(1, 3)
    await past.look(1, "OPEN", gap_id)
    await past.analysed(gap_id)
    [decision] = await past.decided(skips, 1)
    assert decision.outcome == "suppressed"
    assert "looked at later" in decision.reason
    assert outcomes(await past.decided(fires, 1)) == ["fired"]
    await past.look(4)
    assert outcomes(await past.decided(skips, 2)) == ["suppressed", "fired"]


async def test_what_is_newer_than_a_scene_does_not_fire_on_it(past: Past) -> None:
    gap_id = await past.gap(1, 3)
    alert_id = await past.alert()
    changed = await past.alert('"SHUT" is there')
    event_id = (await past.row(changed)).event_id
    await past.engine.alerts.update_event(event_id, UpdateEvent(event_prompt='"OPEN" is there'))
    await past.engine.db.write(lambda conn: alerts.update_alert(conn, alert_id, created_at=NOW + 2))
    await past.look(1, "OPEN", gap_id)
    await past.look(2, "OPEN", gap_id)
    await past.analysed(gap_id)
    assert outcomes(await past.decided(alert_id, 2)) == ["suppressed", "fired"]
    assert await past.decided(changed, 0) == []


async def test_each_late_scene_is_evaluated_once_however_often_the_evaluation_is_woken(past: Past) -> None:
    alert_id = await past.alert(dedupe=False)
    gap_id = await past.gap(1, 5)
    await past.look(1, "OPEN", gap_id)
    await past.look(2, "OPEN", gap_id)
    await past.decided(alert_id, 2)
    past.engine.evaluator._gap_evaluator.wake()
    await past.look(3, "OPEN", gap_id)
    await past.analysed(gap_id)
    assert await past.told() == [(1.0, True), (2.0, True), (3.0, True)]
    assert len(await past.decided(alert_id, 3)) == 3
