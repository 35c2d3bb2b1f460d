"""Tools for scene indexes: describe a stream continuously, and read the descriptions."""

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
"""About 10,000 tokens, far below the limits of hosts."""
LEAST_CHARS = 300
"""Minimum length of a scene's text, in characters, however many scenes share a result."""


class BatchConfig(BaseModel):
    """Length and frames of the windows."""

    type: Literal["time"] = "time"
    value: float = Field(default=5, ge=0.5, le=3600, description="Length of each described window, seconds.")
    frame_count: int = Field(default=2, ge=1, le=60, description="Frames per window.")


class IndexStatusResult(BaseModel):
    """State of an index."""

    index_id: str
    name: str | None = None
    status: str = Field(description="running, paused, stopped or error")
    note: str | None = None


class IndexState(IndexStatusResult):
    """Progress of an index."""

    done: int = Field(description="Windows described so far.")
    skipped: int = Field(description="Windows that are never described.")
    failed: int
    capped: int | None = Field(default=None, description="Windows skipped because of the cap on model calls.")


class IndexInfo(IndexState):
    """A scene index."""

    stream_id: str
    model: str | None = Field(default=None, description="Model in use; local reads text and detects changes on screen.")
    prompt: str | None = None
    window_s: float | None = None
    frames: int | None = None


class IndexDetails(IndexInfo):
    """A scene index with the calls of its model."""

    waiting: int = Field(description="Windows to be described later, from the recording.")
    unchanged: int = Field(description="Windows without a change, for which the model was not called.")
    calls: int = Field(description="Calls to the model.")
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
    untrusted_data: JsonObject | None = Field(default=None, description="JSON object in the text.")
    data_error: str | None = Field(default=None, description="Reason why the requested object is missing.")
    failure: str | None = Field(default=None, description="Reason why the window was not described.")
    unchanged: bool | None = Field(
        default=None, description="The picture had not changed, so the last description is repeated."
    )
    model: str | None = None
    latency_s: float | None = None
    frame_times: list[float] | None = None


class SceneList(BaseModel):
    """Scenes, newest first."""

    scenes: list[SceneInfo]
    has_more: bool = Field(description="Older ones are on the next page.")
    cursor: int = Field(description="Pass as since to wait_for_events to get later scenes.")


@tool("Describe a stream continuously", read_only=False, default=True)
async def index_visuals(
    ctx: ToolContext,
    stream_id: StreamId,
    prompt: Annotated[str, Field(max_length=4000, description="Subject, for example: people at the door.")],
    batch_config: Annotated[BatchConfig, Field(description="Windows. Shorter ones cost more.")] = BatchConfig(),  # noqa: B008 - never changed
    model_name: Annotated[
        str | None, Field(description="mini, basic, pro, ultra, provider:model or local; omit for the default.")
    ] = None,
    name: Annotated[str | None, Field(description="Short name.")] = None,
    json_schema: Annotated[
        JsonObject | None, Field(description="JSON schema that every description must match.")
    ] = None,
    skip_unchanged: Annotated[bool, Field(description="Repeat the last scene while nothing changes.")] = False,
) -> IndexResult:
    """Describe the video of a stream continuously, one scene per window, until stopped.

    Use this before create_alert, or to follow a stream. Reuse an index of list_scene_indexes if one fits. Call
    create_event, get_scenes or wait_for_events next.
    """
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
    hint = "Follow it with wait_for_events(channels=['scenes'], since=cursor), or call create_alert."
    return IndexResult.model_validate(_fields(index) | {"cursor": cursor, "next": hint})


@tool("List scene indexes", read_only=True, default=True)
async def list_scene_indexes(ctx: ToolContext, stream_id: StreamId) -> IndexList:
    """List the scene indexes of a stream with their prompts and progress.

    Use this to find or reuse an index. Call get_scenes next.
    """
    found = await live(ctx).client.indexes.list(stream_id)
    return IndexList(indexes=[IndexInfo.model_validate(_fields(index)) for index in found])


@tool("Get a scene index", read_only=True)
async def get_scene_index(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> IndexDetails:
    """Get the progress of a scene index: described, skipped and failed windows, and the calls and tokens of its model.

    Use this when an index falls behind or costs too much. Call stop_scene_index next to end it.
    """
    return IndexDetails.model_validate(_fields(await live(ctx).client.indexes.get(stream_id, index_id)))


@tool("Start a scene index", read_only=False, idempotent=True)
async def start_scene_index(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> IndexStatusResult:
    """Start a stopped scene index.

    Use this when the user wants descriptions again. It has no effect on a running index. Call wait_for_events next.
    """
    return IndexStatusResult.model_validate(_state(await live(ctx).client.indexes.start(stream_id, index_id)))


@tool("Stop a scene index", read_only=False, idempotent=True)
async def stop_scene_index(ctx: ToolContext, stream_id: StreamId, index_id: IndexId) -> IndexStatusResult:
    """Stop a scene index. Its scenes are kept.

    Use this when the user no longer needs new descriptions. Its alerts pause, and its model costs nothing more.
    Call start_scene_index to resume.
    """
    return IndexStatusResult.model_validate(_state(await live(ctx).client.indexes.stop(stream_id, index_id)))


@tool("Read scenes", read_only=True, default=True)
async def get_scenes(
    ctx: ToolContext,
    stream_id: StreamId,
    index_id: IndexId,
    start: Annotated[float | None, Field(description="Unix seconds; pass start and end, or neither.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    page: Annotated[int, Field(ge=1)] = 1,
    page_size: Annotated[int, Field(ge=1, le=100, description="With fewer scenes, texts are longer.")] = 20,
) -> SceneList:
    """Read the scenes of an index, newest first.

    Use this for past scenes. Call wait_for_events for new ones.
    """
    cursor = await live(
        ctx
    ).feed.cursor()  # taken before the read, so that scenes in between are seen twice rather than missed
    found = await live(ctx).client.indexes.list_scenes(
        stream_id, index_id, start=start, end=end, page=page, page_size=page_size
    )
    return SceneList(scenes=_scenes(found.scenes), has_more=found.next_page, cursor=cursor)


def _scenes(found: Sequence[Scene]) -> list[SceneInfo]:
    """The scenes, with their texts shortened to fit the result."""
    most = max(LEAST_CHARS, min(MAX_TEXT, MAX_RESULT_CHARS // max(1, len(found))))
    return [_scene(scene, most) for scene in found]


def _scene(scene: Scene, most: int) -> SceneInfo:
    data, data_error = scene.data, scene.data_error
    if data is not None and len(json.dumps(data, ensure_ascii=False)) > most:
        data, data_error = None, "The object is too large for this result."
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
    """Progress of an index, as tools return it."""
    return IndexState.model_validate(_state(index))


def _state(index: IndexProgress) -> JsonObject:
    return {
        "index_id": index.rtstream_index_id,
        "name": name(index.name or "") or None,
        "status": index.state or index.status,
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
        "waiting": index.windows_waiting,
        "unchanged": index.windows_unchanged,
        "calls": index.model_calls,
        "tokens_in": index.tokens_in,
        "tokens_out": index.tokens_out,
        "note": _note(index),
    }


def _note(index: SceneIndex) -> str | None:
    return note(" ".join(part for part in (index.status_reason, index.note) if part))
