"""The tool that lists and cancels jobs: exports, transcriptions and analyses that outlast their call."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, NotFound
from rtstream.models import BackfillReport, JobInfo, JobKind, JobState
from tools._framework.definition import ToolContext, live, tool
from tools._framework.page import Limit
from tools._framework.parameters import OBJECTS, name, note
from tools.video_transcripts import IndexedVideo, indexed_video
from tools.videos import ExportedVideo, exported_video


class JobReport(BaseModel):
    """State of a job. Times are Unix seconds."""

    job_id: str
    kind: str = Field(description="export, spoken_words or backfill")
    state: str = Field(description="queued, running, done, failed or cancelled")
    percent: float
    name: str | None = Field(default=None, description="Name of the video or stream.")
    stream_id: str | None = None
    video_id: str | None = None
    error: str | None = None
    created: float
    ended: float | None = None


class AnalysedPast(BaseModel):
    """The analysis of recorded footage so far."""

    stream_id: str
    index_id: str | None = None
    engine: str | None = None
    start: float
    end: float | None = None
    done: int | None = Field(default=None, description="Windows or batches described.")
    known: int | None = Field(default=None, description="Windows described before.")
    failed: int | None = None
    failure: str | None = None
    skipped: dict[str, int] | None = Field(default=None, description="Windows never described, by reason.")
    transcribed_s: float | None = None
    skipped_s: dict[str, float] | None = Field(default=None, description="Seconds never transcribed, by reason.")
    not_recorded_s: float | None = None
    cost: float | None = Field(default=None, description="US dollars.")
    note: str | None = None


class JobList(BaseModel):
    """Jobs, newest first, and the result of a job that was asked for."""

    jobs: Annotated[list[JobReport], OBJECTS]
    result: ExportedVideo | IndexedVideo | AnalysedPast | None = None
    note: str | None = None
    next: str | None = None


@tool("Follow jobs", read_only=False, idempotent=True, default=True, group="videos")
async def jobs(
    ctx: ToolContext,
    job_id: Annotated[str | None, Field(description="Only this one, with its result.")] = None,
    cancel: Annotated[bool, Field(description="Cancel it.")] = False,
    limit: Limit = 20,
) -> JobList:
    """List exports, transcriptions and analyses of the past that run or ended within an hour, or cancel one.

    Use this when a call returned a job_id. Call wait_for_events with channels=['jobs'] to wait for its end.
    """
    calls = live(ctx).client.jobs
    if job_id is None:
        if cancel:
            raise InvalidRequest("Nothing was cancelled. Pass the job_id of the job to cancel.")
        return JobList(jobs=[_reported(job) for job in await calls.list(limit)])
    job = await (calls.cancel if cancel else calls.get)(job_id.strip())
    found = JobList(jobs=[_reported(job)], result=analysed(job.backfill))
    if job.state is JobState.DONE:
        try:
            found.result = await job_result(live(ctx).client, job)
        except NotFound as exc:
            found.note = exc.message if job.kind is JobKind.BACKFILL else "The video was deleted since."
    elif job.state in (JobState.QUEUED, JobState.RUNNING):
        found.next = "Call wait_for_events with channels=['jobs'], or this tool again, until state is done."
    return found


async def job_result(client: RTStreamClient, job: JobInfo) -> ExportedVideo | IndexedVideo | AnalysedPast:
    """Return the result of a job that is done, as the tool that started the job does. Raises NotFound."""
    match job.kind:
        case JobKind.EXPORT:
            return exported_video(await client.videos.get(job.video_id or ""))
        case JobKind.SPOKEN_WORDS:
            return await indexed_video(client, job.video_id or "")
        case JobKind.BACKFILL:
            found = analysed(job.backfill)
            if found is None:
                raise NotFound("The report of this job is no longer kept.")
            return found


def analysed(report: BackfillReport | None) -> AnalysedPast | None:
    """The report of an analysis of the past, without what does not apply."""
    if report is None:
        return None
    visual = report.rtstream_index_id is not None
    return AnalysedPast(
        stream_id=report.rtstream_id,
        index_id=report.rtstream_index_id,
        engine=name(report.engine or "") or None,
        start=report.start,
        end=report.end,
        done=report.done if visual else None,
        known=report.known or None,
        failed=report.failed or None,
        failure=note(report.failure),
        skipped=report.skipped or None,
        transcribed_s=report.transcribed_s if report.engine else None,
        skipped_s=report.skipped_s or None,
        not_recorded_s=report.not_recorded_s or None,
        cost=report.cost or None,
        note=note(report.note),
    )


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
