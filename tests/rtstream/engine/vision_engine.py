"""An engine that sees with a model server, and its indexes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.models import CreateIndex, Page, Scene, SceneIndex
from tests.modelserver import KEY, ModelServer
from tests.waiting import eventually

if TYPE_CHECKING:
    pass


LIMIT_S = 40.0


MODELS = (
    "limited", "recovers", "broken", "silent", "cut", "babble", "locked", "fine",
    "tidy", "fenced", "fits", "misfits", "other",
)  # fmt: skip
"""The models that tests name in requests."""


@asynccontextmanager
async def seeing(folder: Path, server: ModelServer, **settings: Any) -> AsyncIterator[Engine]:
    """An engine that sees with the model server."""
    given: dict[str, Any] = {
        "embedding_model": "none",
        "allow_networks": "loopback",
        "webhook_allow_networks": "loopback",
        "segment_s": 1.0,
        "vision_model": "openai:eye-1",
        "model_base_url": server.url,
        "model_api_key": KEY,
        "allow_models": ",".join(f"openai:{name}" for name in MODELS),
    }
    async with Engine(EngineConfig(data_dir=folder, **given | settings)) as engine:
        yield engine


async def watch(engine: Engine, stream_id: str, window_s: float = 0.5, frames: int = 1, **more: Any) -> SceneIndex:
    """A new index of the stream."""
    config = {"time": window_s, "frame_count": frames}
    wanted = {"prompt": "What is seen?", "extraction_config": config, **more}
    return await engine.indexes.create(stream_id, CreateIndex.model_validate(wanted))


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """The state that has no event of its own to wait on."""
    await eventually(check, limit_s=LIMIT_S, every_s=0.05)


async def index_when(engine: Engine, index: SceneIndex, wanted: Callable[[SceneIndex], bool]) -> SceneIndex:
    """The index, once it is as wanted."""
    found: list[SceneIndex] = []

    async def check() -> bool:
        found[:] = [await engine.indexes.get(index.rtstream_id, index.rtstream_index_id)]
        return wanted(found[0])

    await until(check)
    return found[0]


async def scenes_when(engine: Engine, index: SceneIndex, count: int) -> list[Scene]:
    """At least so many scenes of an index, oldest first."""
    found: list[Scene] = []

    async def check() -> bool:
        found[:] = (await engine.indexes.list_scenes(index.rtstream_id, index.rtstream_index_id, Page()))[0]
        return len(found) >= count

    await until(check)
    return found[::-1]
