"""Tools for scene indexes: have a stream described continuously, and read the descriptions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from rtstream.client.events import MAX_TEXT, UNTRUSTED
from rtstream.models import CreateIndex, SceneIndex
from rtstream.rules.untrusted import clean
from tools.define import ToolContext, live, tool
from tools.parameters import IndexId, StreamId, name, note


class IndexInfo(BaseModel):
    """A continuous analysis of a stream."""

    index_id: str
    stream_id: str
    name: str | None = None
    status: str = Field(description="running, stopped or paused")
    model: str | None = Field(None, description="Vision model that answers; local reads text and changes on screen.")
    prompt: str | None = None
    done: int = Field(description="Windows described so far.")
    skipped: int = Field(description="Windows skipped because the model was slower than the stream.")
    failed: int
    note: str | None = None


class IndexResult(IndexInfo):
    """A new index."""

    cursor: int = Field(description="Pass as since to wait_for_events to miss nothing from here on.")
    next: str


class IndexList(BaseModel):
    """All scene indexes of a stream."""

    indexes: list[IndexInfo]


class SceneInfo(BaseModel):
    """One described window, Unix seconds."""

    start: float
    end: float
    untrusted_text: str = Field(description=UNTRUSTED)


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
    every_s: Annotated[float, Field(ge=1, le=600, description="Length of each described window, seconds.")] = 5,
    frames: Annotated[int, Field(ge=1, le=60, description="Pictures looked at per window.")] = 2,
    name: Annotated[str | None, Field(description="Short name.")] = None,
) -> IndexResult:
    """Have the pictures of a stream described continuously from now on: one scene per window, until stopped. Needed
    before alerts. Check list_scene_indexes first, an index that fits can be used again. Next: get_scenes, create_event
    and create_alert, or wait_for_events."""
    request = CreateIndex.model_validate(
        {
            "prompt": prompt,
            "extraction_config": {"time": every_s, "frame_count": frames},
            "name": name,
            "ws_connection_id": await live(ctx).feed.connection_id(),
        }
    )
    cursor = await live(ctx).feed.cursor()
    index = await live(ctx).client.create_index(stream_id, request)
    return IndexResult(
        **_fields(index),
        cursor=cursor,
        next="wait_for_events with channels=['scenes'] and since=cursor follows it; create_alert watches it.",
    )


@tool("List scene indexes", read_only=True, default=True)
async def list_scene_indexes(ctx: ToolContext, stream_id: StreamId) -> IndexList:
    """List the continuous analyses of a stream, with what each looks for and how it keeps up."""
    return IndexList(indexes=[IndexInfo(**_fields(index)) for index in await live(ctx).client.list_indexes(stream_id)])


@tool("Read scenes", read_only=True, default=True)
async def get_scenes(
    ctx: ToolContext,
    stream_id: StreamId,
    index_id: IndexId,
    start: Annotated[float | None, Field(description="Unix seconds; give start and end, or neither.")] = None,
    end: Annotated[float | None, Field(description="Unix seconds.")] = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    page: Annotated[int, Field(ge=1)] = 1,
) -> SceneList:
    """Read what an index saw, newest first. For what comes next use wait_for_events."""
    cursor = await live(ctx).feed.cursor()  # before the read: what comes in between is seen twice rather than never
    found = await live(ctx).client.get_scenes(stream_id, index_id, start=start, end=end, page=page, page_size=limit)
    scenes = [
        SceneInfo(start=round(s.start, 3), end=round(s.end, 3), untrusted_text=clean(s.text, MAX_TEXT))
        for s in found.scenes
    ]
    return SceneList(scenes=scenes, has_more=found.next_page, cursor=cursor)


def _fields(index: SceneIndex) -> dict[str, Any]:
    return {
        "index_id": index.rtstream_index_id,
        "stream_id": index.rtstream_id,
        "name": name(index.name or "") or None,
        "status": index.status,
        "model": name(index.model) or None,
        "prompt": clean(index.prompt or "", 500) or None,
        "done": index.windows_done,
        "skipped": index.windows_skipped,
        "failed": index.windows_failed,
        "note": note(" ".join(part for part in (index.status_reason, index.note) if part)),
    }
