"""Background jobs for work that may outlast a request. Results are available for an hour."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from pydantic import BaseModel

from rtstream import ids
from rtstream.errors import Conflict, NotFound, RTStreamError, Unavailable
from rtstream.rules.link_targets import LinkOrigin
from rtstream.states import JobState

log = logging.getLogger(__name__)

MOST_RUNNING = 32
KEPT = 256
KEPT_S = 3600.0


Show = Callable[[LinkOrigin, str], Awaitable[BaseModel | str]]
"""Converts the result of a job to the response for a client. Links in it start with the origin."""


async def _as_it_is(_origin: LinkOrigin, result: str) -> str:
    return result


@dataclass
class Job:
    """One job. ``result`` is set once it is done, and ``error`` once it has failed or was cancelled."""

    id: str
    percentage: float = 0.0
    state: JobState = JobState.PROCESSING
    result: str = ""
    error: RTStreamError | None = None
    ended_at: float = 0.0  # monotonic
    show: Show = _as_it_is
    _ended: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def shown(self, origin: LinkOrigin) -> BaseModel | str:
        """Return the result as the response for a client. Raises NotFound if the result has been deleted since."""
        return await self.show(origin, self.result)

    async def wait(self, seconds: float) -> None:
        """Wait until the job has ended, for at most ``seconds``."""
        with anyio.move_on_after(seconds):
            await self._ended.wait()


Work = Callable[[Job], Awaitable[str]]


class Jobs:
    """The running jobs and those that ended recently."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[str, Job] = {}

    def start(self, work: Work, show: Show | None = None) -> Job:
        """Start a job in the background.

        Args:
            work: Does the work. It may update the percentage of the job, and returns the result.
            show: Converts the result to the response for a client. By default, the response is the result.

        Raises:
            Conflict: Too many jobs are running.
        """
        self._forget_old()
        if sum(job.state is JobState.PROCESSING for job in self._jobs.values()) >= MOST_RUNNING:
            raise Conflict(
                f"{MOST_RUNNING} jobs are already running, which is the limit. Wait until one has ended, or cancel one."
            )
        job = Job(ids.job_id()) if show is None else Job(ids.job_id(), show=show)
        self._jobs[job.id] = job
        self._tasks.start_soon(self._carry_out, job, work)
        return job

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return any(job.state is JobState.PROCESSING for job in self._jobs.values())

    def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFound."""
        if job_id not in self._jobs:
            raise NotFound(f"There is no job {job_id[:80]}. Results are kept for an hour.")
        return self._jobs[job_id]

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job and wait until it has cleaned up. A job that has ended is unchanged. Raises NotFound."""
        job = self.get(job_id)
        job._scope.cancel()
        await job._ended.wait()
        return job

    async def _carry_out(self, job: Job, work: Work) -> None:
        try:
            with job._scope:
                job.result = await work(job)
                job.state, job.percentage = JobState.DONE, 100.0
        except RTStreamError as exc:
            job.error = exc
        except Exception:
            log.exception("job %s failed", job.id)
            job.error = Unavailable("Internal error of the engine. Its log has the details.")
        finally:
            if job.state is JobState.PROCESSING:
                job.state = JobState.FAILED
                job.error = job.error or Conflict("The job was cancelled.")
            job.ended_at = time.monotonic()
            job._ended.set()

    def _forget_old(self) -> None:
        ended = [job for job in self._jobs.values() if job.state is not JobState.PROCESSING]
        for number, job in enumerate(reversed(ended)):
            if number >= KEPT or job.ended_at < time.monotonic() - KEPT_S:
                del self._jobs[job.id]
