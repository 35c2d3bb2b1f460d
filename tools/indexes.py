"""Tools for indexes: describe the video or the speech of a stream continuously, and read the descriptions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from rtstream.client.idempotency import idempotency_key
from rtstream.client.markdown import quoted
from rtstream.client.messages import MAX_TEXT, UNTRUSTED, news
from rtstream.errors import InvalidRequest, NotFound
from rtstream.json_types import JsonObject
from rtstream.models import CreateIndex, IndexProgress, Scene, SceneIndex
from rtstream.rules.text_safety import clean, clean_data
from rtstream.states import ExtractionType
from tools._framework.costs import cost_question, past
from tools._framework.definition import ToolContext, live, once, tool
from tools._framework.parameters import OBJECTS, name, note
from tools._framework.targets import StreamId, stream_of
from tools._framework.times import Time, joined, window

MAX_RESULT_CHARS = 40_000
"""About 10,000 tokens, far below the limits of hosts."""
LEAST_CHARS = 300
"""Minimum length of a scene's text, in characters, however many scenes share a result."""
MAX_NAMED = 10
MEASURED = ("cut", "cuts", "motion", "frozen", "still_s", "black", "blank", "colours")
"""Measurements of a picture that say more than its text."""
MAX_PAUSE_S = 15.0
"""Seconds between two scenes with the same description, beyond which they are shown as two."""

IndexId = Annotated[str | None, Field(description="Id or name. Omit it if the stream has one index.")]
Prompt = Annotated[str, Field(max_length=4000, description="For example: people at the door.")]
ModelName = Annotated[str | None, Field(description="mini, basic, pro, ultra, provider:model or local.")]
_ID = re.compile(r"scene-idx-[0-9a-f]{12}")


class BatchConfig(BaseModel):
    """Length and frames of the windows."""

    type: Literal["time"] = "time"
    value: float = Field(default=5, ge=0.5, le=3600, description="Seconds.")
    frame_count: int = Field(default=2, ge=1, le=60, description="Frames per window.")


class BatchOption(BaseModel):
    """Amount of speech per description."""

    type: Literal["word", "sentence", "time"] = "time"
    value: Annotated[float, Field(gt=0, description="Words, sentences or seconds.")] = 30


class IndexState(BaseModel):
    """State and progress of an index."""

    index_id: str
    medium: str = Field(description="visual or audio")
    name: str | None = None
    prompt: str | None = None
    model: str | None = None
    status: str = Field(description="running, paused, stopped or error")
    note: str | None = None
    done: int = Field(description="Windows described so far.")
    skipped: int = Field(description="Windows that are never described.")
    waiting: int = Field(description="Windows to be described later, from the recording.")
    failed: int
    capped: int | None = Field(default=None, description="Windows skipped because of the cap on model calls.")


class IndexResult(BaseModel):
    """A new index."""

    index_id: str
    stream_id: str
    job_id: str | None = Field(default=None, description="Analysis of the past.")
    name: str | None = None
    status: str
    model: str | None = Field(default=None, description="local: built in, does not follow the prompt.")
    note: str | None = None
    repeated: bool | None = Field(
        default=None, description="It was created by an earlier call with the same arguments."
    )
    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class UpdatedIndex(BaseModel):
    """An index after a change."""

    index_id: str
    medium: str
    status: str
    prompt: str | None = None
    note: str | None = None


class SceneInfo(BaseModel):
    """One described window or batch of speech. Times are Unix seconds."""

    start: float
    end: float
    at: float | None = Field(default=None, description="look(at=…) shows it.")
    untrusted_text: str | None = Field(default=None, description=UNTRUSTED)
    untrusted_data: JsonObject | None = Field(default=None, description="JSON object in the text.")
    data_error: str | None = Field(default=None, description="Reason why the requested object is missing.")
    failure: str | None = Field(default=None, description="Reason why the window was not described.")
    windows: int | None = Field(default=None, description="Windows with this description, one after the other.")
    untrusted_new: list[str] | None = Field(default=None, description="Lines that appeared on the screen.")
    untrusted_gone: list[str] | None = Field(default=None, description="Lines that vanished from it.")
    picture: JsonObject | None = Field(default=None, description="Measurements without a model.")
    model: str | None = None
    latency_s: float | None = None
    frame_times: list[float] | None = None


