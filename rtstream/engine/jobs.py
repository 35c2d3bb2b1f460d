"""Background jobs for work that may outlast a request. Results are available for an hour.

Each change of a job is an entry of the journal. Jobs that the end of the engine interrupts are reported as failed by
the next engine, unless their work continues there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from pydantic import BaseModel
from sqlalchemy import Connection

from rtstream import ids
from rtstream.engine.journal import Journal
from rtstream.errors import Conflict, NotFound, RTStreamError, Unavailable
from rtstream.json_types import JsonObject
from rtstream.models import BackfillReport, JobInfo
from rtstream.rules.link_targets import LinkOrigin
from rtstream.states import JobKind, JobState
from rtstream.store import journal as journal_rows
from rtstream.store import values
from rtstream.store.database import Database
from rtstream.store.journal import Entry
from rtstream.store.queue import WriteQueue

log = logging.getLogger(__name__)

MOST_RUNNING = 32
KEPT = 256
KEPT_S = 3600.0
MOST_FAILURES = 5
"""Consecutive failures of a model, after which a backfill ends, so that it costs nothing in vain."""
PROGRESS_S = 5.0
"""Shortest time in seconds between two entries about the progress of a job."""
UNFINISHED = "unfinished_jobs"
"""Key of the stored jobs that have not ended."""


Show = Callable[[LinkOrigin, str], Awaitable[BaseModel | str]]
"""Converts the result of a job to the response for a client. Links in it start with the origin."""


async def _as_it_is(_origin: LinkOrigin, result: str) -> str:
    return result


@dataclass(frozen=True)
class JobSubject:
    """The work of a job, for people and for the journal.

    Attributes:
        kind: The kind of work.
        name: Name of the stream or video.
        stream_id: The stream of an export.
        video_id: The video of a transcription.
    """

    kind: JobKind
    name: str
    stream_id: str = ""
    video_id: str = ""


@dataclass
class Job:
    """One job. ``result`` is set once it is done, and ``error`` once it has failed or was cancelled.

    Times are Unix seconds, except ``ended``, which is on the monotonic clock.
    """

    id: str
    subject: JobSubject
    show: Show = _as_it_is
    on_change: Callable[[Job], None] = lambda job: None
    percentage: float = 0.0
    backfill: BackfillReport | None = None
    state: JobState = JobState.QUEUED
    result: str = ""
    error: RTStreamError | None = None
    created_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    ended: float = 0.0
    _reported: float = 0.0
    _ended: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def running(self) -> bool:
        """Whether the job has not ended."""
        return self.state in (JobState.QUEUED, JobState.RUNNING)

    @property
    def cancel_requested(self) -> bool:
        """Whether a client has cancelled the job."""
        return self._scope.cancel_called

    def begin(self) -> None:
        """Report that the work begins, after a wait for its turn."""
        self.state = JobState.RUNNING
        self.report()

    def progress(self, percentage: float) -> None:
        """Set the percentage done. It is reported at most once per ``PROGRESS_S``."""
        self.percentage = percentage
        if time.monotonic() - self._reported >= PROGRESS_S:
            self.report()

    def report(self) -> None:
        """Write the state to the journal."""
        self._reported = time.monotonic()
        self.on_change(self)

    def end(self, state: JobState, error: RTStreamError | None = None) -> None:
        """Set the final state, for ``Jobs``."""
        self.state, self.error = state, error
        self.ended_at, self.ended = time.time(), time.monotonic()
        self._ended.set()

    def info(self) -> JobInfo:
        """Return the job as clients see it."""
        return JobInfo(
            job_id=self.id,
            kind=self.subject.kind,
            state=self.state,
            percentage=self.percentage,
            name=self.subject.name,
            rtstream_id=self.subject.stream_id or None,
            video_id=self.subject.video_id or self._exported or None,
            backfill=self.backfill,
            error=self.error.message if self.error else "",
            error_code=self.error.code if self.error else "",
            created_at=self.created_at,
            ended_at=self.ended_at,
        )

    @property
    def _exported(self) -> str:
        """Id of the exported video, or an empty string."""
        return self.result if self.subject.kind is JobKind.EXPORT and self.state is JobState.DONE else ""

    async def shown(self, origin: LinkOrigin) -> BaseModel | str:
        """Return the result as the response for a client. Raises NotFound if the result has been deleted since."""
        return await self.show(origin, self.result)

    async def wait(self, seconds: float) -> None:
        """Wait until the job has ended, for at most ``seconds``."""
        with anyio.move_on_after(seconds):
            await self._ended.wait()

    def cancel(self) -> None:
        """Request the end of the job."""
        self._scope.cancel()

    async def carry_out(self, work: Work) -> None:
        """Do the work, for ``Jobs``. Only the end of the engine cancels this call."""
        error: RTStreamError | None = None
        try:
            with self._scope:
                self.result = await work(self)
                self.percentage = 100.0
                self.end(JobState.DONE)
        except RTStreamError as exc:
            error = exc
        except Exception:
            log.exception("job %s failed", self.id)
            error = Unavailable("Internal error of the engine. Its log has the details.")
        finally:
            if self.running:
                if error is None and self.cancel_requested:
                    self.end(JobState.CANCELLED, Conflict("The job was cancelled."))
                else:
                    self.end(JobState.FAILED, error or _interrupted())


Work = Callable[[Job], Awaitable[str]]


class BackfillStates:
    """Obstacles that the analysis of the past meets in a backfill, for the job of the backfill.

    Attributes:
        failures: The reason of each backfill that cannot continue, by its id.
        pauses: The reason of each backfill that waits, and the monotonic time at which it continues, by its id.
    """

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}
        self.pauses: dict[str, tuple[str, float]] = {}

    def holds(self, backfill_id: str | None) -> bool:
        """Return whether a backfill waits or cannot continue."""
        if backfill_id is None:
            return False
        pause = self.pauses.get(backfill_id)
        return backfill_id in self.failures or (pause is not None and time.monotonic() < pause[1])

    def wait_for_cap(self, backfill_id: str, reason: str, until: float) -> None:
        """Let a backfill wait until the Unix time at which the cap of model calls allows another one."""
        self.pauses[backfill_id] = reason, time.monotonic() + max(1.0, until - time.time())

    def forget(self, backfill_id: str) -> None:
        """Forget a backfill that has ended."""
        self.failures.pop(backfill_id, None)
        self.pauses.pop(backfill_id, None)


class Jobs:
    """The running jobs and those that ended recently."""

    def __init__(self, tasks: TaskGroup, db: Database, queue: WriteQueue, journal: Journal) -> None:
        self._tasks = tasks
        self._db = db
        self._queue = queue
        self._journal = journal
        self._jobs: dict[str, Job] = {}

    def start(self, work: Work, subject: JobSubject, show: Show = _as_it_is, job_id: str | None = None) -> Job:
        """Start a job in the background.

        Args:
            work: Does the work. It calls ``begin``, may call ``progress``, and returns the result.
            subject: What the job works on.
            show: Converts the result to the response for a client. By default, the response is the result.
            job_id: Id of a job that is continued, or None for a new one.

        Raises:
            Conflict: Too many jobs are running.
        """
        self._forget_old()
        if sum(job.running for job in self._jobs.values()) >= MOST_RUNNING:
            raise Conflict(
                f"{MOST_RUNNING} jobs are already running, which is the limit. Wait until one has ended, or cancel one."
            )
        job = Job(job_id or ids.job_id(), subject, show, self._changed)
        self._jobs[job.id] = job
        job.report()
        self._tasks.start_soon(self._carry_out, job, work)
        return job

    def finished(self, result: str, subject: JobSubject, show: Show = _as_it_is) -> Job:
        """Return a job for a result that exists already. It is not in the journal."""
        self._forget_old()
        job = Job(ids.job_id(), subject, show, percentage=100.0, result=result)
        job.end(JobState.DONE)
        self._jobs[job.id] = job
        return job

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return any(job.running for job in self._jobs.values())

    def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFound."""
        if job_id not in self._jobs:
            raise NotFound(f"There is no job {job_id[:80]}. Results are kept for an hour.")
        return self._jobs[job_id]

    def list(self, limit: int) -> list[Job]:
        """Return the newest jobs, newest first."""
        self._forget_old()
        return list(reversed(self._jobs.values()))[:limit]

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job and wait until it has cleaned up. A job that has ended is unchanged. Raises NotFound."""
        job = self.get(job_id)
        job.cancel()
        await job._ended.wait()
        return job

    async def recover(self) -> None:
        """Report the jobs that an earlier engine did not finish as failed, except those that were continued since."""
        stored: JsonObject = await self._db.read(values.get, UNFINISHED) or {}
        for job_id, described in stored.items():
            if job_id not in self._jobs:
                info = JobInfo.model_validate(described)
                subject = JobSubject(info.kind, info.name, info.rtstream_id or "", info.video_id or "")
                job = Job(
                    job_id, subject, on_change=self._changed, percentage=info.percentage, created_at=info.created_at
                )
                self._jobs[job_id] = job
                job.end(JobState.FAILED, _interrupted())
                job.report()

    def follow(self, job: Job, next_step: Callable[[Job], Awaitable[None]]) -> None:
        """Take the next step once a job is done, unless it fails or is cancelled."""
        self._tasks.start_soon(self._follow, job, next_step)

    async def _follow(self, job: Job, next_step: Callable[[Job], Awaitable[None]]) -> None:
        await job._ended.wait()
        if job.state is JobState.DONE:
            await next_step(job)

    async def _carry_out(self, job: Job, work: Work) -> None:
        await job.carry_out(work)
        job.report()

    def _changed(self, job: Job) -> None:
        """Write the state of a job to the journal, and store which jobs have not ended."""
        info = job.info().model_dump(mode="json")
        entry = Entry("job", info, stream_id=job.subject.stream_id)
        unfinished = {one.id: one.info().model_dump(mode="json") for one in self._jobs.values() if one.running}

        def write(conn: Connection) -> None:
            journal_rows.append(conn, entry)
            values.put(conn, UNFINISHED, unfinished)

        self._queue.put(write, self._journal.wake)

    def _forget_old(self) -> None:
        ended = [job for job in self._jobs.values() if not job.running]
        for number, job in enumerate(reversed(ended)):
            if number >= KEPT or job.ended < time.monotonic() - KEPT_S:
                del self._jobs[job.id]


def _interrupted() -> Unavailable:
    return Unavailable("The engine ended during this job. Start it again.")
