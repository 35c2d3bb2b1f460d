"""Speech of gaps is summarised by audio indexes afterwards, each word once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.engine.indexes import audio_backfill
from rtstream.models import CreateIndex, Page, SceneIndex
from rtstream.states import GapReason
from rtstream.store import gaps, indexes, streams, transcripts
from rtstream.store.journal import Filter
from rtstream.store.tables import scene_indexes
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

ENGINE = "openai:whisper-1"
BEGAN = float(int(time.time()) - 100)
SPEECH = {"engine": ENGINE, "kind": "speech", "detail": {}, "created_at": BEGAN}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Engine]:
    config = EngineConfig(
        data_dir=folder,
        local_vision=False,
        embedding_model="none",
        speech_engine=ENGINE,
        speech_base_url="http://127.0.0.1:9",
    )
    async with Engine(config) as engine:
        yield engine


async def listen(engine: Engine, words: int = 3) -> SceneIndex:
    """An audio index of a recorded stream, as if it was created at ``BEGAN``."""
    common = {"name": "s", "url": "rtsp://192.0.2.1/desk", "collection_id": "default", "desired": "stopped"}
    kind = {"media_types": ["video", "audio"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    health: dict[str, Any] = {"state": "stopped", "since": BEGAN}
    await engine.db.write(
        lambda conn: streams.insert(conn, id="rts-1", created_at=0.0, health=health, **common, **kind)
    )
    config = {"segmenter": "word", "segmentation_value": words}
    request = CreateIndex(extraction_type="transcript", extraction_config=config, prompt="What is said?")
    index = await engine.indexes.create("rts-1", request)
    await engine.db.write(lambda conn: conn.execute(update(scene_indexes).values(created_at=BEGAN)))
    return index


def say(conn: Connection, at: float, text: str) -> None:
    transcripts.add(conn, stream_id="rts-1", start=BEGAN + at, end=BEGAN + at + 1, text=text, **SPEECH)


async def summarised(engine: Engine, index: SceneIndex, count: int) -> list[str]:
    """The words of all scenes, oldest first, once there are so many scenes."""

    async def read() -> list[str]:
        if await engine.db.read(gaps.of_index, index.rtstream_index_id):
            return []
        page = Page(page_size=100)
        found, _ = await engine.db.read(indexes.scene_page, index.rtstream_index_id, None, None, page)
        return [row.detail.transcript or "" for row in found[::-1]]

    return await eventually(read, lambda found: len(found) == count, what=f"{count} scenes")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr(audio_backfill, "PATIENCE_S", 0.0)
    monkeypatch.setattr(audio_backfill, "POLL_S", 0.05)


async def test_speech_that_an_engine_left_is_summarised_by_the_next_one(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        index = await listen(engine)

        def write(conn: Connection) -> None:
            say(conn, 10, "one two three four")
            say(conn, 20, "five six seven")
            scene = {"index_id": index.rtstream_index_id, "stream_id": "rts-1", "status": "ok", "model": "local"}
            detail = {"transcript": "one two three", "words": 3}
            start, end = BEGAN + 10, BEGAN + 10.7
            indexes.add_scene(conn, start=start, end=end, text="t", data=None, detail=detail, created_at=0.0, **scene)

        await engine.db.write(write)
    async with running(tmp_path) as engine:
        assert await summarised(engine, index, 3) == ["one two three", "four five six", "seven"]
        page = await engine.journal.read(0, Filter(channels=["audio_index"]), limit=100)
        assert [entry.data.get("late") for entry in page.entries] == [True, True]
        known = await engine.indexes.get("rts-1", index.rtstream_index_id)
        assert (known.windows_late, known.windows_waiting, known.windows_skipped) == (2, 0, 0)
    async with running(tmp_path) as engine:  # nothing is there twice
        assert await summarised(engine, index, 3) == ["one two three", "four five six", "seven"]


async def test_speech_that_is_transcribed_later_is_summarised_after_that(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        index = await listen(engine)
        gap = {"stream_id": "rts-1", "engine": ENGINE, "reason": GapReason.OVERLOADED, "now": BEGAN}

        def begin(conn: Connection) -> int:
            gaps.add_hole(conn, "rts-1", index.rtstream_index_id, "", BEGAN + 10, BEGAN + 30)
            return gaps.insert(conn, start=BEGAN + 10, end=BEGAN + 30, **gap)

        gap_id = await engine.db.write(begin)
        waits = await engine.db.read(gaps.of_index, index.rtstream_index_id)
        assert [one.analysed for one in waits] == [False]

        def transcribe(conn: Connection) -> None:
            say(conn, 5, "before the gap")
            say(conn, 12, "within it and")
            say(conn, 28, "still within")
            say(conn, 31, "behind the gap")
            gaps.remove(conn, [gap_id])

        await engine.db.write(transcribe)
        assert await summarised(engine, index, 2) == ["within it and", "still within"]


async def test_speech_between_the_words_of_a_live_scene_is_summarised_in_whole_batches(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        index = await listen(engine)
        gap = {"stream_id": "rts-1", "engine": ENGINE, "reason": GapReason.OVERLOADED, "now": BEGAN}

        def begin(conn: Connection) -> int:
            for start, end in ((11, 20), (20, 30)):  # one piece of missed speech after the other
                gaps.add_missed_speech(conn, "rts-1", index.rtstream_index_id, BEGAN + start, BEGAN + end)
            return gaps.insert(conn, start=BEGAN + 11, end=BEGAN + 30, **gap)

        gap_id = await engine.db.write(begin)

        def transcribe(conn: Connection) -> None:
            say(conn, 10, "before it")
            say(conn, 12, "one two")
            say(conn, 19, "three")
            say(conn, 21, "four five")
            say(conn, 28, "six")
            say(conn, 30, "behind")
            scene = {"index_id": index.rtstream_index_id, "stream_id": "rts-1", "status": "ok", "model": "local"}
            parts = [[BEGAN + 10, BEGAN + 11], [BEGAN + 30, BEGAN + 31]]
            detail = {"transcript": "before it behind", "words": 3, "parts": parts}
            start, end = BEGAN + 10, BEGAN + 31
            indexes.add_scene(conn, start=start, end=end, text="t", data=None, detail=detail, created_at=0.0, **scene)
            gaps.remove(conn, [gap_id])

        await engine.db.write(transcribe)
        assert await summarised(engine, index, 3) == ["before it behind", "one two three", "four five six"]


async def test_speech_that_waits_when_its_index_is_stopped_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as engine:
        index = await listen(engine, words=1)

        def write(conn: Connection) -> None:
            say(conn, 12, "four words are waiting")
            gaps.add_hole(conn, "rts-1", index.rtstream_index_id, "", BEGAN + 10, BEGAN + 30)
            gap = {"stream_id": "rts-1", "engine": ENGINE, "reason": GapReason.OVERLOADED, "now": BEGAN}
            gaps.insert(conn, start=BEGAN + 20, end=None, **gap)  # so that it waits

        await engine.db.write(write)
        await engine.indexes.stop("rts-1", index.rtstream_index_id)
        stopped = await engine.indexes.get("rts-1", index.rtstream_index_id)
        assert stopped.skipped == {"stopped": 4}