class SceneList(BaseModel):
    """Scenes, newest first."""

    medium: str = Field(description="visual or audio")
    scenes: Annotated[list[SceneInfo], OBJECTS]
    has_more: bool = Field(description="Older ones are on the next page.")
    cursor: int = Field(description="Pass as since to wait_for_events to get later scenes.")
    note: str | None = None


Start = Annotated[Time, Field(description="In the past; then it continues live.")]
End = Annotated[Time, Field(description="End there.")]


def _visual(
    prompt: str,
    batch_config: BatchConfig,
    model_name: str | None,
    name: str | None,
    json_schema: JsonObject | None,
) -> JsonObject:
    return {
        "prompt": prompt or None,
        "extraction_config": {"time": batch_config.value, "frame_count": batch_config.frame_count},
        "model_name": model_name,
        "model_config": {} if json_schema is None else {"json_schema": json_schema},
        "name": name,
    }


async def _visual_cost(
    ctx: ToolContext,
    stream_id: str | None,
    prompt: str,
    batch_config: BatchConfig,
    model_name: str | None,
    name: str | None,
    json_schema: JsonObject | None,
    start: str | None,
    end: str | None,
) -> str:
    fields = _visual(prompt, batch_config, model_name, name, json_schema)
    return await cost_question(ctx, stream_id, start, end, request=CreateIndex.model_validate(fields))


@tool("Describe a stream continuously", read_only=False, default=True, confirm=_visual_cost)
async def index_visuals(
    ctx: ToolContext,
    stream_id: StreamId = None,
    prompt: Prompt = "",
    batch_config: Annotated[BatchConfig, Field(description="Windows. Shorter ones cost more.")] = BatchConfig(),  # noqa: B008 - never changed
    model_name: ModelName = None,
    name: Annotated[str | None, Field(description="Short name.")] = None,
    json_schema: Annotated[
        JsonObject | None, Field(description="JSON schema that every description must match.")
    ] = None,
    start: Start = None,
    end: End = None,
) -> IndexResult:
    """Describe the video of a stream continuously, one scene per window, until update_index stops it.

    Use this to follow the picture, or with start to describe the recording. Reuse an index that get_stream lists if
    one fits. create_alert starts one itself. Call get_scenes, wait_for_events or jobs next.
    """
    fields = _visual(prompt, batch_config, model_name, name, json_schema)
    return await _create(ctx, stream_id, "scenes", fields, start, end)


def _audio(prompt: str, batch_config: BatchOption, model_name: str | None, name: str | None) -> JsonObject:
    return {
        "extraction_type": "transcript",
        "extraction_config": {"segmenter": batch_config.type, "segmentation_value": batch_config.value},
        "prompt": prompt or None,
        "model_name": model_name,
        "name": name,
    }


async def _audio_cost(
    ctx: ToolContext,
    stream_id: str | None,
    prompt: str,
    batch_config: BatchOption,
    model_name: str | None,
    name: str | None,
    start: str | None,
    end: str | None,
) -> str:
    fields = _audio(prompt, batch_config, model_name, name)
    return await cost_question(ctx, stream_id, start, end, request=CreateIndex.model_validate(fields))


@tool("Describe speech continuously", read_only=False, open_world=True, default=True, confirm=_audio_cost)
async def index_audio(
    ctx: ToolContext,
    stream_id: StreamId = None,
    prompt: Annotated[str, Field(max_length=4000, description="Instruction for each summary.")] = "",
    batch_config: Annotated[BatchOption, Field(description="Speech per summary.")] = BatchOption(),  # noqa: B008 - never changed
    model_name: ModelName = None,
    name: Annotated[str | None, Field(description="Short name.")] = None,
    start: Start = None,
    end: End = None,
) -> IndexResult:
    """Summarise the speech of a stream continuously, one scene per batch, until update_index stops it.

    Use this to follow the conversation, or with start to summarise the recording. It starts the transcript that it
    needs. Call get_scenes next, or wait_for_events with channels=['audio'].
    """
    return await _create(ctx, stream_id, "audio", _audio(prompt, batch_config, model_name, name), start, end)


