"""Work that may take longer than a request: started, asked after, cancelled; its result is kept for a while."""

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
"""Turns the result of the work into the client's response, with links of an origin."""


async def _as_it_is(_origin: LinkOrigin, result: str) -> str:
    return result


@dataclass
class Job:
    """One piece of work. ``result`` is there when it is done, ``error`` when it failed or was cancelled."""

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
        """The result as a client gets it. Raises NotFound when it is gone already."""
        return await self.show(origin, self.result)

    async def wait(self, seconds: float) -> None:
        """Return when the work has ended, or after ``seconds``."""
        with anyio.move_on_after(seconds):
            await self._ended.wait()


Work = Callable[[Job], Awaitable[str]]


class Jobs:
    """All work under way and lately ended."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[str, Job] = {}

    def start(self, work: Work, show: Show | None = None) -> Job:
        """Carry out ``work(job)`` in the background; ``show`` makes its result presentable.

        Raises Conflict when too much is under way.
        """
        self._forget_old()
        if sum(job.state is JobState.PROCESSING for job in self._jobs.values()) >= MOST_RUNNING:
            raise Conflict(f"{MOST_RUNNING} jobs are under way already. Wait until some of them have ended.")
        job = Job(ids.job_id()) if show is None else Job(ids.job_id(), show=show)
        self._jobs[job.id] = job
        self._tasks.start_soon(self._carry_out, job, work)
        return job

    @property
    def busy(self) -> bool:
        """Some work is under way."""
        return any(job.state is JobState.PROCESSING for job in self._jobs.values())

    def get(self, job_id: str) -> Job:
        """One job. Raises NotFound."""
        if job_id not in self._jobs:
            raise NotFound(f"There is no job {job_id[:80]}. Results are kept for an hour.")
        return self._jobs[job_id]

    async def cancel(self, job_id: str) -> Job:
        """Stop a job, and wait until it has cleaned up; one that has ended stays as it is. Raises NotFound."""
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
            job.error = Unavailable("Something went wrong inside the engine. Its log has the details.")
        finally:
            if job.state is JobState.PROCESSING:
                job.state = JobState.FAILED
                job.error = job.error or Conflict("This was cancelled.")
            job.ended_at = time.monotonic()
            job._ended.set()

    def _forget_old(self) -> None:
        ended = [job for job in self._jobs.values() if job.state is not JobState.PROCESSING]
        for number, job in enumerate(reversed(ended)):
            if number >= KEPT or job.ended_at < time.monotonic() - KEPT_S:
                del self._jobs[job.id]
