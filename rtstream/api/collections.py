"""Collections (API reference 2.1)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.api.operations import Created
from rtstream.api.routing import engine_of
from rtstream.models import Collection


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


class CollectionsData(BaseModel):
    """Result of ``GET collection``."""

    collections: list[Collection]
    default_collection: str


async def get_collection(request: Request) -> Collection:
    """Get a collection."""
    return await engine_of(request).collections.get(request.path_params["collection_id"])


async def list_collections(request: Request) -> CollectionsData:
    """List all collections."""
    found = await engine_of(request).collections.list()
    return CollectionsData(collections=found, default_collection="default")


async def create_collection(request: Request, body: CreateCollection) -> Created[Collection]:
    """Create a collection."""
    return await engine_of(request).collections.create(body.name, body.description, body.is_public)


async def update_collection(request: Request, body: UpdateCollection) -> Collection:
    """Update the name, description or visibility of a collection."""
    return await engine_of(request).collections.update(request.path_params["collection_id"], **body.model_dump())


async def delete_collection(request: Request, query: DeleteCollection) -> None:
    """Delete an empty collection or, with ``force``, also its streams and videos."""
    engine, collection_id = engine_of(request), request.path_params["collection_id"]
    streams, videos = await engine.collections.contents(collection_id)
    if query.force:
        for stream_id in streams:
            await engine.delete_stream(stream_id)
        for video_id in videos:
            await engine.videos.delete(video_id)
    await engine.collections.delete(collection_id)
