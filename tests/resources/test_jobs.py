"""Jobs are read and followed as resources."""

from __future__ import annotations

import json

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from resources import catalogue, uris
from rtstream.client import RTStreamClient
from rtstream.engine.jobs import Job, JobSubject
from rtstream.states import JobKind
from tests.server.mcp_servers import KEY, Served

pytestmark = pytest.mark.anyio


async def wait(job: Job) -> str:
    job.begin()
    await anyio.sleep_forever()
    return ""


async def read(client: Client, uri: str) -> dict[str, object]:
    [content] = (await client.read_resource(uri)).contents
    return json.loads(content.text)  # pyright: ignore[reportAttributeAccessIssue]


async def test_jobs_are_read_as_a_list_and_one_by_one(served: Served, client: Client) -> None:
    job = served.engine.jobs.start(wait, JobSubject(JobKind.EXPORT, "<b>Door</b>", "rts-1"))
    await anyio.wait_all_tasks_blocked()
    listed = await read(client, uris.JOBS)
    [found] = listed["jobs"]  # pyright: ignore[reportGeneralTypeIssues]
    assert (found["job_id"], found["state"], found["uri"]) == (job.id, "running", uris.job(job.id))
    assert "<b>" not in str(listed)
    one = await read(client, uris.job(job.id))
    assert (one["kind"], one["rtstream_id"]) == ("export", "rts-1")
    await served.engine.jobs.cancel(job.id)
    assert (await read(client, uris.job(job.id)))["state"] == "cancelled"
    with pytest.raises(MCPError, match="no job"):
        await client.read_resource(uris.job("job-0"))


async def test_jobs_that_exist_can_be_subscribed_to(served: Served) -> None:
    job = served.engine.jobs.start(wait, JobSubject(JobKind.EXPORT, "Door", "rts-1"))
    api = RTStreamClient(served.url, KEY)
    assert await catalogue.subscribable(api, uris.JOBS)
    assert await catalogue.subscribable(api, uris.job(job.id))
    assert not await catalogue.subscribable(api, uris.job("job-0"))
    await api.aclose()