async def _create(
    ctx: ToolContext, stream_id: str | None, channel: str, fields: JsonObject, start: str | None, end: str | None
) -> IndexResult:
    stream = await stream_of(ctx, stream_id)
    times = await past(ctx, stream, start, end)
    if times.start is not None:  # the user has agreed if that was necessary
        fields |= {"start": times.start, "end": times.end, "confirm": True}
    feed = live(ctx).feed
    key = idempotency_key(f"index {stream}", fields)
    request = CreateIndex.model_validate({**fields, "ws_connection_id": await feed.connection_id()})
    cursor = await feed.cursor()
    index = await live(ctx).client.indexes.create(stream, request, key=key)
    backfill = index.backfill
    job_id = backfill.job_id if backfill is not None else None
    forecast = note(backfill.forecast.text) if backfill is not None else None
    return IndexResult(
        index_id=index.rtstream_index_id,
        stream_id=stream,
        job_id=job_id,
        name=name(index.name or "") or None,
        status=index.state or index.status,
        model=name(index.model) or None,
        note=joined(f"Index {index.rtstream_index_id}." if job_id else None, forecast, times.note, _note(ctx, index)),
        repeated=index.repeated or None,
        cursor=cursor,
        next=next_step(channel, cursor, job_id),
    )


def next_step(channel: str, cursor: int, job_id: str | None) -> str:
    """The next step after the start of an analysis, and of the job that analyses the past."""
    if job_id is None:
        return f"wait_for_events(channels=['{channel}'], since={cursor}) follows it."
    return f"wait_for_events(channels=['jobs', '{channel}'], since={cursor}), or jobs(job_id='{job_id}'), follows it."


@tool("Update an index", read_only=False, idempotent=True, default=True)
async def update_index(
    ctx: ToolContext,
    stream_id: StreamId = None,
    index_id: IndexId = None,
    running: Annotated[bool | None, Field(description="false stops it, true starts it again.")] = None,
    prompt: Annotated[str | None, Field(max_length=4000, description="From the next window on.")] = None,
) -> UpdatedIndex:
    """Start, stop or re-prompt an index of video or speech. Its scenes are kept.

    Use this when descriptions are no longer needed or should be about something else. While it is stopped, its alerts
    pause and its model costs nothing. Call get_scenes or wait_for_events next.
    """
    if running is None and prompt is None:
        raise InvalidRequest("Nothing was changed. Pass running, prompt, or both.")
    stream = await stream_of(ctx, stream_id)
    calls, found = live(ctx).client.indexes, await index_of(ctx, stream, index_id)
    index = await calls.get(stream, found)
    if prompt is not None:
        index = await calls.update(stream, found, prompt=prompt)
    if running is not None:
        index = await (calls.start if running else calls.stop)(stream, found)
    return UpdatedIndex(
        index_id=found,
        medium=medium(index),
        status=index.state or index.status,
        prompt=clean(index.prompt or "", 500) or None,
        note=_note(ctx, index),
    )


@tool("Read scenes", read_only=True, default=True)
async def get_scenes(
    ctx: ToolContext,
    stream_id: StreamId = None,
    index_id: IndexId = None,
    start: Time = None,
    end: Time = None,
    page: Annotated[int, Field(ge=1)] = 1,
    page_size: Annotated[int, Field(ge=1, le=100, description="With fewer scenes, texts are longer.")] = 20,
) -> SceneList:
    """Read the scenes of an index of video or speech, newest first. Repeats are one scene.

    Use this for past scenes. Call wait_for_events for new ones.
    """
    stream = await stream_of(ctx, stream_id)
    found = await index_of(ctx, stream, index_id)
    index = await live(ctx).client.indexes.get(stream, found)
    wanted = await window(ctx, start, end, stream=stream)
    cursor = await live(
        ctx
    ).feed.cursor()  # taken before the read, so that scenes in between are seen twice rather than missed
    listed = await live(ctx).client.indexes.list_scenes(
        stream, found, start=wanted.start, end=wanted.end, page=page, page_size=page_size
    )
    return SceneList(
        medium=medium(index),
        scenes=_scenes(listed.scenes),
        has_more=listed.next_page,
        cursor=cursor,
        note=joined(wanted.note, None if listed.scenes else _note(ctx, index)),
    )


