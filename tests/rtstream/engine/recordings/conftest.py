"""A clip with numbered pictures, an engine, its API, and a client without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from rtstream.api.app import create_app
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec

KEY = "sk-key-of-the-export-tests"


@pytest.fixture(scope="module")
def source(clip_of: Callable[[ClipSpec], Path]) -> Path:
    """8 s with pictures decoded in another order than shown, a keyframe every second, and audio."""
    from rtstream.testsource import ClipSpec

    return clip_of(ClipSpec(width=320, height=180, seconds=8, gop=30, bframes=2, bitrate=300_000, voice="tones"))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    config = EngineConfig(
        data_dir=tmp_path / "data", api_key=KEY, local_vision=False, embedding_model="none", min_free_gb=0
    )
    async with Engine(config) as running:
        yield running


@pytest.fixture
async def api(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api.test", headers={"x-access-token": KEY}
    ) as client:
        yield client


@pytest.fixture
async def holder(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A person with a link: no key."""
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client
