"""Backfills: the analysis of recorded footage on request (extension)."""

from __future__ import annotations

from pydantic import Field

from rtstream.models.base import ApiModel


class BackfillForecast(ApiModel):
    """The expected work of a backfill, and what its models may cost."""

    start: float
    end: float | None = Field(default=None, description="None: up to the first live result.")
    recorded_s: float = Field(default=0.0, description="Recorded seconds in the range.")
    windows: int = Field(default=0, description="Windows or batches to be looked at. Of untranscribed speech, about.")
    windows_known: int = Field(default=0, description="Windows that were looked at before. They are left out.")
    audio_s: float = Field(default=0.0, description="Seconds of audio to be transcribed.")
    models: list[str] = Field(default_factory=list, description="Models and speech engines that may cost money.")
    calls: int = Field(default=0, description="Expected calls of them, besides those of a speech engine.")
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = Field(default=0.0, description="Expected cost in US dollars. None: a price is not known.")
    measured: bool = Field(
        default=True, description="Whether tokens are those of earlier calls. Otherwise, they are a rough guess."
    )
    text: str = Field(default="", description="The forecast as a sentence.")

    @property
    def paid(self) -> bool:
        """Whether the user has to agree first."""
        return bool(self.models) and (self.calls > 0 or self.audio_s > 0)


class Backfill(ApiModel):
    """A backfill that was requested, and its forecast."""

    job_id: str | None = Field(default=None, description="Its job. None: nothing was left to do.")
    forecast: BackfillForecast


class BackfillReport(ApiModel):
    """The results of a backfill so far."""

    rtstream_id: str
    rtstream_index_id: str | None = Field(default=None, description="None: the backfill of a transcript.")
    engine: str | None = Field(default=None, description="Speech engine, if speech is transcribed.")
    start: float
    end: float | None = None
    done: int = Field(default=0, description="Windows or batches that were described.")
    failed: int = Field(default=0, description="Those whose description failed.")
    failure: str = Field(default="", description="Why the last of them failed.")
    known: int = Field(default=0, description="Windows that were looked at before.")
    skipped: dict[str, int] = Field(default_factory=dict, description="Windows that were not looked at, by reason.")
    transcribed_s: float = Field(default=0.0, description="Seconds of audio that were transcribed.")
    skipped_s: dict[str, float] = Field(
        default_factory=dict, description="Seconds of audio that were not transcribed, by reason."
    )
    not_recorded_s: float = Field(default=0.0, description="Seconds of the range that are not recorded.")
    model_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = Field(default=None, description="Cost so far in US dollars. None: a price is not known.")
    note: str = Field(default="", description="Why it waits.")
