"""Reports of a recorder about its source are shown in the health and the journal of its stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.streams import health as streams_health
from rtstream.messages import HealthNote, RecorderHealth, decode, encode
from rtstream.states import HealthCode
from rtstream.store.journal import Filter

pytestmark = pytest.mark.anyio


def test_the_reasons_of_a_recorder_arrive_as_they_were_sent() -> None:
    sent = RecorderHealth("connected", reasons=[HealthNote("format_changed", "note", "the video changed")])
    assert decode(encode(sent)) == sent


async def test_a_note_of_the_engine_disappears_once_it_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Engine(EngineConfig(data_dir=tmp_path / "data", local_vision=False)) as engine:
        log, text = engine.health, "the engine was restarted"
        log.add("rts-1", "Door", "rtsp://h/x")
        await log.note("rts-1", HealthCode.ENGINE_RESTARTED, text)
        await log.set("rts-1", "connected", "")
        health = log.get("rts-1")
        assert health is not None
        [note] = health.reasons
        assert (health.reason, note.level) == (text, "note")
        await log.note("rts-1", HealthCode.ENGINE_RESTARTED, text)
        await log.expire_notes()
        assert (log.get("rts-1"), health.reasons) == (health, [note])
        monkeypatch.setattr(streams_health, "NOTE_S", 0.0)
        await log.note("rts-1", HealthCode.ENGINE_RESTARTED, text)
        await log.expire_notes()
        assert (health.reason, health.reasons) == ("", [])
        entries = (await engine.journal.read(0, Filter(channels=["health"]))).entries
        assert [entry.data["reason"] for entry in entries] == [text, ""]
