"""The jobs of backfills continue in the next engine, and end with a count of the rest and its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection

from rtstream.errors import DatabaseUnavailable
from rtstream.models import JobKind, JobState
from rtstream.store import backfills
from tests.modelserver import Answer, ModelServer, chat_completion, failure
from tests.rtstream.engine.backfill.conftest import RECORDED, Past, billed, once, past_of, slow
from tests.rtstream.engine.recordings.test_exports import STREAM
from tests.rtstream.engine.vision_engine import seeing
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_an_engine_that_ends_meanwhile_leaves_the_rest_to_the_next_one(
    tmp_path: Path, vision_server: ModelServer, clip: Path
) -> None:
    vision_server.reply = slow(0.2)
    async with past_of(tmp_path, vision_server, clip) as past:
        index = await past.describe()
        assert index.backfill is not None
        job_id = index.backfill.job_id
        await eventually(lambda: past.starts(index), lambda found: len(found) >= 3, what="three windows")
    vision_server.reply = billed
    async with seeing(tmp_path, vision_server, local_vision=False) as engine:
        after = Past(engine, past.start)
        job = await after.ended(job_id)
        assert (job.state, job.kind) == (JobState.DONE, JobKind.BACKFILL)
        assert job.backfill is not None
        assert job.backfill.done == len(RECORDED)
        assert await after.starts(index) == RECORDED
        assert once([entry["start"] for entry in await after.entries("scene_index")])


async def test_a_cancelled_backfill_keeps_its_results_and_another_request_does_the_rest(
    past: Past, vision_server: ModelServer
) -> None:
    vision_server.reply = slow(0.2)
    index = await past.describe()
    assert index.backfill is not None
    await eventually(lambda: past.starts(index), lambda found: len(found) >= 3, what="three windows")
    await past.engine.jobs.cancel(index.backfill.job_id or "")
    job = await past.ended(index.backfill.job_id)
    assert job.state is JobState.CANCELLED
    assert job.backfill is not None
    done = len(await past.starts(index))
    assert 3 <= done < len(RECORDED)
    assert job.backfill.done + job.backfill.skipped["cancelled"] in (len(RECORDED), len(RECORDED) - 1)
    vision_server.reply = billed
    await past.done(await past.describe())
    assert await past.starts(index) == RECORDED


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_database_that_fails_for_a_while_ends_no_backfill(
    past: Past, vision_server: ModelServer, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    vision_server.reply = slow(0.1)
    get, failing, failures = backfills.get, False, 0

    def flaky(conn: Connection, backfill_id: str) -> backfills.BackfillRow | None:
        nonlocal failures
        if failing:
            failures += 1
            raise DatabaseUnavailable("The database is locked.")
        return get(conn, backfill_id)

    monkeypatch.setattr(backfills, "get", flaky)
    index = await past.describe()
    assert index.backfill is not None
    failing = True
    await eventually(lambda: failures >= 3, what="failures")
    job = past.engine.jobs.get(index.backfill.job_id or "")
    assert job.running
    async with anyio.create_task_group() as tasks:
        if cancelled:
            tasks.start_soon(past.engine.jobs.cancel, job.id)
            begun = failures
            await eventually(lambda: failures >= begun + 4, what="a failure to count the rest")
        failing = False
    ended = await past.ended(job.id)
    assert ended.state is (JobState.CANCELLED if cancelled else JobState.DONE)
    assert ended.backfill is not None
    counted = ended.backfill.done + sum(ended.backfill.skipped.values())
    assert counted in ((len(RECORDED), len(RECORDED) - 1) if cancelled else (len(RECORDED),))


async def test_an_index_that_is_stopped_ends_its_backfill(past: Past, vision_server: ModelServer) -> None:
    vision_server.reply = slow(0.3)
    index = await past.describe()
    assert index.backfill is not None
    await past.engine.indexes.stop(STREAM, index.rtstream_index_id)
    assert (await past.ended(index.backfill.job_id)).state is JobState.CANCELLED


async def test_a_backfill_ends_before_it_costs_much_more_than_was_expected(
    past: Past, vision_server: ModelServer
) -> None:
    await past.done(await past.describe(0.0, 4.0))
    vision_server.reply = lambda call: replace(slow(0.2)(call), body=chat_completion("seen", tokens=(8000, 400)))
    index = await past.describe()
    assert index.backfill is not None
    forecast = index.backfill.forecast
    job = await past.ended(index.backfill.job_id)
    assert (job.state, job.error_code) == (JobState.FAILED, "UNAVAILABLE")
    assert "more than was expected" in job.error
    assert job.backfill is not None
    assert job.backfill.skipped["budget_spent"] == forecast.windows - job.backfill.done
    assert 0 < job.backfill.done < forecast.windows


async def test_a_model_that_fails_again_and_again_ends_the_backfill_with_its_reason(
    past: Past, vision_server: ModelServer
) -> None:
    vision_server.reply = lambda call: Answer(failure("no such key", "invalid_api_key"), status=401)
    index = await past.describe()
    assert index.backfill is not None
    job = await past.ended(index.backfill.job_id)
    assert job.state is JobState.FAILED
    assert job.backfill is not None
    assert "key" in job.error
    assert job.backfill.failed >= 5
    assert job.backfill.failed + job.backfill.skipped["model_failed"] == len(RECORDED)
    vision_server.reply = billed
    await past.done(await past.describe())  # also those that failed
    assert await past.starts(index) == RECORDED
    assert {scene.status for scene in await past.scenes(index)} == {"ok"}
