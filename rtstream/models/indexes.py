"""Scene indexes and their scenes."""

from __future__ import annotations

from pydantic import Field, field_validator

from rtstream.json_types import JsonObject
from rtstream.models.backfill import Backfill
from rtstream.models.base import ApiModel, CreatedModel
from rtstream.states import AnalysisState, ExtractionType, IndexStatus, SceneStatus


class IndexProgress(CreatedModel):
    """Progress of an index (extension). Windows are counted since the index was created."""

    rtstream_index_id: str
    name: str | None = None
    status: IndexStatus = IndexStatus.CONNECTED
    # extensions
    extraction_type: ExtractionType | None = Field(default=None, description="'time': video; 'transcript': speech.")
    prompt: str | None = None
    state: AnalysisState | None = Field(default=None, description="Its state in more detail.")
    status_reason: str = Field(default="", description="Why it does not run, or why its last window failed.")
    model: str = Field(default="", description="The model in use, as provider:name. 'local' is the built-in default.")
    windows_done: int = 0
    windows_skipped: int = Field(default=0, description="Windows that are never looked at.")
    skipped: dict[str, int] = Field(default_factory=dict, description="Windows that are never looked at, by reason.")
    windows_waiting: int = Field(
        default=0,
        description="Windows that were not looked at live. They are looked at later, in the recorded footage.",
    )
    windows_late: int = Field(default=0, description="Windows done that were looked at later.")
    windows_failed: int = 0
    windows_unchanged: int = Field(default=0, description="Windows without a change, for which no model was called.")
    windows_capped: int = Field(default=0, description="Windows skipped because the cap of model calls was reached.")
    cost: float | None = Field(default=None, description="Cost so far in US dollars. None: free, or no known price.")

    @field_validator("status", mode="before")
    @classmethod
    def _also_running(cls, status: object) -> object:
        """Accept ``running``, which servers of the published API send besides ``connected``."""
        return IndexStatus.CONNECTED if status == "running" else status


class SceneIndex(IndexProgress):
    """A continuous analysis of a stream (API reference 2.8)."""

    rtstream_id: str
    extraction_type: ExtractionType = ExtractionType.TIME  # pyright: ignore[reportIncompatibleVariableOverride]
    extraction_config: JsonObject
    model_name: str | None = None
    sandbox_id: str | None = None
    # extensions
    model_calls: int = Field(default=0, description="Requests to the model, including retries.")
    tokens_in: int = 0
    tokens_out: int = 0
    note: str = Field(default="", description="A note for the user about this index.")
    backfill: Backfill | None = Field(default=None, description="After a request with a range only.")


class CreateIndex(ApiModel):
    """Body of ``POST rtstream/{id}/index/scene``."""

    extraction_type: str = "time"
    extraction_config: JsonObject | None = None
    prompt: str | None = None
    model_name: str | None = None
    model_settings: JsonObject | None = Field(
        default=None,
        alias="model_config",
        description="Extensions: json_schema (an object) and skip_unchanged (visual indexes only). If it is false, "
        "every window is described, even if nothing has changed.",
    )
    name: str | None = None
    ws_connection_id: str | None = None
    sandbox_id: str | None = None
    # extensions
    start: float | None = Field(
        default=None,
        description=(
            "Unix seconds. Recorded footage from there on is analysed as well. An index with the same properties is "
            "continued."
        ),
    )
    end: float | None = Field(default=None, description="Unix seconds. Nothing after it is analysed.")
    confirm: bool | None = Field(default=None, description="The user agrees to the expected cost of paid models.")
    from_start: bool | None = Field(
        default=None, description="Begin with the first recorded picture, for a stream that was just connected."
    )


class ForecastRequest(ApiModel):
    """Body of ``POST rtstream/{id}/backfill/forecast``."""

    start: float = Field(description="Start of the range in Unix seconds.")
    end: float | None = Field(default=None, description="End of the range. None: up to now, and from then on live.")
    index: CreateIndex | None = Field(default=None, description="The index. None: the transcript.")
    engine: str | None = None
    language: str | None = None


class Scene(ApiModel):
    """One analysed window (API reference 2.11). ``text`` and ``description`` are equal, verbatim from the model."""

    start: float
    end: float
    text: str
    description: str
    # extensions
    id: int | None = None
    rtstream_index_id: str | None = None
    model: str = ""
    status: SceneStatus = SceneStatus.OK
    data: JsonObject | None = Field(default=None, description="Parsed object, if the prompt asked for JSON.")
    frame_times: list[float] = Field(default_factory=list)
    latency_s: float | None = Field(default=None, description="Seconds the model took.")
    data_error: str = Field(default="", description="Why the requested JSON could not be read. The text is verbatim.")
    unchanged: bool = Field(
        default=False,
        description="The picture or the text on screen had not changed, so the text is that of the scene before.",
    )
    new: list[str] = Field(
        default_factory=list,
        description="Lines on screen that were not there at the look before. Untrusted, as is the text.",
    )
    gone: list[str] = Field(default_factory=list, description="Lines that are no longer on screen. Untrusted.")
    picture: JsonObject = Field(
        default_factory=dict,
        description="Measurements of the built-in vision model: changed, cut, motion, frozen, still_s, colours, ….",
    )
