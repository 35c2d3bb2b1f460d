"""Jobs outlast the request that started them, and can be cancelled."""

from __future__ import annotations

import time
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from rtstream.config import EngineConfig
from rtstream.engine import jobs
from rtstream.engine.engine import Engine
from rtstream.engine.jobs import Job, JobSubject
from rtstream.errors import Conflict, NotFound, Unavailable
from rtstream.states import JobKind
from rtstream.store.journal import Filter
from tests.rtstream.engine.recordings.conftest import KEY, api, engine, source
from tests.rtstream.engine.recordings.test_exports import START, STREAM, add_recording, add_stream, relative
from tests.waiting import eventually

__all__ = ["api", "engine", "source"]

pytestmark = pytest.mark.anyio


async def test_a_long_export_is_asked_after_and_can_be_cancelled(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    answer = (await api.post(f"/rtstream/{STREAM}/export", json={"wait_s": 0})).json()
    assert (answer["status"], answer["request_type"]) == ("processing", "sync")
    url = answer["data"]["output_url"]
    assert url == f"http://api.test/async-response/{answer['data']['id']}"

    async def poll() -> dict[str, Any]:
        return (await api.get(relative(url))).json()

    polled = await eventually(poll, lambda polled: polled["status"] != "processing")
    assert (polled["status"], polled["data"]["name"]) == ("done", "Door - Recording")
    await api.delete(f"/video/{polled['data']['video_id']}")

    job = (await api.post(f"/rtstream/{STREAM}/export", json={"wait_s": 0})).json()["data"]["id"]
    assert (await api.delete(f"/async-response/{job}")).json()["success"]
    cancelled = (await api.get(f"/async-response/{job}")).json()
    assert (cancelled["success"], cancelled["message"]) == (False, "The job was cancelled.")
    assert list((Path(engine.config.data_dir) / "videos").iterdir()) == []
    assert (await api.get("/video")).json()["data"]["videos"] == []
    assert (await api.get("/async-response/job-nothing")).status_code == 404


async def states(engine: Engine, job_id: str) -> list[str]:
    """The states of a job in the journal, each once."""
    await engine.queue.drain(5)
    entries = (await engine.journal.read(0, Filter(channels=["job"]), 500)).entries
    found = [entry.data["state"] for entry in entries if entry.data["job_id"] == job_id]
    return [state for state, _ in groupby(found)]


async def test_every_change_of_an_export_is_in_the_journal(
    engine: Engine, api: httpx.AsyncClient, source: Path
) -> None:
    await add_stream(engine)
    await add_recording(engine, source, 1, START)
    video_id = (await api.post(f"/rtstream/{STREAM}/export", json={})).json()["data"]["video_id"]
    [job] = engine.jobs.list(10)
    assert await states(engine, job.id) == ["queued", "running", "done"]
    last = (await engine.journal.read(0, Filter(channels=["job"], streams=[STREAM]), 500)).entries[-1]
    assert (last.rtstream_id, last.data["kind"], last.data["video_id"]) == (STREAM, "export", video_id)
    # The same footage again has the same result at once, which the journal does not report.
    again = (await api.post(f"/rtstream/{STREAM}/export", json={})).json()["data"]
    assert again["video_id"] == video_id
    assert len([one for one in engine.jobs.list(10) if await states(engine, one.id)]) == 1


SUBJECT = JobSubject(JobKind.EXPORT, "Door", STREAM)


async def test_progress_is_in_the_journal_at_most_every_five_seconds(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now)

    async def work(job: Job) -> str:
        nonlocal now
        job.begin()
        for percentage in range(100):
            now += 0.1
            job.progress(percentage)
        return "m-1"

    job = engine.jobs.start(work, SUBJECT)
    await job.wait(5)
    await engine.queue.drain(5)
    entries = (await engine.journal.read(0, Filter(channels=["job"]), 500)).entries
    running = [entry.data["percentage"] for entry in entries if entry.data["state"] == "running"]
    assert running[0] == 0
    assert len(running) in (2, 3)
    assert job.info().video_id == "m-1"


async def test_failed_and_cancelled_jobs_are_told_apart(engine: Engine) -> None:
    async def fail(job: Job) -> str:
        raise Unavailable("The disk is full.")

    async def crash(job: Job) -> str:
        raise ZeroDivisionError

    async def wait(job: Job) -> str:
        await anyio.sleep_forever()
        return ""

    ended = {}
    for work in (fail, crash, wait):
        job = engine.jobs.start(work, SUBJECT)
        if work is wait:
            await engine.jobs.cancel(job.id)
        await job.wait(5)
        ended[work.__name__] = (job.state.value, job.info().error)
        assert (await states(engine, job.id))[-1] == job.state
    assert ended == {
        "fail": ("failed", "The disk is full."),
        "crash": ("failed", "Internal error of the engine. Its log has the details."),
        "wait": ("cancelled", "The job was cancelled."),
    }


async def test_too_many_jobs_are_refused(engine: Engine) -> None:
    async def wait(job: Job) -> str:
        await anyio.sleep_forever()
        return ""

    for _ in range(jobs.MOST_RUNNING):
        engine.jobs.start(wait, SUBJECT)
    with pytest.raises(Conflict, match="limit"):
        engine.jobs.start(wait, SUBJECT)


async def test_a_job_that_the_end_of_the_engine_interrupted_has_failed(tmp_path: Path) -> None:
    async def wait(job: Job) -> str:
        job.begin()
        job.progress(50.0)
        await anyio.sleep_forever()
        return ""

    config = EngineConfig(data_dir=tmp_path, api_key=KEY, local_vision=False, min_free_gb=0)
    async with Engine(config) as first:
        job_id = first.jobs.start(wait, SUBJECT).id
        await anyio.wait_all_tasks_blocked()
    async with Engine(config) as second:
        found = second.jobs.get(job_id).info()
        assert (found.state, found.name, found.rtstream_id) == ("failed", "Door", STREAM)
        assert found.error == "The engine ended during this job. Start it again."
        assert (await states(second, job_id))[-1] == "failed"
    async with Engine(config) as third:
        with pytest.raises(NotFound):
            third.jobs.get(job_id)