async def index_of(ctx: ToolContext, stream_id: str, index_id: str | None) -> str:
    """Return the id of an index of a stream.

    Args:
        ctx: Context of the call.
        stream_id: Id of the stream.
        index_id: Id or unique name of the index, or None for the only index.

    Raises:
        NotFound: There is no such index, or no index at all.
        InvalidRequest: Several indexes have the name, or there are several indexes and none is named.
    """
    wanted = (index_id or "").strip()
    if _ID.fullmatch(wanted):
        return wanted
    indexes = await live(ctx).client.indexes.list(stream_id)
    alike = [one for one in indexes if not wanted or wanted in (one.rtstream_index_id, name(one.name or ""))]
    ids = ", ".join(one.rtstream_index_id for one in (alike or indexes)[:MAX_NAMED])
    if len(alike) == 1:
        return alike[0].rtstream_index_id
    if not indexes:
        raise NotFound("This stream has no index. Call index_visuals or index_audio first.")
    if not alike:
        raise NotFound(f"This stream has no index {quoted(wanted)}. Pass one of {ids}. get_stream shows their names.")
    raise InvalidRequest(
        f"Several indexes of this stream fit. Pass index_id, one of {ids}. get_stream shows their names."
    )


def medium(index: IndexProgress) -> str:
    """``audio`` for an index of speech, else ``visual``."""
    return "audio" if index.extraction_type is ExtractionType.TRANSCRIPT else "visual"


def _scenes(found: Sequence[Scene]) -> list[SceneInfo]:
    """The scenes, with repeats merged, and with their texts shortened to fit the result."""
    merged: list[list[Scene]] = []
    for scene in found:
        if merged and _repeats(merged[-1][-1], scene):
            merged[-1].append(scene)
        else:
            merged.append([scene])
    most = max(LEAST_CHARS, min(MAX_TEXT, MAX_RESULT_CHARS // max(1, len(merged))))
    return [_scene(shown, most) for shown in merged]


def _repeats(scene: Scene, earlier: Scene) -> bool:
    """Whether a scene repeats the description of the one before."""
    if scene.status == "failed" or (scene.text, scene.data) != (earlier.text, earlier.data):
        return False
    return scene.start - earlier.end <= max(MAX_PAUSE_S, 2 * (scene.end - scene.start))


def _scene(shown: Sequence[Scene], most: int) -> SceneInfo:
    """Scenes with the same description, the newest first, as one."""
    scene, windows = shown[-1], len(shown)
    data, data_error = scene.data, scene.data_error
    if data is not None and len(json.dumps(data, ensure_ascii=False)) > most:
        data, data_error = None, "The object is too large for this result."
    failed = scene.status == "failed"
    return SceneInfo(
        start=round(scene.start, 3),
        end=round(shown[0].end, 3),
        at=round(scene.frame_times[-1], 3) if scene.frame_times else None,
        untrusted_text=None if failed else clean(scene.text, most),
        untrusted_data=clean_data(data, most),
        data_error=note(data_error),
        failure=note(scene.text) if failed else None,
        windows=windows if windows > 1 else None,
        untrusted_new=news(scene.new),
        untrusted_gone=news(scene.gone),
        picture={key: value for key, value in scene.picture.items() if value and key in MEASURED} or None,
        model=name(scene.model) or None,
        latency_s=scene.latency_s,
        frame_times=scene.frame_times or None,
    )


def index_state(index: IndexProgress) -> IndexState:
    """State and progress of an index, as tools return it."""
    return IndexState(
        index_id=index.rtstream_index_id,
        medium=medium(index),
        name=name(index.name or "") or None,
        prompt=clean(index.prompt or "", 500) or None,
        model=name(index.model) or None,
        status=index.state or index.status,
        done=index.windows_done,
        skipped=index.windows_skipped,
        waiting=index.windows_waiting,
        failed=index.windows_failed,
        capped=index.windows_capped or None,
        note=note(index.status_reason),
    )


def _note(ctx: ToolContext, index: SceneIndex) -> str | None:
    """The reason for the state of an index, and once per session the remark on its model."""
    return note(" ".join(part for part in (index.status_reason, once(ctx, index.note)) if part))
