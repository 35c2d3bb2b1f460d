"""The parts of a range that are missing: recorded, not analysed before, and not waiting for that already."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from rtstream.engine.backfill import gaps as parts
from rtstream.engine.backfill.gaps import LiveWork
from rtstream.engine.recordings import FootageReader
from rtstream.states import GapReason
from rtstream.storage.folder import FolderStorage
from rtstream.store import backfills, gaps, indexes, recordings, speech_ranges, streams
from rtstream.store.database import Database

pytestmark = pytest.mark.anyio

BEGAN = float(int(time.time() / 10) * 10 - 1000)
RECORDED = [(0, 20), (40, 60)]
"""Recorded ranges in seconds after ``BEGAN``."""
NOT_LIVE, JOINED = LiveWork(), LiveWork(wanted=True)


class Footage:
    def __init__(self, db: Database, reader: FootageReader) -> None:
        self.db, self.reader = db, reader

    async def pictures(
        self, start: float, end: float | None, live: LiveWork = NOT_LIVE, index_id: str = "idx"
    ) -> parts.MissingParts:
        span = BEGAN + start, None if end is None else BEGAN + end
        return await self.db.read(parts.missing_pictures, self.reader, "rts-1", index_id, 5.0, span, live)

    async def speech(self, start: float, end: float | None, live: LiveWork = NOT_LIVE) -> parts.MissingParts:
        span = BEGAN + start, None if end is None else BEGAN + end
        return await self.db.read(parts.missing_speech, self.reader, "rts-1", "local", span, live)

    async def summaries(self, start: float, end: float | None, live: LiveWork = NOT_LIVE) -> parts.MissingParts:
        span = BEGAN + start, None if end is None else BEGAN + end
        return await self.db.read(parts.missing_summaries, self.reader, "rts-1", "idx", span, live)

    async def gap(self, start: float, end: float | None, **owner: Any) -> None:
        until = None if end is None else BEGAN + end
        kind = {"reason": GapReason.ENGINE_ENDED, "now": 0.0, **owner}
        await self.db.write(lambda conn: gaps.insert(conn, stream_id="rts-1", start=BEGAN + start, end=until, **kind))

    async def scene(self, start: float, status: str = "ok") -> None:
        values = {"text": "t", "model": "m", "data": None, "detail": {}, "created_at": 0.0, "status": status}
        span = {"start": BEGAN + start, "end": BEGAN + start + 5}
        await self.db.write(lambda conn: indexes.add_scene(conn, index_id="idx", stream_id="rts-1", **span, **values))


def fill(conn: Connection) -> None:
    streams.ensure_default_collection(conn, 0.0)
    common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
    kind = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    streams.insert(conn, id="rts-1", created_at=BEGAN, **common, **kind)
    index = {"extraction_type": "time", "extraction_config": {"time": 5}, "model_config": {}, "status": "stopped"}
    indexes.insert(conn, id="idx", stream_id="rts-1", name="x", counters={}, created_at=BEGAN, **index)
    for number, (start, end) in enumerate(RECORDED):
        name = f"rec-{number}"
        begin = BEGAN + start
        recordings.insert(
            conn, recording_id=name, stream_id="rts-1", started_at=begin, init=b"x", codecs="avc1", media_start=begin
        )
        for at in range(start, end, 2):
            place = {"path": f"{name}.m4s", "offset": at, "length": 1}
            recordings.add_segment(conn, "rts-1", start=BEGAN + at, duration=2.0, recording_id=name, **place)
        recordings.close(conn, name)


@pytest.fixture
async def footage(tmp_path: Path) -> AsyncIterator[Footage]:
    db = Database.below(tmp_path)
    await db.write(fill)
    reader = FootageReader(db, FolderStorage.create(tmp_path / "media"))
    yield Footage(db, reader)
    await reader.aclose()
    await db.aclose()


def after(found: parts.MissingParts) -> tuple[list[tuple[float, float]], float | None]:
    """The missing parts in seconds after ``BEGAN``."""
    open_from = None if found.open_from is None else found.open_from - BEGAN
    return [(start - BEGAN, end - BEGAN) for start, end in found.ranges], open_from


async def test_windows_that_are_recorded_and_not_described_are_missing(footage: Footage) -> None:
    await footage.scene(5)
    await footage.scene(45, "failed")  # it is described again
    found = await footage.pictures(0, 100)
    assert after(found) == ([(0, 60)], None)  # one part, because windows nearby are read together
    assert (found.windows, found.known, found.seconds) == (7, 1, 40)
    assert (await footage.pictures(0, 100, index_id="")).windows == 8


async def test_a_range_is_extended_to_whole_windows(footage: Footage) -> None:
    assert after(await footage.pictures(6, 8)) == ([(5, 10)], None)
    assert after(await footage.pictures(25, 35)) == ([], None)


async def test_what_waits_already_is_not_missing(footage: Footage) -> None:
    await footage.gap(0, 10, index_id="idx")
    await footage.gap(40, None, engine="local")
    assert after(await footage.pictures(0, 100)) == ([(10, 60)], None)
    assert after(await footage.speech(0, 100)) == ([(0, 20)], None)
    assert after(await footage.summaries(0, 100)) == ([(10, 60)], None)


async def test_speech_that_was_heard_is_not_missing(footage: Footage) -> None:
    await footage.db.write(speech_ranges.add, "rts-1", "local", BEGAN + 8, BEGAN + 45)
    found = await footage.speech(0, 100)
    assert after(found) == ([(0, 8), (45, 60)], None)
    assert (found.seconds, found.span_s, found.count) == (23, 23, 2)


async def test_a_range_without_an_end_is_joined_to_the_first_live_result(footage: Footage) -> None:
    assert after(await footage.pictures(0, None, JOINED)) == ([], 0)
    assert after(await footage.speech(0, None, JOINED)) == ([(0, 20)], 40)
    await footage.db.write(speech_ranges.add, "rts-1", "local", BEGAN + 50, BEGAN + 60)
    assert after(await footage.speech(0, None, JOINED)) == ([(0, 20), (40, 50)], 60)
    found = await footage.summaries(10, None, JOINED)
    assert after(found) == ([], 10)
    assert not found.is_empty


@pytest.mark.parametrize("live", [LiveWork(True, begins=BEGAN + 50), LiveWork(gap_start=BEGAN + 50)])
async def test_live_work_and_its_own_gap_are_left_alone(footage: Footage, live: LiveWork) -> None:
    assert after(await footage.pictures(0, None, live)) == ([(0, 50)], None)
    assert after(await footage.speech(0, None, live)) == ([(0, 20), (40, 50)], None)
    assert after(await footage.summaries(55, None, live)) == ([], None)


async def test_missing_parts_become_the_gaps_of_a_backfill(footage: Footage) -> None:
    found = await footage.speech(0, None, JOINED)

    def write(conn: Connection) -> list[gaps.GapRow]:
        parts.store(conn, found, "job-1", "rts-1", None, "local")
        return backfills.gaps_of(conn, "job-1")

    stored = await footage.db.write(write)
    assert [(one.start - BEGAN, one.end is None, one.requested, one.engine) for one in stored] == [
        (0, False, True, "local"),
        (40, True, True, "local"),
    ]


def test_samples_are_spread_evenly_over_the_parts() -> None:
    found = parts.MissingParts([(0.0, 100.0), (200.0, 300.0)], None, [])
    assert found.samples(4, 10.0) == [(20.0, 30.0), (70.0, 80.0), (220.0, 230.0), (270.0, 280.0)]
    assert parts.MissingParts([(0.0, 5.0)], None, []).samples(4, 10.0) == [(0.0, 5.0)]
    assert parts.MissingParts([], 10.0, [], now=20.0).samples(2, 4.0) == [(10.5, 14.5), (15.5, 19.5)]
    assert parts.MissingParts([], None, []).samples(2, 4.0) == []
