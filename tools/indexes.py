"""Tools for scene indexes: have a stream described continuously, and read the descriptions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.client.messages import MAX_TEXT, UNTRUSTED
from rtstream.json_types import JsonObject
from rtstream.models import CreateIndex, IndexProgress, Scene, SceneIndex
from rtstream.rules.text_safety import clean, clean_data
from tools._framework.definition import ToolContext, live, tool
from tools._framework.parameters import IndexId, StreamId, name, note

MAX_RESULT_CHARS = 40_000
"""About 10,000 tokens: far below what hosts cut off."""
LEAST_CHARS = 300
"""Of one scene's text, however many scenes share a result."""


class BatchConfig(BaseModel):
    """How a stream is cut into windows."""

    type: Literal["time"] = "time"
    value: float = Field(default=5, ge=0.5, le=3600, description="Length of each described window, seconds.")
    frame_count: int = Field(default=2, ge=1, le=60, description="Pictures looked at per window.")


class IndexStatusResult(BaseModel):
    """Whether an index runs."""

    index_id: str
    name: str | None = None
    status: str = Field(description="running, stopped or paused")
    note: str | None = None


class IndexState(IndexStatusResult):
    """How an index keeps up."""

    done: int = Field(description="Windows described so far.")
    skipped: int = Field(description="Windows skipped because the model was slower than the stream.")
    failed: int
    capped: int | None = Field(default=None, description="Windows left out because of the cap of model calls.")


class IndexInfo(IndexState):
    """A continuous analysis of a stream."""

    stream_id: str
    model: str | None = Field(default=None, description="Model that answers; local reads text and changes on screen.")
    prompt: str | None = None
    window_s: float | None = None
    frames: int | None = None


class IndexDetails(IndexInfo):
    """A continuous analysis of a stream, and what its model was asked for."""

    unchanged: int = Field(description="Windows without a change, so the model was not asked.")
    calls: int = Field(description="Calls to the model, and the tokens they took.")
    tokens_in: int
    tokens_out: int


class IndexResult(IndexStatusResult):
    """A new index."""

    model: str | None = None
    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class IndexList(BaseModel):
    """All scene indexes of a stream."""

    indexes: list[IndexInfo]


class SceneInfo(BaseModel):
    """One described window. Times are Unix seconds."""

    start: float
    end: float
    untrusted_text: str | None = Field(default=None, description=UNTRUSTED)
    untrusted_data: JsonObject | None = Field(default=None, description="The JSON object in the text.")
    data_error: str | None = Field(default=None, description="Why there is no such object although one was asked for.")
    failure: str | None = Field(default=None, description="Why the window could not be described.")
    unchanged: bool | None = Field(default=None, description="The picture had not changed: this is the last answer.")
    model: str | None = None
    latency_s: float | None = None
    frame_times: list[float] | None = None


class SceneList(BaseModel):
    """Scenes, newest first."""

    scenes: list[SceneInfo]
    has_more: bool = Field(description="Older ones are on the next page.")
    cursor: int = Field(description="Pass as since to wait_for_events to get what comes after these.")


@tool("Describe a stream continuously", read_only=False, default=True)
async def index_visuals(
    ctx: ToolContext,
    stream_id: StreamId,
    prompt: Annotated[str, Field(max_length=4000, description="What to describe, for example: who is at the door.")],
    batch_config: Annotated[BatchConfig, Field(description="Windows; shorter ones cost more.")] = BatchConfig(),  # noqa: B008 - never changed
    model_name: Annotated[
        str | None, Field(description="mini, basic, pro, ultra, provider:model or local; omit for the default.")
    ] = None,
    name: Annotated[str | None, Field(description="Short name.")] = None,
    json_schema: Annotated[
        JsonObject | None, Field(description="JSON schema of an object every answer must fit.")
    ] = None,
    skip_unchanged: Annotated[
        bool, Field(description="Do not ask the model while the picture stays the same.")
    ] = False,
) -> IndexResult:
    """Have the pictures of a stream described continuously from now on: one scene per window, until stopped. Needed
    before alerts. Check list_scene_indexes first, an index that fits can be used again. Next: get_scenes, create_event
    and create_alert, or wait_for_events."""
    options = {"json_schema": json_schema, "skip_unchanged": skip_unchanged or None}
    request = CreateIndex.model_validate(
        {
            "prompt": prompt,
            "extraction_config": {"time": batch_config.value, "frame_count": batch_config.frame_count},
            "model_name": model_name,
            "model_config": {key: value for key, value in options.items() if value is not None},
            "name": name,
            "ws_connection_id": await live(ctx).feed.connection_id(),
        }
    )
    cursor = await live(ctx).feed.cursor()
    index = await live(ctx).client.indexes.create(stream_id, request)
    hint = "wait_for_events with channels=['scenes'] and since=cursor follows it; create_alert watches it."
    return IndexResult.model_validate(_fields(index) | {"cursor": cursor, "next": hint})


