"""A model follows and cancels the jobs that outlasted its calls."""

from __future__ import annotations

import anyio
import pytest
from mcp import Client

from rtstream.engine.jobs import Job, JobSubject
from rtstream.errors import Unavailable
from rtstream.models import JobKind
from tests.rtstream.client.test_videos import add_video
from tests.server.mcp_servers import Served, call, refusal

pytestmark = pytest.mark.anyio

SUBJECT = JobSubject(JobKind.EXPORT, "Do\u202eor", "rts-1")


async def wait(job: Job) -> str:
    job.begin()
    await anyio.sleep_forever()
    return ""


async def test_jobs_are_listed_followed_and_cancelled(served: Served, client: Client) -> None:
    assert (await call(client, "jobs"))["jobs"] == []
    first, second = (served.engine.jobs.start(wait, SUBJECT) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    listed = (await call(client, "jobs", limit=50))["jobs"]
    assert [one["job_id"] for one in listed] == [second.id, first.id]
    assert [one["job_id"] for one in (await call(client, "jobs", limit=1))["jobs"]] == [second.id]
    found = await call(client, "jobs", job_id=first.id)
    [job] = found["jobs"]
    assert (job["kind"], job["state"], job["percent"], job["name"]) == ("export", "running", 0.0, "Door")
    assert job["created_at"].startswith("20")
    assert "channels=['jobs']" in found["next"]
    for _ in range(2):  # the second call changes nothing
        [job] = (await call(client, "jobs", job_id=first.id, cancel=True))["jobs"]
        assert (job["state"], job["error"]) == ("cancelled", "The job was cancelled.")
    [job] = (await call(client, "jobs", job_id=second.id))["jobs"]
    assert job["state"] == "running"


async def test_a_job_that_does_not_exist_and_a_cancellation_of_none_are_refused(served: Served, client: Client) -> None:
    assert "There is no job job-0" in await refusal(client, "jobs", job_id="job-0")
    assert "Pass the job_id" in await refusal(client, "jobs", cancel=True)


async def test_a_job_that_is_done_has_its_result_until_that_is_deleted(served: Served, client: Client) -> None:
    video_id = await add_video(served)

    async def work(job: Job) -> str:
        job.begin()
        return video_id

    job = served.engine.jobs.start(work, SUBJECT)
    await job.wait(10)
    found = await call(client, "jobs", job_id=job.id)
    assert (found["jobs"][0]["state"], found["jobs"][0]["video_id"]) == ("done", video_id)
    result = found["result"]
    assert (result["video_id"], result["name"], result["stream_id"]) == (video_id, "Party", "rts-1")
    assert result["shows"] == [[1000.0, 1060.0]]
    assert "/watch?v=" in result["player_url"]
    await call(client, "delete", kind="video", id=video_id, confirm=True)
    found = await call(client, "jobs", job_id=job.id)
    assert (found["note"], found.get("result")) == ("The video was deleted since.", None)


async def test_a_wait_for_jobs_ends_with_the_end_of_one(served: Served, client: Client) -> None:
    stream_id = await served.add_stream("Door")
    goes_on = anyio.Event()

    async def fail(job: Job) -> str:
        await goes_on.wait()
        raise Unavailable("The disk is full.")

    job = served.engine.jobs.start(fail, JobSubject(JobKind.EXPORT, "Visit", stream_id))
    begun = await call(client, "wait_for_events", streams=["Door"], channels=["jobs"], since=0, timeout_s=10)
    assert [(one["job_id"], one["state"]) for one in begun["events"]] == [(job.id, "queued")]
    goes_on.set()
    ended = await call(client, "wait_for_events", channels=["jobs"], since=begun["cursor"], timeout_s=10)
    assert [
        (one["channel"], one["stream_id"], one["name"], one["state"], one["reason"]) for one in ended["events"]
    ] == [("jobs", stream_id, "Visit", "failed", "The disk is full.")]
