"""Scene indexes and their records (API reference 2.8 to 2.11)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import UnixTime, body, ok, query
from rtstream.api.routing import engine_of
from rtstream.api.streams import Action
from rtstream.models import CreateIndex, Page


class UpdateIndex(BaseModel):
    """Body of ``PATCH rtstream/{id}/index/scene/{index_id}``."""

    prompt: str = Field(min_length=1, max_length=20_000)


class ListScenes(Page):
    """Query of ``GET rtstream/{id}/index/scene/{index_id}``."""

    start: UnixTime | None = None
    end: UnixTime | None = None


def _ids(request: Request) -> tuple[str, str]:
    return request.path_params["stream_id"], request.path_params["index_id"]


async def create_index(request: Request) -> Response:
    """Create an index on a stream."""
    wanted = await body(request, CreateIndex)
    if wanted.extraction_type == "time_based":  # as the Node client writes it
        wanted.extraction_type = "time"
    if wanted.extraction_config is not None:  # clients send null for fields that the server chooses
        wanted.extraction_config = {key: value for key, value in wanted.extraction_config.items() if value is not None}
    return ok(await engine_of(request).indexes.create(request.path_params["stream_id"], wanted), 201)


async def list_indexes(request: Request) -> Response:
    """List the visual and audio indexes of a stream."""
    return ok({"scene_indexes": await engine_of(request).indexes.list(request.path_params["stream_id"])})


async def get_index(request: Request) -> Response:
    """Get an index."""
    return ok(await engine_of(request).indexes.get(*_ids(request)))


async def update_index(request: Request) -> Response:
    """Update the prompt of an index, even while it runs."""
    change = await body(request, UpdateIndex)
    return ok(await engine_of(request).indexes.update(*_ids(request), prompt=change.prompt))


async def set_index_status(request: Request) -> Response:
    """Start or stop an index. Repeated calls have no further effect."""
    match (await body(request, Action)).action:
        case "start":
            return ok(await engine_of(request).indexes.start(*_ids(request)))
        case "stop":
            return ok(await engine_of(request).indexes.stop(*_ids(request)))


async def list_scenes(request: Request) -> Response:
    """One page of scenes, newest first."""
    wanted = query(request, ListScenes)
    scenes, more = await engine_of(request).indexes.list_scenes(
        *_ids(request), wanted, start=wanted.start, end=wanted.end
    )
    return ok({"scene_index_records": scenes, "next_page": more})
