"""The tool that lists and cancels jobs: exports and transcriptions that outlast the call that started them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import JobInfo, JobKind, JobState
from tools._framework.definition import ToolContext, live, tool
from tools._framework.page import Limit
from tools._framework.parameters import OBJECTS, name, note
from tools.video_transcripts import IndexedVideo, indexed_video
from tools.videos import ExportedVideo, exported_video


class JobReport(BaseModel):
    """State of a job. Times are Unix seconds."""

    job_id: str
    kind: str = Field(description="export or spoken_words")
    state: str = Field(description="queued, running, done, failed or cancelled")
    percent: float
    name: str | None = Field(default=None, description="Name of the video.")
    stream_id: str | None = None
    video_id: str | None = None
    error: str | None = None
    created: float
    ended: float | None = None


class JobList(BaseModel):
    """Jobs, newest first, and the result of a job that was asked for."""

    jobs: Annotated[list[JobReport], OBJECTS]
    result: ExportedVideo | IndexedVideo | None = None
    note: str | None = None
    next: str | None = None


@tool("Follow jobs", read_only=False, idempotent=True, default=True, group="videos")
async def jobs(
    ctx: ToolContext,
    job_id: Annotated[str | None, Field(description="Only this one, with its result.")] = None,
    cancel: Annotated[bool, Field(description="Cancel it.")] = False,
    limit: Limit = 20,
) -> JobList:
    """List exports and transcriptions that run or ended within an hour, or cancel one.

    Use this when a call returned a job_id. Call wait_for_events with channels=['jobs'] to wait for its end.
    """
    calls = live(ctx).client.jobs
    if job_id is None:
        if cancel:
            raise InvalidRequest("Nothing was cancelled. Pass the job_id of the job to cancel.")
        return JobList(jobs=[_reported(job) for job in await calls.list(limit)])
    job = await (calls.cancel if cancel else calls.get)(job_id.strip())
    found = JobList(jobs=[_reported(job)])
    if job.state is JobState.DONE:
        try:
            found.result = await job_result(live(ctx).client, job)
        except NotFound:
            found.note = "The video was deleted since."
    elif job.state in (JobState.QUEUED, JobState.RUNNING):
        found.next = "Call wait_for_events with channels=['jobs'], or this tool again, until state is done."
    return found


async def job_result(client: RTStreamClient, job: JobInfo) -> ExportedVideo | IndexedVideo:
    """Return the result of a job that is done, as the tool that started the job does. Raises NotFound."""
    match job.kind:
        case JobKind.EXPORT:
            return exported_video(await client.videos.get(job.video_id or ""))
        case JobKind.SPOKEN_WORDS:
            return await indexed_video(client, job.video_id or "")


def _reported(job: JobInfo) -> JobReport:
    return JobReport(
        job_id=job.job_id,
        kind=job.kind,
        state=job.state,
        percent=round(job.percentage, 1),
        name=name(job.name) or None,
        stream_id=job.rtstream_id,
        video_id=job.video_id,
        error=note(job.error),
        created=job.created_at,
        ended=job.ended_at,
    )
