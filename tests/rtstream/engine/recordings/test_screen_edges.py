"""The exact moments of changes on a recorded stream."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rtstream.engine.recordings import ScreenEdges
from rtstream.storage.folder import FolderStorage
from rtstream.store import streams
from rtstream.store.database import Database
from tests.rtstream.engine.recordings.test_footage import START, enter
from tests.sources import record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def edges(tmp_path: Path, clip: Path) -> AsyncIterator[ScreenEdges]:
    """The changes of a stream of six seconds, whose slide changes after five."""
    media = FolderStorage.create(tmp_path / "media")
    db = Database.below(tmp_path)
    await db.write(streams.ensure_default_collection, 0.0)
    common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
    kind = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    await db.write(lambda conn: streams.insert(conn, id="rts-1", created_at=0.0, **common, **kind))
    (tmp_path / "media" / "rts-1").mkdir()
    footage = record(clip, tmp_path / "media" / "rts-1" / "rec-1", start=START)
    await db.write(enter, "rts-1", "rec-1", footage, 2.0)
    found = ScreenEdges(db, media)
    yield found
    await found.aclose()
    await db.aclose()


async def test_a_change_is_found_once_and_remembered(edges: ScreenEdges, tmp_path: Path) -> None:
    assert await edges.changed_at("rts-1", START + 3.5, START + 5.5) == pytest.approx(START + 5, abs=1 / 60)
    shutil.rmtree(tmp_path / "media" / "rts-1")
    assert await edges.changed_at("rts-1", START + 3.5, START + 5.5) == pytest.approx(START + 5, abs=1 / 60)
    assert await edges.changed_at("rts-1", START + 3.6, START + 5.5) is None


@pytest.mark.parametrize(
    ("stream_id", "before", "after"), [("rts-2", 3.5, 5.5), ("rts-1", 100, 105), ("rts-1", -60, 5)]
)
async def test_without_footage_or_over_a_long_range_nothing_is_found(
    edges: ScreenEdges, stream_id: str, before: float, after: float
) -> None:
    assert await edges.changed_at(stream_id, START + before, START + after) is None
