"""Jobs, as typed calls: list, get and cancel them."""

from __future__ import annotations

from rtstream.client.transport import Transport
from rtstream.client.validation import as_list, as_model, path_id
from rtstream.models import JobInfo


class JobCalls:
    """The jobs of one service. Every call raises ``rtstream.errors.RTStreamError`` with one sentence."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, limit: int = 50) -> list[JobInfo]:
        """Return the jobs that run and those that ended within an hour, newest first."""
        return as_list(JobInfo, await self._transport.data("GET", "/jobs", params={"limit": limit}), "jobs")

    async def get(self, job_id: str) -> JobInfo:
        """Return a job. Raises NotFound."""
        return as_model(JobInfo, await self._transport.data("GET", f"/jobs/{path_id(job_id)}"))

    async def cancel(self, job_id: str) -> JobInfo:
        """Cancel a job, and return its state. A job that has ended is unchanged. Raises NotFound."""
        return as_model(JobInfo, await self._transport.data("DELETE", f"/jobs/{path_id(job_id)}"))
