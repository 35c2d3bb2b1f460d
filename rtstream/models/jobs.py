"""Jobs that outlast a request (extension)."""

from __future__ import annotations

from pydantic import Field

from rtstream.models.backfill import BackfillReport
from rtstream.models.base import ApiModel
from rtstream.states import JobKind, JobState


class JobInfo(ApiModel):
    """A job: an export, the transcription of a video, or a backfill. Times are Unix seconds."""

    job_id: str
    kind: JobKind
    state: JobState
    percentage: float = Field(default=0.0, description="0 to 100.")
    name: str = Field(default="", description="Name of the stream or video.")
    rtstream_id: str | None = Field(default=None, description="The stream of an export or a backfill.")
    video_id: str | None = Field(default=None, description="The video: of a transcription, or once it is exported.")
    error: str = Field(default="", description="Why it failed.")
    error_code: str = ""
    backfill: BackfillReport | None = Field(default=None, description="The results of a backfill so far.")
    created_at: float
    ended_at: float | None = None
