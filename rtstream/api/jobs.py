"""Jobs that outlast a request, in the form that API clients poll (API reference 1.5)."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.base_url import base_url, origin
from rtstream.api.envelope import envelope
from rtstream.api.operations import JsonBody
from rtstream.api.routing import engine_of
from rtstream.engine.jobs import Job
from rtstream.models import ExportResult, JobInfo, JobState, Limit, VideoTranscript

T = TypeVar("T")


class JobPending(BaseModel):
    """Progress of a job that runs. ``output_url`` returns its result later."""

    id: str
    output_url: str
    percentage: float


class JobBody(BaseModel, Generic[T]):
    """Body of the response of a job: its result, its progress, or the reason of its failure."""

    success: bool
    status: Literal["processing", "done", "failed"]
    request_type: Literal["sync"] = "sync"
    data: T | JobPending | None = None
    message: str = ""
    error_code: str = ""


class ListJobs(BaseModel):
    """Query of ``GET jobs``."""

    limit: Limit = 50


class JobsData(BaseModel):
    """Result of ``GET jobs``."""

    jobs: list[JobInfo]


async def list_jobs(request: Request, query: ListJobs) -> JobsData:
    """List the jobs that run and those that ended within an hour, newest first."""
    return JobsData(jobs=[job.info() for job in engine_of(request).jobs.list(query.limit)])


async def get_job_info(request: Request) -> JobInfo:
    """Get the state of a job."""
    return engine_of(request).jobs.get(request.path_params["job_id"]).info()


async def cancel_job_and_report(request: Request) -> JobInfo:
    """Cancel a job and return its state. A transcription continues from there when it is started again."""
    return (await engine_of(request).jobs.cancel(request.path_params["job_id"])).info()


async def get_job(request: Request) -> Annotated[Response, JsonBody(JobBody[ExportResult | VideoTranscript])]:
    """Get the progress or the result of a job."""
    return await job_response(request, engine_of(request).jobs.get(request.path_params["job_id"]))


async def cancel_job(request: Request) -> None:
    """Cancel a job and remove its partial result."""
    await engine_of(request).jobs.cancel(request.path_params["job_id"])


async def job_response(request: Request, found: Job) -> Response:
    """The result of a job, the reason of its failure, or the URL of its status."""
    if found.error is not None:
        failure = {"message": found.error.message, "error_code": found.error.code}
        return envelope({"success": False, "status": "failed", **failure})
    if found.state is JobState.DONE:
        return envelope({"success": True, "status": "done", "data": await found.shown(origin(request))})
    address = f"{base_url(request)}/async-response/{found.id}"
    pending = JobPending(id=found.id, output_url=address, percentage=found.percentage)
    return envelope({"success": True, "status": "processing", "request_type": "sync", "data": pending})