@tool("List scene indexes", read_only=True, default=True)
async def list_scene_indexes(ctx: ToolContext, stream_id: StreamId) -> IndexList:
    """List the continuous analyses of a stream, with what each looks for and how it keeps up."""
    found = await live(ctx).client.indexes.list(stream_id)
    return IndexList(indexes=[IndexInfo.model_validate(_fields(index)) for index in found])


@tool("Look up a scene index", read_only=True)
async def get_scene_index(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> IndexDetails:
    """One continuous analysis: how it keeps up, windows skipped and failed, calls and tokens of its model."""
    return IndexDetails.model_validate(_fields(await live(ctx).client.indexes.get(stream_id, index_id)))


@tool("Start a scene index", read_only=False, idempotent=True)
async def start_scene_index(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> IndexStatusResult:
    """Go on with a stopped scene index. Harmless when it runs."""
    return IndexStatusResult.model_validate(_state(await live(ctx).client.indexes.start(stream_id, index_id)))


@tool("Stop a scene index", read_only=False, idempotent=True)
async def stop_scene_index(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> IndexStatusResult:
    """Stop describing a stream with this index; its alerts rest and its model costs nothing more. Its scenes stay, and
    start_scene_index goes on."""
    return IndexStatusResult.model_validate(_state(await live(ctx).client.indexes.stop(stream_id, index_id)))


@tool("Read scenes", read_only=True, default=True)
async def get_scenes(
    ctx: ToolContext,
    stream_id: StreamId,
    index_id: IndexId,
    start: Annotated[float | None, Field(description="Unix seconds; give start and end, or neither.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    page: Annotated[int, Field(ge=1)] = 1,
    page_size: Annotated[int, Field(ge=1, le=100, description="Fewer scenes come with longer texts.")] = 20,
) -> SceneList:
    """Read what an index saw, newest first. For what comes next use wait_for_events."""
    cursor = await live(ctx).feed.cursor()  # before the read: what comes in between is seen twice rather than never
    found = await live(ctx).client.indexes.scenes(
        stream_id, index_id, start=start, end=end, page=page, page_size=page_size
    )
    return SceneList(scenes=_scenes(found.scenes), has_more=found.next_page, cursor=cursor)


def _scenes(found: Sequence[Scene]) -> list[SceneInfo]:
    """The scenes, their texts cut so that the result stays readable."""
    most = max(LEAST_CHARS, min(MAX_TEXT, MAX_RESULT_CHARS // max(1, len(found))))
    return [_scene(scene, most) for scene in found]


def _scene(scene: Scene, most: int) -> SceneInfo:
    data, data_error = scene.data, scene.data_error
    if data is not None and len(json.dumps(data, ensure_ascii=False)) > most:
        data, data_error = None, "The object is too large to be shown here."
    failed = scene.status == "failed"
    return SceneInfo(
        start=round(scene.start, 3),
        end=round(scene.end, 3),
        untrusted_text=None if failed else clean(scene.text, most),
        untrusted_data=clean_data(data, most),
        data_error=note(data_error),
        failure=note(scene.text) if failed else None,
        unchanged=scene.unchanged or None,
        model=name(scene.model) or None,
        latency_s=scene.latency_s,
        frame_times=scene.frame_times or None,
    )


def index_state(index: IndexProgress) -> IndexState:
    """How an index keeps up, as a tool says it."""
    return IndexState.model_validate(_state(index))


def _state(index: IndexProgress) -> JsonObject:
    return {
        "index_id": index.rtstream_index_id,
        "name": name(index.name or "") or None,
        "status": index.status,
        "done": index.windows_done,
        "skipped": index.windows_skipped,
        "failed": index.windows_failed,
        "capped": index.windows_capped or None,
        "note": note(index.status_reason),
    }


def _fields(index: SceneIndex) -> JsonObject:
    config = index.extraction_config
    return _state(index) | {
        "stream_id": index.rtstream_id,
        "model": name(index.model) or None,
        "prompt": clean(index.prompt or "", 500) or None,
        "window_s": config.get("time"),
        "frames": config.get("frame_count"),
        "unchanged": index.windows_unchanged,
        "calls": index.model_calls,
        "tokens_in": index.tokens_in,
        "tokens_out": index.tokens_out,
        "note": _note(index),
    }


def _note(index: SceneIndex) -> str | None:
    return note(" ".join(part for part in (index.status_reason, index.note) if part))
