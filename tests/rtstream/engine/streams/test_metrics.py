"""Metrics are in the format of Prometheus, and hold what recorders, indexes and the database count."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.messages import HealthNote, RecorderHealth, RecorderStats
from rtstream.store import indexes, streams

pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "metrics.md"
STREAM = "rts-0123456789abcdef"
DOOR = 'Door "1"\n'


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine with a stream and an index that do not run."""

    def insert(conn: Connection) -> None:
        kind = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
        named = {"id": STREAM, "name": DOOR, "url": "rtsp://h/x", "collection_id": "default", "desired": "stopped"}
        streams.insert(conn, **named, created_at=time.time(), health={"state": "stopped"}, **kind)
        how = {"extraction_type": "time", "extraction_config": {"time": 2}, "model_config": {}, "status": "stopped"}
        counters = {"done": 7, "calls": 5}
        indexes.insert(conn, id="idx-1", stream_id=STREAM, name="scene", counters=counters, created_at=0.0, **how)

    async with Engine(EngineConfig(data_dir=tmp_path / "data", local_vision=False)) as running:
        await running.db.write(insert)
        running.health.add(STREAM, DOOR, "rtsp://h/x")
        yield running


async def values(engine: Engine) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples of each metric by the values of their labels, except ids."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families((await engine.metrics.text()).decode()):
        for sample in family.samples:
            shown = sorted((name, value) for name, value in sample.labels.items() if not name.endswith("_id"))
            found.setdefault(sample.name, {})[tuple(value for _, value in shown)] = sample.value
    return found


async def test_packets_and_problems_of_a_stream_are_counted(engine: Engine) -> None:
    note = HealthNote("format_changed", "note", "x")
    await engine.recorder_events.handle(
        STREAM, RecorderHealth("connected", "no audio", code="track_silent", reasons=[note])
    )
    tracks = {"video": {"received": 90, "stored": 80, "dropped": {"before_keyframe": 10}}}
    await engine.recorder_events.handle(STREAM, RecorderStats(0.25, {"frames_unsent": 3}, tracks))
    found = await values(engine)
    assert found["rtstream_stream_connected"] == {(DOOR,): 1}
    assert found["rtstream_stream_lag_seconds"] == {(DOOR,): 0.25}
    assert found["rtstream_stream_problem"] == {("track_silent", DOOR): 1}
    assert found["rtstream_stream_skipped_total"] == {("frames_unsent", DOOR): 3}
    assert found["rtstream_track_packets_received_total"] == {(DOOR, "video"): 90}
    assert found["rtstream_track_packets_stored_total"] == {(DOOR, "video"): 80}
    assert found["rtstream_track_packets_dropped_total"] == {("before_keyframe", DOOR, "video"): 10}
    assert found["rtstream_index_windows_total"]["scene", "done"] == 7
    assert found["rtstream_index_model_calls_total"] == {("scene",): 5}
    health = (await engine.streams.get(STREAM)).health
    assert health.packets["video"].stored == 80


async def test_statistics_that_make_no_sense_change_nothing(engine: Engine) -> None:
    await engine.recorder_events.handle(STREAM, RecorderHealth("connected"))
    await engine.recorder_events.handle(STREAM, RecorderStats(0.0, {}, {"video": {"received": "many"}}))
    health = engine.health.get(STREAM)
    assert health is not None
    assert health.packets == {}


async def test_the_page_lists_exactly_the_metrics(engine: Engine) -> None:
    documented = set(re.findall(r"^\| `(rtstream_\w+)` \|", PAGE.read_text(encoding="utf-8"), re.M))
    served = re.findall(r"^# TYPE (\w+) ", (await engine.metrics.text()).decode(), re.M)
    assert documented == set(served)
