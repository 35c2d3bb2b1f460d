"""Jobs over the API: their progress, their end and their failure."""

from __future__ import annotations

import anyio
import httpx
import pytest

from rtstream.engine.engine import Engine
from rtstream.errors import Conflict

pytestmark = pytest.mark.anyio


async def test_a_job_shows_its_progress_its_end_and_its_failure(engine: Engine, api: httpx.AsyncClient) -> None:
    going = anyio.Event()

    async def work(job: object) -> str:
        await going.wait()
        return "done"

    async def fail(job: object) -> str:
        raise Conflict("The disk is full.")

    job = engine.jobs.start(work)
    shown = (await api.get(f"/async-response/{job.id}")).json()
    assert shown["status"] == "processing"
    assert shown["data"]["output_url"] == f"http://api.test/async-response/{job.id}"
    going.set()
    await job.wait(5)
    assert (await api.get(f"/async-response/{job.id}")).json()["data"] == "done"
    failed = engine.jobs.start(fail)
    await failed.wait(5)
    shown = (await api.get(f"/async-response/{failed.id}")).json()
    assert (shown["success"], shown["status"], shown["error_code"]) == (False, "failed", "CONFLICT")
    assert (await api.get("/async-response/job-0")).status_code == 404
