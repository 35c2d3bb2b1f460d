"""Calls and costs are forecast from earlier calls, else from the documented sizes of texts and pictures."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.backfill.forecast import ExpectedCalls, Forecasts, PlannedIndex, sentence
from rtstream.models import BackfillForecast
from rtstream.perception.prices import Prices
from rtstream.store import indexes, speech_ranges, streams, transcripts
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow

pytestmark = pytest.mark.anyio

MODEL = "openai:eye-1"
CONFIG = {"time": 5, "frame_count": 2}


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = Database.below(tmp_path)
    common = {"name": "s", "url": "u", "collection_id": "default", "desired": "stopped", "health": {}}
    kind = {"media_types": ["video"], "sample_rate": 30.0, "store": True, "enable_transcript": False}
    media = {"width": 1280, "height": 720, "video_codec": "h264"}
    await db.write(streams.ensure_default_collection, 0.0)
    await db.write(lambda conn: streams.insert(conn, id="rts-1", created_at=0.0, media=media, **common, **kind))
    yield db
    await db.aclose()


def forecasts(folder: Path, prices: str = f"{MODEL}=2.5/10,openai:whisper-1=0.36/h") -> Forecasts:
    return Forecasts(Prices(EngineConfig(data_dir=folder, model_prices=prices)), lambda row: row.model_name or "", 1280)


async def add_index(db: Database, index_id: str, kind: str = "time", **values: Any) -> IndexRow:
    fields: dict[str, Any] = {
        "stream_id": "rts-1",
        "name": index_id,
        "extraction_type": kind,
        "extraction_config": CONFIG,
        "model_name": MODEL,
        "model_config": {},
        "status": "stopped",
        "counters": {},
        "created_at": 0.0,
    }
    await db.write(lambda conn: indexes.insert(conn, id=index_id, **fields | values))
    return await db.read(indexes.get, index_id)


async def planned(db: Database, row: IndexRow | None = None, **values: Any) -> PlannedIndex:
    stream = await db.read(streams.get, "rts-1")
    fields: dict[str, Any] = {"kind": "time", "config": CONFIG, "prompt": "What?", "model": MODEL}
    return PlannedIndex(stream, row, **fields | values)


async def test_without_earlier_calls_the_pictures_are_counted(db: Database, tmp_path: Path) -> None:
    expected = await db.read(forecasts(tmp_path).of_pictures, await planned(db), 10)
    assert (expected.calls, expected.measured) == (10, False)
    assert 10 * 2 * 1105 < expected.tokens_in < 10 * (2 * 1105 + 400)


async def test_earlier_calls_of_the_same_kind_tell_the_tokens(db: Database, tmp_path: Path) -> None:
    done = {"done": 10, "calls": 12, "tokens_in": 20_000, "tokens_out": 500}
    await add_index(db, "other", counters=done)
    await add_index(db, "larger", counters=done, extraction_config={"time": 5, "frame_count": 9})
    await add_index(db, "free", counters=done | {"tokens_in": 1}, model_name="local")
    expected = await db.read(forecasts(tmp_path).of_pictures, await planned(db), 100)
    assert expected == ExpectedCalls(100, 200_000, 5000)
    own = await add_index(db, "own", counters={"done": 8, "unchanged": 4, "tokens_in": 400, "tokens_out": 40})
    expected = await db.read(forecasts(tmp_path).of_pictures, await planned(db, own), 100)
    assert expected == ExpectedCalls(100, 10_000, 1000)  # of the windows that were described by a call
    assert expected.share(0.5) == ExpectedCalls(50, 5000, 500)
    assert expected.share(0.0).calls == 1
    assert ExpectedCalls(0).share(0.5).calls == 0


async def test_summaries_are_counted_where_speech_is_known_and_guessed_elsewhere(db: Database, tmp_path: Path) -> None:
    now = time.time()

    def say(conn: Any) -> None:
        for second in range(0, 60, 10):
            values = {"engine": "local", "kind": "speech", "detail": {}, "created_at": now}
            text = "one two three four five six seven eight nine ten."
            transcripts.add(conn, stream_id="rts-1", start=second, end=second + 5, text=text, **values)
        speech_ranges.add(conn, "rts-1", "local", 0.0, 60.0)

    await db.write(say)
    index = await planned(db, kind="transcript", config={"segmenter": "word", "segmentation_value": 20})
    known = await db.read(forecasts(tmp_path).of_summaries, index, "local", [(0.0, 60.0)], 0.0)
    assert (known.calls, known.measured) == (3, False)
    more = await db.read(forecasts(tmp_path).of_summaries, index, "local", [(0.0, 120.0)], 60.0)
    assert more.calls == 6  # half of the time is speech, at two words per second
    assert await db.read(forecasts(tmp_path).billed_share, "rts-1", "local") == pytest.approx(0.5)
    assert await db.read(forecasts(tmp_path).billed_share, "rts-1", "assemblyai") == 1.0
    assert await db.read(forecasts(tmp_path).billed_share, "rts-1", "other") is None


async def test_the_cost_is_that_of_the_model_and_the_speech_engine(tmp_path: Path) -> None:
    begun = BackfillForecast(start=0.0, end=3600.0, recorded_s=3600.0, windows=720, audio_s=3600.0)
    calls = ExpectedCalls(720, 720_000.0, 72_000.0)
    shown = await forecasts(tmp_path).shown(begun, MODEL, calls, "openai:whisper-1", 1800.0)
    assert shown.cost == pytest.approx(1.8 + 0.72 + 0.18)
    assert (shown.paid, shown.models) == (True, [MODEL, "openai:whisper-1"])
    assert shown.text == (
        "About 720 windows are to be described. 60 minutes of audio are to be transcribed. That takes about 720 calls "
        "and costs about 2.7 US dollars (openai:eye-1, openai:whisper-1)."
    )
    unknown = await forecasts(tmp_path, "").shown(begun, MODEL, calls, "", 0.0)
    assert unknown.cost is None
    assert "RTSTREAM_MODEL_PRICES" in unknown.text
    free = await forecasts(tmp_path).shown(begun, "local", calls, "local", 1800.0)
    assert (free.paid, free.cost, free.models) == (False, 0.0, [])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "Nothing is recorded in this range."),
        ({"recorded_s": 60.0}, "Everything in this range is analysed already."),
        (
            {"recorded_s": 60.0, "windows": 3, "windows_known": 2},
            "3 windows are to be described (2 are known already).",
        ),
        (
            {"recorded_s": 60.0, "windows": 3, "models": [MODEL], "calls": 3, "cost": 0.00123, "measured": False},
            "3 windows are to be described. That takes 3 calls and costs about 0.0012 US dollars, as a rough guess "
            "before the first calls of this kind (openai:eye-1).",
        ),
    ],
)
def test_a_forecast_is_a_sentence(values: dict[str, Any], text: str) -> None:
    assert sentence(BackfillForecast(start=0.0, **values)) == text
