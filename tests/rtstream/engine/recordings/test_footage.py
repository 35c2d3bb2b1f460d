"""Ranges of stored recordings, read for analysis."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from rtstream.engine.recordings import FootageReader
from rtstream.mp4.recordings import StoredRecording
from rtstream.perception.protocols import Picture
from rtstream.storage.folder import FolderStorage
from rtstream.store import recordings, streams
from rtstream.store.database import Database
from tests.sources import record

if TYPE_CHECKING:
    from sqlalchemy import Connection

pytestmark = pytest.mark.anyio

START = 1_800_000_000.0


def number(picture: Picture) -> int:
    from rtstream.testsource import read_barcode

    return read_barcode(np.asarray(Image.open(io.BytesIO(picture.jpeg)).convert("L")))


def enter(conn: Connection, stream_id: str, recording_id: str, footage: StoredRecording, length_s: float) -> None:
    """Add the rows of a recording whose segments have the same length."""
    begin = footage.pieces[0].start
    recordings.insert(
        conn,
        recording_id=recording_id,
        stream_id=stream_id,
        started_at=begin,
        init=footage.init,
        codecs="avc1",
        media_start=begin,
    )
    for piece in footage.pieces:
        path = f"{recording_id}/recording.m4s"
        place = {"path": path, "offset": piece.offset, "length": piece.length}
        recordings.add_segment(
            conn, stream_id, start=piece.start, duration=length_s, recording_id=recording_id, **place
        )


@pytest.fixture
async def reader(tmp_path: Path, clip: Path) -> AsyncIterator[FootageReader]:
    """Footage of a stream: 6 s, nothing for 6 s, and 6 s again."""
    media = FolderStorage.create(tmp_path / "media")
    db = Database.below(tmp_path)
    await db.write(streams.ensure_default_collection, 0.0)
    common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
    kind = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    await db.write(lambda conn: streams.insert(conn, id="rts-1", created_at=0.0, **common, **kind))
    (tmp_path / "media" / "rts-1").mkdir()
    for at, name in ((START, "rec-1"), (START + 12, "rec-2")):
        footage = record(clip, tmp_path / "media" / "rts-1" / name, start=at, audio=True)
        await db.write(enter, "rts-1", name, footage, 1.0)
    reader = FootageReader(db, media)
    yield reader
    await reader.aclose()
    await db.aclose()


async def test_nothing_after_the_newest_row_is_settled_while_footage_waits_for_the_database(
    reader: FootageReader, tmp_path: Path
) -> None:
    db = Database.below(tmp_path)
    waiting = FootageReader(db, FolderStorage(tmp_path / "media"), behind=lambda stream_id: stream_id == "rts-1")
    try:
        assert await db.read(waiting.settled, "rts-1", START) == pytest.approx(START + 18, abs=0.1)
        assert await db.read(reader.settled, "rts-1", START) > START + 100
    finally:
        await waiting.aclose()
        await db.aclose()


@pytest.mark.parametrize(
    ("begin", "end", "interval_s", "wanted"),
    [
        (0.0, 18.0, 2.0, [0, 60, 120, 0, 60, 120]),
        (4.0, 14.0, 1.0, [120, 150, 0, 30]),
        (0.0, 18.0, 9.0, [0, 0]),
        (0.0, 36.0, 12.0, [0, 0]),
        (6.0, 12.0, 1.0, []),
    ],
)
async def test_a_range_of_any_length_has_a_picture_of_each_cell_that_was_recorded(
    reader: FootageReader, begin: float, end: float, interval_s: float, wanted: list[int]
) -> None:
    found = await reader.pictures("rts-1", START + begin, START + end, interval_s, 320, None)
    assert [number(picture) for picture in found] == wanted
    assert [picture.time for picture in found] == sorted(picture.time for picture in found)


async def test_audio_is_read_to_the_edges_of_a_range(reader: FootageReader) -> None:
    heard = await reader.audio("rts-1", START + 1, START + 4, None)
    assert heard[0].time == pytest.approx(START + 1, abs=1e-3)
    assert sum(len(block.samples) for block in heard) == pytest.approx(3 * 32_000, abs=64)
    assert await reader.audio("rts-1", START + 100, START + 110, None) == []


async def test_recorded_ranges_and_their_end_are_known(reader: FootageReader) -> None:
    db = reader._db
    assert await db.read(reader.recorded, "rts-1", START + 2, START + 14, None) == [
        (START + 2, START + 6),
        (START + 12, START + 14),
    ]
    assert await db.read(reader.settled, "rts-1", 0.0) == pytest.approx(max(START + 18, time.time() - 150), abs=5)
