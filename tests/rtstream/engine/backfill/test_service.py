"""Recorded footage is analysed on request: each window once, with a job, after a question about its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import ConfirmationNeeded
from rtstream.models import ConnectStream, CreateIndex, ForecastRequest, JobKind, Page
from tests.modelserver import ModelServer
from tests.rtstream.engine.backfill.conftest import PER_WINDOW, RECORDED, Past
from tests.rtstream.engine.recordings.test_exports import STREAM
from tests.rtstream.engine.vision_engine import index_when, until

if TYPE_CHECKING:
    from rtstream.testsource import LiveSource

pytestmark = pytest.mark.anyio


async def test_each_recorded_window_of_a_range_is_described_once(past: Past) -> None:
    index = await past.describe()
    assert index.backfill is not None
    assert index.backfill.forecast.windows == len(RECORDED)
    job = await past.done(index)
    assert await past.starts(index) == RECORDED
    assert (job.kind, job.rtstream_id, job.percentage) == (JobKind.BACKFILL, STREAM, 100.0)
    assert job.backfill is not None
    assert (job.backfill.done, job.backfill.skipped, job.backfill.failed) == (len(RECORDED), {}, 0)
    assert job.backfill.not_recorded_s == pytest.approx(18, abs=0.5)
    told = await past.entries("scene_index")
    assert len(told) == len(RECORDED)
    assert all(entry["late"] for entry in told)
    shown = await past.engine.indexes.get(STREAM, index.rtstream_index_id)
    assert (shown.state, shown.windows_late, shown.windows_waiting) == ("stopped", len(RECORDED), 0)


async def test_windows_that_exist_are_not_described_again(past: Past, vision_server: ModelServer) -> None:
    first = await past.describe(2.0, 4.0)
    await past.done(first)
    assert len(vision_server.calls) == 4
    again = await past.describe(2.0, 4.0)
    assert again.backfill is not None
    assert (again.rtstream_index_id, again.backfill.job_id) == (first.rtstream_index_id, None)
    assert again.backfill.forecast.text == "Everything in this range is analysed already."
    more = await past.describe(0.0, 6.0)
    assert more.backfill is not None
    assert (more.backfill.forecast.windows, more.backfill.forecast.windows_known) == (8, 4)
    job = await past.done(more)
    assert job.backfill is not None
    assert (job.backfill.done, job.backfill.known) == (8, 4)
    assert await past.starts(first) == RECORDED[:12]
    assert len(vision_server.calls) == 12


async def test_nothing_costs_money_before_the_user_agrees(past: Past, vision_server: ModelServer) -> None:
    with pytest.raises(ConfirmationNeeded, match=r"24 windows .* takes \d\d calls .* \(openai:eye-1\)"):
        await past.describe(confirm=None)
    assert (vision_server.calls, await past.engine.indexes.list(STREAM)) == ([], [])


async def test_the_forecast_is_within_a_fifth_of_the_bill_once_the_model_was_called(
    past: Past, vision_server: ModelServer
) -> None:
    first = await past.done(await past.describe(0.0, 4.0))
    assert first.backfill is not None
    assert first.backfill.cost == pytest.approx(len(vision_server.calls) * PER_WINDOW)
    fields = {
        "prompt": "What is seen?",
        "extraction_config": {"time": 0.5, "frame_count": 1},
        "model_config": {"skip_unchanged": False},
    }
    request = ForecastRequest(start=past.start, end=past.start + 30, index=CreateIndex.model_validate(fields))
    forecast = await past.engine.backfills.forecast(STREAM, request)
    assert (forecast.windows, forecast.windows_known, forecast.measured) == (16, 8, True)
    job = await past.done(await past.describe())
    assert job.backfill is not None
    assert job.backfill.cost is not None
    assert forecast.cost == pytest.approx(job.backfill.cost, rel=0.2)


async def test_an_index_from_the_past_goes_on_live_without_a_missing_window(
    seeing_engine: Engine, vision_server: ModelServer, live_source: LiveSource
) -> None:
    stream = await seeing_engine.connect_stream(ConnectStream(url=live_source.http_url, store=True))

    async def recorded() -> bool:
        found = (await seeing_engine.streams.get(stream.id)).recorded
        return bool(found) and found[-1][1] - found[0][0] > 3

    await until(recorded)
    begin = (await seeing_engine.streams.get(stream.id)).recorded[0][0]
    fields = {"prompt": "?", "extraction_config": {"time": 0.5, "frame_count": 2}, "confirm": True, "start": begin}
    index = await seeing_engine.backfills.create_index(stream.id, CreateIndex.model_validate(fields))
    assert index.state == "running"
    assert index.backfill is not None
    past = Past(seeing_engine, begin)
    await past.ended(index.backfill.job_id)
    shown = await index_when(seeing_engine, index, lambda one: one.windows_done > one.windows_late + 2)
    assert shown.windows_late >= 6
    found, _ = await seeing_engine.indexes.list_scenes(stream.id, index.rtstream_index_id, Page(page_size=1000))
    numbers = sorted(round(scene.start / 0.5) for scene in found)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] * 0.5 <= begin
