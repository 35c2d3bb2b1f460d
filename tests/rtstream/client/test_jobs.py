"""Typed calls for jobs, on a real engine."""

from __future__ import annotations

import anyio
import pytest

from rtstream.client import RTStreamClient
from rtstream.engine.jobs import Job, JobSubject
from rtstream.errors import NotFound
from rtstream.states import JobKind
from tests.server.mcp_servers import Served

pytestmark = pytest.mark.anyio


async def test_jobs_are_listed_read_and_cancelled(served: Served, client: RTStreamClient) -> None:
    async def wait(job: Job) -> str:
        job.begin()
        await anyio.sleep_forever()
        return ""

    started = served.engine.jobs.start(wait, JobSubject(JobKind.SPOKEN_WORDS, "Party", video_id="m-1"))
    [job] = await client.jobs.list()
    assert (job.job_id, job.kind, job.video_id) == (started.id, "spoken_words", "m-1")
    assert (await client.jobs.get(started.id)).state == "running"
    assert (await client.jobs.cancel(started.id)).state == "cancelled"
    for wrong in ("job-0", "../links"):
        with pytest.raises(NotFound):
            await client.jobs.get(wrong)
