"""Collections (API reference 2.1)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from rtstream.api.envelope import body, ok, query
from rtstream.api.routing import engine_of


class CreateCollection(BaseModel):
    """Body of ``POST collection``."""

    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=4000)
    is_public: bool = False


class UpdateCollection(BaseModel):
    """Body of ``PATCH collection/{id}``. Absent fields stay as they are."""

    name: str | None = Field(None, min_length=1, max_length=200)
    description: str | None = Field(None, max_length=4000)
    is_public: bool | None = None


class DeleteCollection(BaseModel):
    """Query of ``DELETE collection/{id}``."""

    force: bool = Field(False, description="Delete its streams and videos as well.")


async def get_collection(request: Request) -> Response:
    """One collection."""
    return ok(await engine_of(request).collections.get(request.path_params["collection_id"]))


async def list_collections(request: Request) -> Response:
    """All collections."""
    return ok({"collections": await engine_of(request).collections.list(), "default_collection": "default"})


async def create_collection(request: Request) -> Response:
    """Create a collection."""
    wanted = await body(request, CreateCollection)
    return ok(await engine_of(request).collections.create(wanted.name, wanted.description, wanted.is_public), 201)


async def update_collection(request: Request) -> Response:
    """Update the name, description or visibility."""
    change = await body(request, UpdateCollection)
    return ok(await engine_of(request).collections.update(request.path_params["collection_id"], **change.model_dump()))


async def delete_collection(request: Request) -> Response:
    """Delete an empty collection or, with ``force``, also its streams and videos."""
    wanted = query(request, DeleteCollection)
    engine, collection_id = engine_of(request), request.path_params["collection_id"]
    streams, videos = await engine.collections.contents(collection_id)
    if wanted.force:
        for stream_id in streams:
            await engine.delete_stream(stream_id)
        for video_id in videos:
            await engine.videos.delete(video_id)
    await engine.collections.delete(collection_id)
    return ok()
