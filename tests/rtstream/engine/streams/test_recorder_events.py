"""Events of recorders become health and journal entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import ConnectStream, Health
from rtstream.store.journal import Filter
from tests.rtstream.recorder.recorder_sources import served, transport_stream, video_file
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_change_of_format_is_a_note_in_health_and_an_entry_in_the_journal(clip: Path, tmp_path: Path) -> None:
    other = video_file(tmp_path / "other.ts", "libx264", seconds=3, gop=15, x264_params="repeat-headers=1", level="4.2")
    parts = (transport_stream(clip, 1.0, 3), 2.0), (other.read_bytes(), 30.0)
    config = EngineConfig(data_dir=tmp_path / "data", allow_networks="loopback", segment_s=1.0, min_free_gb=0)
    with served(*parts) as url:
        async with Engine(config) as engine:
            stream = await engine.connect_stream(ConnectStream(url=url, name="Door", store=True))

            async def noted() -> Health | None:
                health = (await engine.streams.get(stream.id)).health
                return health if health.reasons else None

            health = await eventually(noted)
            assert health is not None
            entries = (await engine.journal.read(0, Filter(channels=["health"]))).entries
    (reason,) = health.reasons
    assert (reason.code, reason.level, health.state) == ("format_changed", "note", "connected")
    assert reason.text == health.reason == "the source sends another video track, so a new recording began"
    assert reason.next_step
    assert [each["code"] for each in entries[-1].data["reasons"]] == ["format_changed"]
