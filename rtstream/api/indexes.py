"""Scene indexes and their records (API reference 2.8 to 2.11)."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request

from rtstream.api.envelope import UnixTime
from rtstream.api.operations import Created
from rtstream.api.routing import engine_of
from rtstream.api.streams import Action
from rtstream.models import BackfillForecast, CreateIndex, ForecastRequest, Page, Scene, SceneIndex


class UpdateIndex(BaseModel):
    """Body of ``PATCH rtstream/{id}/index/scene/{index_id}``."""

    prompt: str = Field(min_length=1, max_length=20_000)


class ListScenes(Page):
    """Query of ``GET rtstream/{id}/index/scene/{index_id}``."""

    start: UnixTime | None = None
    end: UnixTime | None = None


class SceneIndexesData(BaseModel):
    """Result of ``GET rtstream/{id}/index/scene``."""

    scene_indexes: list[SceneIndex]


class ScenesData(BaseModel):
    """Result of ``GET rtstream/{id}/index/scene/{index_id}``."""

    scene_index_records: list[Scene]
    next_page: bool


def _ids(request: Request) -> tuple[str, str]:
    return request.path_params["stream_id"], request.path_params["index_id"]


async def create_index(request: Request, body: CreateIndex) -> Created[SceneIndex]:
    """Create an index on a stream. With ``start``, a range of the past is analysed as well."""
    if body.extraction_type == "time_based":  # as the Node client writes it
        body.extraction_type = "time"
    if body.extraction_config is not None:  # clients send null for fields that the server chooses
        body.extraction_config = {key: value for key, value in body.extraction_config.items() if value is not None}
    engine, stream_id = engine_of(request), request.path_params["stream_id"]
    if body.start is None and body.end is None:
        return await engine.indexes.create(stream_id, body)
    return await engine.backfills.create_index(stream_id, body)


async def forecast_backfill(request: Request, body: ForecastRequest) -> BackfillForecast:
    """Forecast the work of an analysis of the past, and its cost, without starting it."""
    return await engine_of(request).backfills.forecast(request.path_params["stream_id"], body)


async def list_indexes(request: Request) -> SceneIndexesData:
    """List the visual and audio indexes of a stream."""
    return SceneIndexesData(scene_indexes=await engine_of(request).indexes.list(request.path_params["stream_id"]))


async def get_index(request: Request) -> SceneIndex:
    """Get an index."""
    return await engine_of(request).indexes.get(*_ids(request))


async def update_index(request: Request, body: UpdateIndex) -> SceneIndex:
    """Update the prompt of an index, even while it runs."""
    return await engine_of(request).indexes.update(*_ids(request), prompt=body.prompt)


async def delete_index(request: Request) -> None:
    """Delete an index with its scenes and alerts."""
    engine, (stream_id, index_id) = engine_of(request), _ids(request)
    await engine.indexes.delete(stream_id, index_id)
    engine.evaluator.scene_stored(index_id)  # ends the evaluation of its deleted alerts


async def set_index_status(request: Request, body: Action) -> SceneIndex:
    """Start or stop an index. Repeated calls have no further effect."""
    match body.action:
        case "start":
            return await engine_of(request).indexes.start(*_ids(request))
        case "stop":
            return await engine_of(request).indexes.stop(*_ids(request))


async def list_scenes(request: Request, query: ListScenes) -> ScenesData:
    """List a page of scenes, newest first."""
    scenes, more = await engine_of(request).indexes.list_scenes(*_ids(request), query, start=query.start, end=query.end)
    return ScenesData(scene_index_records=list(scenes), next_page=more)
