"""Search over streams."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rtstream.json_types import JsonObject, JsonValue
from rtstream.models.base import ApiModel
from rtstream.models.page import HitLimit


class SearchStreams(ApiModel):
    """Body of ``POST rtstream/{id}/search`` and ``POST rtstream/collection/{id}/search`` (API reference 2.16)."""

    query: str
    scene_index_id: str | None = None
    result_threshold: HitLimit = 10
    score_threshold: float | None = None
    dynamic_score_percentage: float | None = None
    filter: JsonValue = None
    mode: str | None = Field(default=None, description="Only 'default' is offered.")
    sandbox_id: str | None = Field(default=None, description="Not offered.")
    stitch: bool | None = Field(default=None, description="No effect.")
    rerank: bool | None = Field(default=None, description="No effect.")
    rerank_params: JsonValue = Field(default=None, description="No effect.")
    # extensions
    start: float | None = Field(default=None, description="Only results that overlap [start, end].")
    end: float | None = None
    kinds: list[Literal["visual", "audio", "transcript", "alert"]] | None = None
    streams: list[str] | None = Field(default=None, max_length=1000)
    indexes: list[str] | None = Field(default=None, max_length=1000)
    clips: bool = Field(default=False, description="Whether hits get their medium and the times of a clip.")
    all_collections: bool = Field(
        default=False, description="Search every stream, regardless of the collection in the path."
    )


class SearchHit(ApiModel):
    """A moment that matches a query (API reference 2.16). ``text`` is untrusted."""

    rtstream_id: str = ""
    rtstream_name: str = ""
    start: float
    end: float
    text: str
    score: float = 0.0
    scene_index_id: str | None = Field(default=None, description="Null for a transcript.")
    scene_index_name: str | None = None
    metadata: JsonObject = Field(default_factory=dict)
    # extensions
    kind: str = ""
    medium: Literal["visual", "audio", ""] = Field(
        default="", description="Whether it was seen or heard, with ``clips``."
    )
    clip_start: float | None = Field(default=None, description="Start of a clip that shows it, with whole sentences.")
    clip_end: float | None = None
    ref: int | None = Field(
        default=None, description="The scene, the transcript segment, or the journal number of the alert."
    )


class SearchResults(ApiModel):
    """Hits, best first."""

    results: list[SearchHit]
    # extensions
    by: str = Field(default="", description="'words', or 'words and meaning'.")
    note: str = Field(default="", description="A note for the user about these hits.")


class ShownMoment(ApiModel):
    """The first or last moment at which a text was on the screen (extension)."""

    at: float = Field(description="Unix seconds of a picture with the text.")
    within_s: float = Field(default=0.0, description="Seconds by which it may be wrong. 0: exact to the picture.")
    already_there: bool = Field(default=False, description="The range begins with the text.")
    still_there: bool = Field(default=False, description="The range ends with the text.")


class SearchState(ApiModel):
    """The state of search and its index (extension)."""

    model: str = Field(default="", description="Embedding model. Empty if search uses words only.")
    documents: int = Field(default=0, description="Results that can be found.")
    unread: int = Field(default=0, description="Approximate number of stored results that cannot be found yet.")
    without_vector: int = Field(default=0, description="Results found by words only, until they are embedded.")
    refused: int = Field(
        default=0, description="Results for which the model returned no vector. They are found by words only."
    )
    trouble: str = Field(default="", description="Why no results are being embedded at the moment.")
