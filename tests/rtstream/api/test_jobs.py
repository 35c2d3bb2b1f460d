"""Jobs over the API: their progress, their end and their failure."""

from __future__ import annotations

import anyio
import httpx
import pytest
from inline_snapshot import snapshot

from rtstream.engine.engine import Engine
from rtstream.engine.jobs import Job, JobSubject
from rtstream.errors import Conflict
from rtstream.states import JobKind
from tests.fixtures.shapes import shape

pytestmark = pytest.mark.anyio

EXPORT = JobSubject(JobKind.EXPORT, "Door", "rts-0123456789abcdef")


async def test_a_job_shows_its_progress_its_end_and_its_failure(engine: Engine, api: httpx.AsyncClient) -> None:
    going = anyio.Event()

    async def work(job: object) -> str:
        await going.wait()
        return "done"

    async def fail(job: object) -> str:
        raise Conflict("The disk is full.")

    job = engine.jobs.start(work, EXPORT)
    shown = (await api.get(f"/async-response/{job.id}")).json()
    assert shown["status"] == "processing"
    assert shown["data"]["output_url"] == f"http://api.test/async-response/{job.id}"
    going.set()
    await job.wait(5)
    assert (await api.get(f"/async-response/{job.id}")).json()["data"] == "done"
    failed = engine.jobs.start(fail, EXPORT)
    await failed.wait(5)
    shown = (await api.get(f"/async-response/{failed.id}")).json()
    assert (shown["success"], shown["status"], shown["error_code"]) == (False, "failed", "CONFLICT")
    assert (await api.get("/async-response/job-0")).status_code == 404


async def test_jobs_are_listed_and_cancelled(engine: Engine, api: httpx.AsyncClient) -> None:
    async def work(job: Job) -> str:
        job.begin()
        job.progress(12.5)
        await anyio.sleep_forever()
        return ""

    assert (await api.get("/jobs")).json()["data"] == {"jobs": []}
    first, second = (engine.jobs.start(work, EXPORT) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    [newest, oldest] = (await api.get("/jobs")).json()["data"]["jobs"]
    assert (newest["job_id"], oldest["job_id"]) == (second.id, first.id)
    assert shape((await api.get(f"/jobs/{first.id}")).json()["data"]) == snapshot(
        {
            "job_id": "<job>",
            "kind": "export",
            "state": "running",
            "percentage": 12.5,
            "name": "Door",
            "rtstream_id": "<stream>",
            "video_id": None,
            "error": "",
            "error_code": "",
            "created_at": "<unix time>",
            "backfill": None,
            "ended_at": None,
        }
    )
    cancelled = (await api.delete(f"/jobs/{first.id}")).json()["data"]
    assert (cancelled["state"], cancelled["error"]) == ("cancelled", "The job was cancelled.")
    assert (await api.get("/jobs", params={"limit": 1})).json()["data"]["jobs"][0]["state"] == "running"
    assert (await api.delete("/jobs/job-0")).status_code == 404
    assert (await api.get("/jobs/job-0")).status_code == 404
